"""`demo`: the whole line on the embedded sample, by the commands a user would type."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]

MODELS = ("smollm2", "retrieval", "constant", "human")


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for runs, MLflow store and board.")
    ] = Path("demo"),
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="Examples per task, of the embedded sample.")
    ] = 48,
) -> None:
    """The whole line on the embedded sample: run, score, track, board.

    Example: empathy-bench demo
    """
    began = time.perf_counter()
    runs, board = output / "runs", output / "board.html"
    models = [part for name in MODELS for part in ("--model", name)]
    _step(
        "run", *models, "--task", "empathy", "--data", "sample", "--limit", limit, "--output", runs,
        "--resume",
    )  # fmt: skip
    _step("leaderboard", "build", runs, "--output", board, "--title", "empathy-bench demo")
    at = _program_folder()
    typer.echo(
        f"\nDone in {time.perf_counter() - began:.0f} s. Open {board} in a browser.\n\n"
        "Next:\n"
        "  1. look at the runs in MLflow:\n"
        f"       {at}mlflow server --backend-store-uri sqlite:///{runs}/mlflow.db --workers 1\n"
        "  2. evaluate your own model, or a file of its outputs:\n"
        f"       {at}empathy-bench run --model hf:PATH_OR_ID --task empathy --data DIR\n"
        f"       {at}empathy-bench score --predictions FILE --task ed_response --data DIR\n"
        "  3. ask what may be claimed about two of them:\n"
        f"       {at}empathy-bench compare {runs}/ed_response/Constant-reply"
        f" {runs}/ed_response/SmolLM2-135M-Instruct"
    )


def _program_folder() -> str:
    """What to put before a command: nothing where the shell finds it, else its folder."""
    if shutil.which("empathy-bench"):
        return ""
    folder = Path(sys.executable).parent
    inside = folder.is_relative_to(Path.cwd())
    return f"{folder.relative_to(Path.cwd()) if inside else folder}/"


def _step(*arguments: object) -> None:
    """Show and run one command; a failure ends the demo with its exit code."""
    words = [str(argument) for argument in arguments]
    typer.secho(f"\n$ empathy-bench {shlex.join(words)}", bold=True)
    code = subprocess.run([sys.executable, "-m", "harness.cli", *words], check=False).returncode
    if code:
        raise typer.Exit(code)
