"""`empathy-bench train all`: every architecture × seeds, answered and scored: a board's worth."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from baselines.neural.settings import KINDS
from harness.commands import options as o
from harness.errors import InputError, UnknownNameError

__all__ = ["every"]

_TASKS = {"ed": "ed_response,ed_emotion", "esconv": "esconv_response,esconv_strategy"}


def every(
    data: o.Data = None,
    dataset: Annotated[
        Literal["ed", "esconv"], typer.Option("--dataset", help="Whose training split.")
    ] = "ed",
    names: Annotated[
        str | None,
        typer.Option("--names", help="Only these, comma-separated.", show_default=False),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds 0 … N − 1.")] = 3,
    models: Annotated[Path, typer.Option("--models", help="Folder for trained models.")] = Path(
        "models"
    ),
    output: o.Output = Path("runs"),
    steps: Annotated[int, typer.Option("--steps", min=1, help="At most.")] = 40_000,
    validate_every: Annotated[int, typer.Option("--validate-every", min=1)] = 2_000,
    warm_up: Annotated[int, typer.Option("--warm-up", min=1, help="Steps.")] = 8_000,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1.")] = "cpu",
    mlflow: o.Mlflow = None,
) -> None:
    """Every from-scratch baseline with several seeds; what is there already is gone on with.

    Example: empathy-bench train all --data DIR --seeds 3
    """
    chosen = _chosen(names, dataset)
    shared: list[object] = ["--dataset", dataset, *(("--data", data) if data else ())]
    fitting: list[object] = ["--steps", steps, "--validate-every", validate_every]
    folders = []
    for name in chosen:
        for seed in range(seeds):
            folder = models / f"{name}-{dataset}-{seed}"
            folders.append(folder)
            _command(
                "train", name, *shared, *fitting, "--warm-up", warm_up, "--seed", seed,
                "--device", device, "--output", folder,
                *(("--resume",) if (folder / "settings.json").is_file() else ()),
            )  # fmt: skip
    _command(
        "run",
        *(part for folder in folders for part in ("--model", f"trained:{folder}")),
        *("--task", _tasks(chosen, dataset), "--output", output, "--resume", "--device", device),
        *(("--data", data) if data else ()),
        *(("--mlflow", mlflow) if mlflow else ()),
    )
    typer.echo(f"Next: empathy-bench leaderboard build {output}")


def _chosen(names: str | None, dataset: str) -> list[str]:
    """The architectures asked for.

    Raises:
        UnknownNameError: there is no such architecture.
    """
    # MIME divides emotions into two kinds, which ESConv's strategies do not have.
    able = [name for name in KINDS if not (dataset == "esconv" and name == "mime")]
    chosen = [part.strip() for part in names.split(",")] if names else able
    for name in chosen:
        if name not in KINDS:
            raise UnknownNameError("trainer", name, KINDS)
    return chosen


def _tasks(chosen: list[str], dataset: str) -> str:
    """The label task too, where every model names labels."""
    both = _TASKS[dataset]
    return both if all(KINDS[name].labels for name in chosen) else both.split(",")[0]


def _command(*arguments: object) -> None:
    """Show and run one command.

    Raises:
        InputError: it failed, after saying why.
    """
    words = [str(argument) for argument in arguments]
    typer.secho(f"\n$ empathy-bench {shlex.join(words)}", bold=True, err=True)
    done = subprocess.run([sys.executable, "-m", "harness.cli", *words], check=False)
    if done.returncode:
        raise InputError("stopped there; mend it and give the same command again to go on")
