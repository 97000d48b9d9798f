"""`empathy-bench train transformer|multi-trs|emoprepend|moel|mime`: parse, train, print."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from baselines.neural.settings import KINDS
from harness.commands import options as o
from harness.commands import show
from harness.commands.fitting import fitting_progress

if TYPE_CHECKING:
    from baselines.neural.settings import Settings
    from baselines.neural.training import Trained

__all__ = ["emoprepend", "mime", "moel", "multi_trs", "transformer"]

_FITTING = "Fitting"
_SIZES = "Sizes"


def _trainer(kind: str) -> Callable[..., None]:
    def train(
        output: Annotated[
            Path | None,
            typer.Option(
                "--output", "-o", help="New folder for the model; else models/NAME-DATASET-SEED."
            ),
        ] = None,
        data: o.Data = None,
        dataset: Annotated[
            Literal["ed", "esconv"], typer.Option("--dataset", help="Whose training split.")
        ] = "ed",
        label: Annotated[
            Literal["emotion", "strategy"] | None,
            typer.Option(
                "--label", help="What the label head learns; else ED's emotion, ESConv's strategy."
            ),
        ] = None,
        limit: Annotated[
            int | None, typer.Option("--limit", min=2, help="Only the first N training examples.")
        ] = None,
        resume: Annotated[
            bool, typer.Option("--resume", help="Go on with the training found in --output.")
        ] = False,
        seed: Annotated[int, typer.Option("--seed", min=0, rich_help_panel=_FITTING)] = 0,
        steps: Annotated[
            int, typer.Option("--steps", min=1, help="At most.", rich_help_panel=_FITTING)
        ] = 40_000,
        validate_every: Annotated[
            int, typer.Option("--validate-every", min=1, help="Steps.", rich_help_panel=_FITTING)
        ] = 2_000,
        patience: Annotated[
            int,
            typer.Option(
                "--patience",
                min=1,
                help="Validations without a lower perplexity that end it.",
                rich_help_panel=_FITTING,
            ),
        ] = 3,
        batch_size: Annotated[
            int, typer.Option("--batch-size", min=1, rich_help_panel=_FITTING)
        ] = 16,
        warm_up: Annotated[
            int, typer.Option("--warm-up", min=1, help="Steps.", rich_help_panel=_FITTING)
        ] = 8_000,
        rate: Annotated[
            float,
            typer.Option("--rate", help="Factor of Noam's schedule.", rich_help_panel=_FITTING),
        ] = 1.0,
        min_count: Annotated[
            int,
            typer.Option(
                "--min-count", min=1, help="Rarer words are unknown.", rich_help_panel=_SIZES
            ),
        ] = 1,
        width: Annotated[int, typer.Option("--width", min=2, rich_help_panel=_SIZES)] = 300,
        layers: Annotated[int, typer.Option("--layers", min=1, rich_help_panel=_SIZES)] = 1,
        dropout: Annotated[float, typer.Option("--dropout", rich_help_panel=_SIZES)] = 0.0,
        device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1.")] = "cpu",
        json: o.Json = False,
    ) -> None:
        from baselines.neural.settings import Settings

        settings = Settings(
            kind=kind,
            label=label or ("emotion" if dataset == "ed" else "strategy"),
            batch_size=batch_size,
            steps=steps,
            validate_every=validate_every,
            patience=patience,
            warm_up=warm_up,
            rate=rate,
            min_count=min_count,
            width=width,
            layers=layers,
            dropout=dropout,
            seed=seed,
        )
        folder = output or Path("models") / f"{kind}-{dataset}-{seed}"
        card = _train(settings, folder, dataset, data, limit, resume, device, quiet=json)
        if json:
            show.print_json(card)
            return
        _print(card, folder)

    train.__doc__ = (
        f"{KINDS[kind].title}: {KINDS[kind].description}\n\n"
        f"Example: empathy-bench train {kind} --data DIR --output models/{kind}"
    )
    return train


transformer = _trainer("transformer")
multi_trs = _trainer("multi-trs")
emoprepend = _trainer("emoprepend")
moel = _trainer("moel")
mime = _trainer("mime")


def _train(
    settings: Settings,
    folder: Path,
    dataset: str,
    data: str | None,
    limit: int | None,
    resume: bool,
    device: str,
    *,
    quiet: bool,
) -> dict[str, Any]:
    from baselines.neural.parallel import join, leave
    from baselines.neural.training import train
    from harness.datasets import load_example_set

    world = join()

    suffix = "" if dataset == "ed" else "-910-195-195"
    learn = load_example_set(f"{dataset}/train{suffix}", data).limited(limit)
    stop_by = load_example_set(f"{dataset}/valid{suffix}", data)
    with fitting_progress(quiet=quiet or not world.first) as progress:
        trained = train(
            learn.examples,
            stop_by.examples,
            folder,
            settings=settings,
            resume=resume,
            device=device,
            show=progress,
        )
    leave()
    if not world.first:
        raise typer.Exit
    return _keep_card(trained, settings, learn.name, len(learn), stop_by.name)


def _keep_card(
    trained: Trained, settings: Settings, trained_on: str, size: int, stopped_by: str
) -> dict[str, Any]:
    """card.json for the machine, README.md for people, beside the weights."""
    from dataclasses import asdict

    from baselines.neural.answering import CARD
    from harness import __version__, checkpoint
    from harness.files import sha256_file, write_atomic

    progress = trained.progress
    card = {
        "name": f"{KINDS[settings.kind].title} (seed {settings.seed})",
        "settings": asdict(settings),
        "labels": trained.labels if KINDS[settings.kind].labels else (),
        "vocabulary": len(trained.vocabulary),
        "parameters": trained.parameters,
        "seed": settings.seed,
        "trained_on": f"{trained_on}, {size:,} examples",
        "stopped_by": stopped_by,
        "best_step": progress.best_step,
        "validation": next(h for h in progress.history if h["step"] == progress.best_step),
        "history": progress.history,
        "seconds": round(progress.seconds, 1),
        "weights": f"sha256:{sha256_file(trained.folder / checkpoint.BEST)[:16]}",
        "harness_version": __version__,
    }
    write_atomic(trained.folder / CARD, json_module.dumps(card, indent=2) + "\n")
    write_atomic(trained.folder / "README.md", _readme(card))
    return card


def _readme(card: dict[str, Any]) -> str:
    curve = "\n".join(
        f"| {h['step']:,} | {h['ppl']:.2f} | {h.get('accuracy', float('nan')):.2f} |"
        for h in card["history"]
    )
    return (
        f"# {card['name']}\n\n"
        f"{KINDS[card['settings']['kind']].description} Trained from scratch by empathy-bench "
        f"{card['harness_version']} on {card['trained_on']}; {card['parameters']:,} parameters, "
        f"{card['vocabulary']:,} words, best of {len(card['history'])} validations at step "
        f"{card['best_step']:,}.\n\n"
        "| step | validation PPL (token-weighted, closed vocabulary) | label accuracy, % |\n"
        f"|---:|---:|---:|\n{curve}\n\n"
        "Use it: `empathy-bench run --model trained:FOLDER --task ed_response`\n"
    )


def _print(card: dict[str, Any], folder: Path) -> None:
    best = card["validation"]
    accuracy = f", accuracy {best['accuracy']:.2f} %" if "accuracy" in best else ""
    typer.echo(
        f"{card['name']}: validation PPL {best['ppl']:.2f}{accuracy} at step "
        f"{card['best_step']:,}; {card['parameters']:,} parameters, {card['seconds']:.0f} s\n"
        f"kept in {folder}\n"
        f"use it: empathy-bench run --model trained:{folder} --task ed_response"
    )
