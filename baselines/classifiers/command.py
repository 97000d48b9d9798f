"""`empathy-bench train classifier`: parse, train, print."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from baselines.classifiers.settings import Settings
from harness.commands import options as o
from harness.commands import show
from harness.commands.fitting import fitting_progress

__all__ = ["classifier"]

_FITTING = "Fine-tuning"
_PLAIN = Settings(task="esconv_strategy", method="linear")


def _number(flag: str, words: str | None = None, *, least: int = 1) -> Any:
    return typer.Option(flag, help=words, min=least, rich_help_panel=_FITTING)


def classifier(
    task: Annotated[
        Literal["esconv_strategy", "ed_emotion"],
        typer.Option("--task", "-t", help="Whose labels and training split."),
    ] = "esconv_strategy",
    method: Annotated[
        Literal["linear", "encoder"],
        typer.Option(
            "--method", help="Logistic regression on frozen sentence vectors, or fine-tuning."
        ),
    ] = "linear",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="New folder; else models/classifier-METHOD-TASK-SEED."),
    ] = None,
    data: o.Data = None,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            help="Folder or id of an encoder, e.g. roberta-base; default the packaged "
            "all-MiniLM-L6-v2.",
            show_default=False,
        ),
    ] = "",
    history: Annotated[
        bool, typer.Option("--history", help="Show the strategies of earlier listener turns.")
    ] = False,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Weight labels by their inverse frequency.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=2, help="Only the first N training examples.")
    ] = None,
    limit_valid: Annotated[
        int | None,
        typer.Option("--limit-valid", min=1, help="Only the first N validation examples."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in --output.")
    ] = False,
    epochs: Annotated[int, _number("--epochs", "At most.")] = _PLAIN.epochs,
    steps: Annotated[int | None, _number("--steps", "At most.")] = None,
    batch_size: Annotated[int, _number("--batch-size")] = _PLAIN.batch_size,
    rate: Annotated[
        float, typer.Option("--rate", help="Of the encoder.", rich_help_panel=_FITTING)
    ] = _PLAIN.rate,
    frozen_layers: Annotated[
        int, _number("--frozen-layers", "Lowest layers that stay as they are.", least=0)
    ] = _PLAIN.frozen_layers,
    max_len: Annotated[
        int, _number("--max-len", "Tokens of a context; the last are read.", least=8)
    ] = _PLAIN.max_len,
    validate_every: Annotated[
        int | None, _number("--validate-every", "Steps; else once an epoch.")
    ] = None,
    patience: Annotated[
        int, _number("--patience", "Validations without a higher macro-F1 that end it.")
    ] = _PLAIN.patience,
    seed: Annotated[int, _number("--seed", least=0)] = _PLAIN.seed,
    device: Annotated[
        str, typer.Option("--device", help="cpu, cuda, cuda:1, mps.", rich_help_panel=_FITTING)
    ] = "cpu",
    mlflow: o.TrainingMlflow = None,
    json: o.Json = False,
) -> None:
    """Fit a classifier that names the speaker's emotion or the listener's next strategy.

    Example: empathy-bench train classifier --task esconv_strategy --data DIR -o models/strategy
    """
    given = locals()
    names = {field.name for field in fields(Settings)}
    settings = Settings(**{name: value for name, value in given.items() if name in names})
    folder = output or Path("models") / f"classifier-{method}-{task}-{seed}"
    card = _train(
        settings, folder, data, encoder, limit, limit_valid, resume, device, mlflow, quiet=json
    )
    if json:
        show.print_json(card)
        return
    _print(card, folder)


def _train(
    settings: Settings,
    folder: Path,
    data: str | None,
    encoder: str,
    limit: int | None,
    limit_valid: int | None,
    resume: bool,
    device: str,
    mlflow: str | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    from baselines.classifiers.settings import task_of
    from baselines.classifiers.training import train_classifier
    from harness.datasets import load_example_set
    from harness.tracking.training import training_mirror

    task = task_of(settings)
    with fitting_progress(quiet=quiet) as bar:
        return train_classifier(
            load_example_set(task.train_set, data).limited(limit),
            load_example_set(task.example_set.replace("/test", "/valid"), data).limited(
                limit_valid
            ),
            folder,
            settings=settings,
            encoder=encoder,
            resume=resume,
            device=device,
            mirror=training_mirror(mlflow, folder, task=settings.task),
            show=bar,
        )


def _print(card: dict[str, Any], folder: Path) -> None:
    best = card["validation"]
    typer.echo(
        f"{card['name']}: validation accuracy {best['accuracy']:.2f} %, macro-F1 "
        f"{best['macro_f1']:.2f} % over {len(card['labels'])} labels; "
        f"{card['parameters']:,} parameters, {card['seconds']:.0f} s\n"
        f"kept in {folder} (curve.png shows how it went)\n"
        f"use it: empathy-bench run --model classifier:{folder} --task {card['task']}"
    )
