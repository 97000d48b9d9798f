"""card.json for the machine and README.md for people, beside a fine-tuned model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from baselines.pretrained.settings import Settings

if TYPE_CHECKING:
    from baselines.pretrained.training import Trained
    from harness.datasets.sets import ExampleSet

__all__ = ["make_card", "make_readme", "title"]

_MEASURES = {
    "train/loss": "training loss",
    "valid/loss": "validation loss",
    "valid/ppl": "validation PPL",
    "valid/accuracy": "label accuracy, %",
}


def title(settings: Settings, base: str) -> str:
    """What tables call it: "SmolLM2-135M-Instruct, LoRA SFT, joint strategy"."""
    method = "LoRA SFT" if settings.lora else "SFT"
    return ", ".join([base, method, *([f"joint {settings.joint}"] if settings.joint else [])])


def make_card(trained: Trained, learnt: ExampleSet, stopped_by: ExampleSet) -> dict[str, Any]:
    """Everything that a number of this model depends on, and how its training went."""
    from harness import __version__
    from harness.training_log import read_curve
    from harness.tuning.kept import weights_hash

    settings, base, run = trained.settings, trained.base, trained.run
    progress = run.progress
    best = next(row for row in read_curve(run.folder) if row["step"] == progress.best_step)
    return {
        "name": f"{title(settings, base.name)} (seed {settings.seed})",
        "task": settings.task,
        "settings": asdict(settings),
        "base": {"name": base.name, "revision": base.revision},
        "method": "LoRA" if settings.lora else "full",
        "labels": settings.labels,
        "parameters": run.parameters,
        "trained_parameters": run.trained_parameters,
        "seed": settings.seed,
        "trained_on": f"{learnt.name}, {len(run.train):,} examples",
        "dataset": {"name": learnt.name, "fingerprint": learnt.fingerprint},
        "fingerprint": learnt.fingerprint,
        "stopped_by": f"{stopped_by.name}, {len(run.valid):,} examples",
        "examples": {"train": _counts(run.train), "valid": _counts(run.valid)},
        "steps": progress.step,
        "early_stop": progress.step < run.steps,
        "best_step": progress.best_step,
        "validation": {
            name.removeprefix("valid/"): value
            for name, value in best.items()
            if name.startswith("valid/")
        },
        "seconds": round(progress.seconds, 1),
        "weights": weights_hash(run.folder),
        "harness_version": __version__,
    }


def _counts(rows: Any) -> dict[str, int]:
    return {
        "used": len(rows),
        "too_long": rows.too_long,
        "empty": rows.empty,
        "shortened": rows.shortened,
    }


def make_readme(card: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> str:
    """The model card; `curve` as harness.training_log.read_curve gives it."""
    settings, examples = card["settings"], card["examples"]
    measures = [name for name in _MEASURES if name in curve[0]]
    heads = ["step", *(_MEASURES[name] for name in measures)]
    lines = [[f"{row['step']:,}", *(f"{row[name]:.3f}" for name in measures)] for row in curve]
    table = "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---:"] * len(heads), *lines])
    ended = "it had stopped getting better" if card["early_stop"] else "its steps were used up"
    joint = (
        f"A special token `<|{settings['joint']}:…|>` with the {settings['joint']} goes before "
        "each reply; the model chooses it itself, never the gold label.\n\n"
        if settings["joint"]
        else ""
    )
    return (
        f"# {card['name']}\n\n"
        f"{card['base']['name']} ({card['base']['revision']}), fine-tuned by empathy-bench "
        f"{card['harness_version']} for {card['task']}: loss on replies only, {card['method']}, "
        f"{card['trained_parameters']:,} of {card['parameters']:,} parameters trained, "
        f"on {card['trained_on']}.\n\n{joint}"
        f"Left out because the reply would have been cut off: "
        f"{examples['train']['too_long']:,} training and {examples['valid']['too_long']:,} "
        f"validation examples; without reply or label: {examples['train']['empty']:,} and "
        f"{examples['valid']['empty']:,}.\n\n"
        f"Training ended after {card['steps']:,} steps because {ended}; the weights are those of "
        f"step {card['best_step']:,}.\n\n{table}\n\n"
        "Loss and perplexity are per token of the model, end of turn included"
        + (" and label token included" if settings["joint"] else "")
        + ".\n\n![Curve](curve.png)\n\n"
        f"Use it: `empathy-bench run --model tuned:FOLDER --task {card['task']}`\n\n"
        "Limits: it was trained on crowd-written talks and has no notion of safety; its replies "
        "are for measuring, not for people in distress. The base model's licence holds.\n"
    )
