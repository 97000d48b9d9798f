"""`empathy-bench train transformer|…|cem`: parse, train, print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from baselines.neural.settings import KINDS, QUIRKS, Settings
from harness.commands import options as o
from harness.commands import show
from harness.commands.fitting import fitting_progress
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.datasets.sets import ExampleSet

__all__ = [
    "cem",
    "emoprepend",
    "empdg",
    "empdg_adversarial",
    "mime",
    "moel",
    "multi_trs",
    "transformer",
]

_FITTING = "Fitting"
_SIZES = "Sizes"
_FILES = "Files"
# Options of one architecture: whose, in which panel, what for.
_OWN = {
    "lexicon": ("empdg", _FILES, "Emotional words, a word a line or NRC's layout."),
    "relations": ("cem", _FILES, "COMET's inferences, a JSON object a line."),
    "start": ("empdg-adversarial", _FILES, "Folder of the trained generator (train empdg)."),
    "critic-steps": ("empdg-adversarial", _FITTING, "Steps of the critics alone."),
    "adversarial": ("empdg-adversarial", _FITTING, "Weight of what the critics say."),
}


def _own(kind: str, name: str, default: Any) -> Any:
    """An option of one architecture; the others do not show it."""
    owner, panel, words = _OWN[name]
    return typer.Option(
        default,
        f"--{name}",
        help=words,
        rich_help_panel=panel,
        show_default=default is not None,
        hidden=owner != kind,
    )


def _number(flag: str, words: str | None = None, *, panel: str = _FITTING, least: int = 1) -> Any:
    return typer.Option(flag, help=words, min=least, rich_help_panel=panel)


def _trainer(kind: str) -> Callable[..., None]:
    plain = Settings(kind=kind, **KINDS[kind].defaults)
    own = {name: _own(kind, name, getattr(plain, name.replace("-", "_"))) for name in _OWN}

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
            bool,
            typer.Option(
                "--resume", help="Go on with the training in --output; more --steps are welcome."
            ),
        ] = False,
        embeddings: Annotated[
            Path | None,
            typer.Option(
                "--embeddings",
                help="Word vectors to begin with, GloVe's or word2vec's text layout.",
                rich_help_panel=_FILES,
                show_default=False,
            ),
        ] = None,
        lexicon: Path | None = own["lexicon"],
        relations: Path | None = own["relations"],
        start: Path | None = own["start"],
        critic_steps: int = own["critic-steps"],
        adversarial: float = own["adversarial"],
        seed: Annotated[int, _number("--seed", least=0)] = 0,
        steps: Annotated[int, _number("--steps", "At most.")] = plain.steps,
        validate_every: Annotated[
            int, _number("--validate-every", "Steps.")
        ] = plain.validate_every,
        patience: Annotated[
            int, _number("--patience", "Validations without a lower perplexity that end it.")
        ] = plain.patience,
        batch_size: Annotated[int, _number("--batch-size")] = plain.batch_size,
        warm_up: Annotated[int, _number("--warm-up", "Steps.")] = plain.warm_up,
        rate: Annotated[
            float,
            typer.Option(
                "--rate",
                help="Factor of Noam's schedule; EmpDG's second stage: the rate itself.",
                rich_help_panel=_FITTING,
            ),
        ] = plain.rate,
        smoothing: Annotated[
            float,
            typer.Option("--smoothing", help="Of word targets.", rich_help_panel=_FITTING),
        ] = plain.smoothing,
        quirk: Annotated[
            list[str] | None,
            typer.Option(
                "--quirk",
                help="Restore one of the published code: " + ", ".join(QUIRKS) + ".",
                rich_help_panel=_FITTING,
                show_default=False,
            ),
        ] = None,
        min_count: Annotated[
            int, _number("--min-count", "Rarer words are unknown.", panel=_SIZES)
        ] = plain.min_count,
        width: Annotated[int, _number("--width", panel=_SIZES, least=2)] = plain.width,
        layers: Annotated[int, _number("--layers", panel=_SIZES)] = plain.layers,
        dropout: Annotated[
            float, typer.Option("--dropout", rich_help_panel=_SIZES)
        ] = plain.dropout,
        pointer: Annotated[
            bool,
            typer.Option(
                "--pointer/--no-pointer", help="Copy words of the context.", rich_help_panel=_SIZES
            ),
        ] = plain.pointer,
        device: Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1.")] = "cpu",
        mlflow: o.TrainingMlflow = None,
        json: o.Json = False,
    ) -> None:
        settings = Settings(
            kind=kind,
            label=label or ("emotion" if dataset == "ed" else "strategy"),
            batch_size=batch_size,
            steps=steps,
            validate_every=validate_every,
            patience=patience,
            warm_up=warm_up,
            rate=rate,
            schedule=plain.schedule,
            smoothing=smoothing,
            min_count=min_count,
            width=width,
            layers=layers,
            dropout=dropout,
            pointer=pointer,
            critic_steps=critic_steps,
            adversarial=adversarial,
            quirks=tuple(sorted(set(quirk or ()))),
            seed=seed,
        )
        given = {
            "embeddings": embeddings, "lexicon": lexicon, "relations": relations, "start": start,
        }  # fmt: skip
        files = _fitting_files(kind, {name: path for name, path in given.items() if path})
        folder = output or Path("models") / f"{kind}-{dataset}-{seed}"
        card = _train(
            settings, folder, dataset, data, limit, files, resume, device, mlflow, quiet=json
        )
        if json:
            show.print_json(card)
            return
        _print(card, folder)

    train.__doc__ = (
        f"{KINDS[kind].title}: {KINDS[kind].description}\n\n"
        f"Example: empathy-bench train {kind} --data DIR --output models/{kind}"
        + (" --start models/empdg" if kind == "empdg-adversarial" else "")
    )
    return train


transformer = _trainer("transformer")
multi_trs = _trainer("multi-trs")
emoprepend = _trainer("emoprepend")
moel = _trainer("moel")
mime = _trainer("mime")
empdg = _trainer("empdg")
empdg_adversarial = _trainer("empdg-adversarial")
cem = _trainer("cem")


def _fitting_files(kind: str, files: dict[str, Path]) -> dict[str, Path]:
    """The files, if the architecture can use them.

    Raises:
        InputError: it cannot, or one that it needs is missing.
    """
    for name in files:
        owner = _OWN[name][0] if name in _OWN else kind
        if owner != kind:
            raise InputError(f"--{name} is for {owner}, not for {kind}")
    if kind == "empdg-adversarial" and "start" not in files:
        raise InputError(
            "empdg-adversarial goes on from a trained generator: "
            "train one by `empathy-bench train empdg` and give its folder as --start"
        )
    return files


def _train(
    settings: Settings,
    folder: Path,
    dataset: str,
    data: str | None,
    limit: int | None,
    files: dict[str, Path],
    resume: bool,
    device: str,
    mlflow: str | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    from baselines.neural.card import make_card, make_readme
    from baselines.neural.training import train
    from harness.datasets import load_example_set
    from harness.parallel import join, leave
    from harness.tracking.training import training_mirror
    from harness.training_log import TrainingLog, read_curve

    suffix = "" if dataset == "ed" else "-910-195-195"
    learn: ExampleSet = load_example_set(f"{dataset}/train{suffix}", data).limited(limit)
    stop_by = load_example_set(f"{dataset}/valid{suffix}", data)
    mirror = training_mirror(mlflow, folder, task=f"{dataset}_response")
    world = join()
    with fitting_progress(quiet=quiet or not world.first) as progress:
        trained = train(
            learn.examples,
            stop_by.examples,
            folder,
            settings=settings,
            files=files,
            resume=resume,
            device=device,
            mirror=mirror,
            show=progress,
        )
    leave()
    if not world.first:
        raise typer.Exit
    card = make_card(trained, learn, stop_by, task=f"{dataset}_response")
    TrainingLog(folder, mirror=mirror).finish(card, make_readme(card, read_curve(folder)))
    return card


def _print(card: dict[str, Any], folder: Path) -> None:
    best = card["validation"]
    accuracy = f", accuracy {best['accuracy']:.2f} %" if "accuracy" in best else ""
    typer.echo(
        f"{card['name']}: validation PPL {best['ppl']:.2f}{accuracy} at step "
        f"{card['best_step']:,}; {card['parameters']:,} parameters, {card['seconds']:.0f} s\n"
        f"kept in {folder} (curve.png shows how it went)\n"
        f"use it: empathy-bench run --model trained:{folder} --task {card['task']}"
    )
