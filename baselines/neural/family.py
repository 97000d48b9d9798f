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
# What papers print for each data set; on ESConv MIME learns emotions, and names no strategy.
_FAMILY = {
    "ed": tuple(KINDS),
    "esconv": ("transformer", "multi-trs", "moel", "mime"),
}
_SILENT: dict[str, tuple[str, ...]] = {"ed": (), "esconv": ("mime",)}


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
    shared += ["--device", device, *(("--mlflow", mlflow) if mlflow else ())]
    fitting: list[object] = ["--steps", steps, "--validate-every", validate_every]
    folders: dict[str, list[Path]] = {}
    for name in chosen:
        for seed in range(seeds):
            folder = models / f"{name}-{dataset}-{seed}"
            folders.setdefault(name, []).append(folder)
            own: list[object] = ["--warm-up", warm_up]
            if name in _SILENT[dataset]:
                own += ["--label", "emotion"]
            if name == "empdg-adversarial":
                generator = models / f"empdg-{dataset}-{seed}"
                own = ["--start", generator, "--critic-steps", steps // 5]
            if (folder / "settings.json").is_file():
                own.append("--resume")
            _command("train", name, *shared, *fitting, *own, "--seed", seed, "--output", folder)
    replies, labels = _TASKS[dataset].split(",")
    naming = [name for name in chosen if KINDS[name].labels and name not in _SILENT[dataset]]
    for task, names_of_task in ((replies, chosen), (labels, naming)):
        asked = [folder for name in names_of_task for folder in folders[name]]
        if asked:
            _command(
                "run",
                *(part for folder in asked for part in ("--model", f"trained:{folder}")),
                *("--task", task, "--output", output, "--resume", "--device", device),
                *(("--data", data) if data else ()),
                *(("--mlflow", mlflow) if mlflow else ()),
            )
    typer.echo(f"Next: empathy-bench leaderboard build {output}")


def _chosen(names: str | None, dataset: str) -> list[str]:
    """The architectures asked for.

    Raises:
        UnknownNameError: there is no such architecture.
    """
    chosen = [part.strip() for part in names.split(",")] if names else list(_FAMILY[dataset])
    for name in chosen:
        if name not in KINDS:
            raise UnknownNameError("trainer", name, KINDS)
    return chosen


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
