"""card.json for the machine and README.md for people, beside a trained classifier's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from baselines.classifiers.rows import Rows
    from baselines.classifiers.settings import Settings
    from harness.datasets.sets import ExampleSet
    from harness.metrics.neural.model_files import ModelFiles

__all__ = ["make_card", "make_readme"]

_MEASURES = {
    "C": "C",
    "train/loss": "training loss",
    "valid/accuracy": "accuracy, %",
    "valid/macro_f1": "macro-F1, %",
}
_WORDS = {"linear": "logistic regression", "encoder": "fine-tuned"}


def make_card(
    folder: Path,
    settings: Settings,
    learn: Rows,
    stop_by: Rows,
    sets: tuple[ExampleSet, ExampleSet],
    files: ModelFiles,
    source: str,
    went: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that a number of this classifier depends on, and how its training went."""
    from harness import __version__, checkpoint
    from harness.files import sha256_file

    more = [word for word in ("history", "balanced") if getattr(settings, word)]
    name = ", ".join([files.name, _WORDS[settings.method], *more])
    return {
        "name": f"Classifier ({name}, seed {settings.seed})"
        if settings.method == "encoder"
        else f"Classifier ({name})",
        "task": settings.task,
        "settings": asdict(settings),
        "labels": list(learn.seen()),
        "encoder": {
            "name": files.name,
            "source": source,
            "weights": files.weights,
            "setup": files.setup,
        },
        "seed": settings.seed,
        "trained_on": f"{sets[0].name}, {len(learn):,} examples",
        "dataset": {"name": sets[0].name, "fingerprint": sets[0].fingerprint},
        "stopped_by": f"{sets[1].name}, {len(stop_by):,} examples",
        "examples": {"train": len(learn), "valid": len(stop_by)},
        **{key: value for key, value in went.items() if key != "fitting_seconds"},
        "seconds": round(went["fitting_seconds"], 1),
        "weights": f"sha256:{sha256_file(folder / checkpoint.BEST)[:16]}",
        "harness_version": __version__,
    }


def make_readme(card: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> str:
    """The model card; `curve` as harness.training_log.read_curve gives it."""
    measures = [name for name in _MEASURES if name in curve[0]]
    heads = ["step", *(_MEASURES[name] for name in measures)]
    lines = [[f"{row['step']:,}", *(f"{row[name]:.4g}" for name in measures)] for row in curve]
    table = "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---:"] * len(heads), *lines])
    linear = card["settings"]["method"] == "linear"
    read = (
        "It reads the vectors of the last turn, and the means of the speaker's and the listener's."
        if linear
        else f"It reads the last {card['settings']['max_len']} tokens of the context."
    )
    chosen = f"C {card['C']:g}" if linear else f"step {card['best_step']:,}"
    shown = (
        " The strategies of the listener's earlier turns are shown to it."
        if card["settings"]["history"]
        else ""
    )
    return (
        f"# {card['name']}\n\n"
        f"Names one of {len(card['labels'])} labels of {card['task']}. {read}{shown} "
        f"Trained by empathy-bench {card['harness_version']} on {card['trained_on']}; "
        f"{card['parameters']:,} parameters. The weights are those of {chosen}, which "
        f"{card['stopped_by']} chose by macro-F1.\n\n{table}\n\n![Curve](curve.png)\n\n"
        f"Use it: `empathy-bench run --model classifier:FOLDER --task {card['task']}`\n\n"
        "Limits: several strategies may fit a moment, and several emotions a story; a label that "
        "differs from the gold one is not always wrong. It is for measuring, not for screening "
        "people. The encoder's licence holds.\n"
    )
