"""`empathy-bench train epitome`: parse, fit, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.commands import options as o
from harness.commands import show
from harness.commands.fitting import fitting_progress

__all__ = ["epitome"]

_FITTING = "Fitting"


def epitome(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="New folder for the classifier.")
    ] = Path("epitome"),
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Folder with EPITOME's three CSV files, or with annotations/epitome. "
            "Else EMPATHY_BENCH_DATA.",
            show_default=False,
        ),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            help="Folder or id of an encoder, e.g. roberta-base as in the paper; "
            "default the packaged all-MiniLM-L6-v2.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training found in --output.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Only the first N pairs.")
    ] = None,
    epochs: Annotated[
        int, typer.Option("--epochs", min=1, help="At most.", rich_help_panel=_FITTING)
    ] = 5,
    patience: Annotated[
        int,
        typer.Option(
            "--patience",
            min=1,
            help="Epochs without a better validation score that end it.",
            rich_help_panel=_FITTING,
        ),
    ] = 2,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, rich_help_panel=_FITTING)] = 32,
    learning_rate: Annotated[
        float,
        typer.Option("--learning-rate", help="Of the encoder.", rich_help_panel=_FITTING),
    ] = 1e-4,
    frozen_layers: Annotated[
        int,
        typer.Option(
            "--frozen-layers",
            min=0,
            help="Lowest layers of the encoder that stay as they are.",
            rich_help_panel=_FITTING,
        ),
    ] = 0,
    max_len: Annotated[
        int,
        typer.Option(
            "--max-len", min=8, max=512, help="Tokens read of a post.", rich_help_panel=_FITTING
        ),
    ] = 64,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, help="Fixes split, start, order.", rich_help_panel=_FITTING),
    ] = 0,
    device: Annotated[
        str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.", rich_help_panel=_FITTING)
    ] = "cpu",
    mlflow: o.TrainingMlflow = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, nothing else.")] = False,
) -> None:
    """Fit the classifier behind the metrics `epitome:FOLDER`, on CPU in minutes.

    Example: empathy-bench train epitome --data DIR --output models/epitome
    """
    from harness.epitome.settings import Settings
    from harness.epitome.training import train_epitome
    from harness.tracking.training import training_mirror

    settings = Settings(
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=learning_rate,
        frozen_layers=frozen_layers,
        max_len=max_len,
        seed=seed,
    )
    with fitting_progress(quiet=json) as bar:
        card = train_epitome(
            _data(data),
            output,
            settings=settings,
            encoder=encoder,
            limit=limit,
            resume=resume,
            device=device,
            show=bar,
            mirror=training_mirror(mlflow, output, task="epitome"),
        )
    if json:
        show.print_json(card)
        return
    _print(card, output)


def _data(named: str | None) -> str:
    import os

    from harness.datasets.locate import VARIABLE
    from harness.errors import DataError

    found = named or os.environ.get(VARIABLE)
    if not found:
        raise DataError(
            "where are EPITOME's CSV files? Give --data DIR; they are in the folder `dataset` of "
            "github.com/behavioral-data/Empathy-Mental-Health"
        )
    return found


def _print(card: dict[str, Any], output: Path) -> None:
    rows = []
    for name, found in card["evaluation"]["test"].items():
        reported = card["replication"]["accuracy_macro_f1"][name]
        for column, key in enumerate(("accuracy", "macro_f1")):
            value = found[key]
            rows.append(
                [
                    found["name"] if column == 0 else "",
                    key.replace("_f1", "-F1"),
                    f"{value['value']:.1f}",
                    f"[{value['low']:.1f}, {value['high']:.1f}]",
                    f"{found['majority'][key]:.1f}",
                    f"{reported[column]:.1f}",
                ]
            )
    training = card["training"]
    title = f"{card['encoder']} · {card['sizes']['test']} held-out pairs · per cent"
    heads = ["mechanism", "score", "value", "95 % interval", "floor", "RoBERTa, reported"]
    show.table(title, heads, rows, right={2, 4, 5})
    typer.echo(
        f"best epoch {training['best_epoch']} of {training['epoch']}, "
        f"{training['seconds']:.0f} s; kept in {output}\n"
        f"use it: empathy-bench score --predictions FILE --metrics default,epitome:{output}"
    )
