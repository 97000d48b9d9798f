"""card.json for the machine and README.md for people, beside a trained model's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from baselines.neural.settings import KINDS, QUIRKS, Settings

if TYPE_CHECKING:
    from baselines.neural.training import Trained
    from harness.datasets.sets import ExampleSet

__all__ = ["make_card", "make_readme", "title"]

_MEASURES = {
    "train/loss": "training loss",
    "valid/ppl": "validation PPL",
    "valid/accuracy": "label accuracy, %",
}


def title(settings: Settings) -> str:
    """What tables call it; what makes it another model than the paper's is said."""
    changes = list(settings.quirks)
    if settings.kind == "cem" and settings.relations is None:
        changes.insert(0, "without COMET")
    return " ".join([KINDS[settings.kind].title, *([f"({', '.join(changes)})"] if changes else [])])


def make_card(
    trained: Trained, learnt: ExampleSet, stopped_by: ExampleSet, *, task: str
) -> dict[str, Any]:
    """Everything that a number of this model depends on, and how its training went."""
    from harness import __version__, checkpoint
    from harness.files import sha256_file
    from harness.training_log import read_curve

    settings, progress = trained.settings, trained.progress
    curve = read_curve(trained.folder)
    best = next(row for row in curve if row["step"] == progress.best_step)
    return {
        "name": f"{title(settings)} (seed {settings.seed})",
        "task": task,
        "settings": asdict(settings),
        "labels": trained.labels if KINDS[settings.kind].labels else (),
        "vocabulary": len(trained.vocabulary),
        "parameters": trained.parameters,
        "seed": settings.seed,
        "trained_on": f"{learnt.name}, {len(learnt):,} examples",
        "dataset": {"name": learnt.name, "fingerprint": learnt.fingerprint},
        "stopped_by": f"{stopped_by.name}, {len(stopped_by):,} examples",
        "steps": progress.step,
        "early_stop": progress.since_best >= settings.patience,
        "best_step": progress.best_step,
        "validation": {
            name.removeprefix("valid/"): value
            for name, value in best.items()
            if name.startswith("valid/")
        },
        "seconds": round(progress.seconds, 1),
        "weights": f"sha256:{sha256_file(trained.folder / checkpoint.BEST)[:16]}",
        "harness_version": __version__,
    }


def make_readme(card: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> str:
    """The model card; `curve` as harness.training_log.read_curve gives it."""
    settings = card["settings"]
    measures = [name for name in _MEASURES if name in curve[0]]
    heads = " | ".join(["step", *(_MEASURES[name] for name in measures)])
    lines = [
        " | ".join([f"{row['step']:,}", *(f"{row[name]:.2f}" for name in measures)])
        for row in curve
    ]
    table = "\n".join(
        f"| {line} |" for line in [heads, "|".join(["---:"] * (len(measures) + 1)), *lines]
    )
    ended = "it had stopped getting better" if card["early_stop"] else "its steps were used up"
    told = [f"{name} {settings[name]}" for name in ("embeddings", "lexicon", "relations", "start")
            if settings[name]]  # fmt: skip
    return (
        f"# {card['name']}\n\n"
        f"{KINDS[settings['kind']].description} Trained from scratch by empathy-bench "
        f"{card['harness_version']} on {card['trained_on']}; {card['parameters']:,} parameters, "
        f"{card['vocabulary']:,} words. Training ended after {card['steps']:,} steps because "
        f"{ended}; the weights are those of step {card['best_step']:,}.\n\n"
        + "".join(f"Quirk restored: {quirk}: {QUIRKS[quirk]}.\n\n" for quirk in settings["quirks"])
        + (f"Given: {'; '.join(told)}.\n\n" if told else "")
        + f"{table}\n\n"
        "Perplexity is token-weighted and over the closed vocabulary of the training split.\n\n"
        "![Curve](curve.png)\n\n"
        f"Use it: `empathy-bench run --model trained:FOLDER --task {card['task']}`\n\n"
        "Limits: it was trained on crowd-written talks and has no notion of safety; its replies "
        "are for measuring, not for people in distress.\n"
    )
