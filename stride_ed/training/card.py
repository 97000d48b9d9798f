"""card.json for the machine and README.md for people, beside a trained STRIDE-ED model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["make_readme"]

_SHOWN = {
    "train/loss": "training loss",
    "valid/loss": "validation loss",
    "valid/ppl": "validation PPL",
    "train/reward": "reward",
    "train/format": "format",
    "train/emotion": "emotion",
    "train/strategy": "strategy",
    "train/kl": "KL",
    "valid/reward": "validation reward",
    "valid/format": "format, held out",
    "valid/emotion": "emotion, held out",
    "valid/strategy": "strategy, held out",
}


def make_readme(card: Mapping[str, Any], curve: Sequence[Mapping[str, float]]) -> str:
    """The model card; `curve` as harness.training_log.read_curve gives it."""
    rows = [row for row in curve if any(name.startswith("valid/") for name in row)] or list(curve)
    shown = [name for name in _SHOWN if any(name in row for row in rows)]
    heads = ["step", *(_SHOWN[name] for name in shown)]
    lines = [
        [f"{row['step']:,}", *(f"{row[name]:.3f}" if name in row else "–" for name in shown)]
        for row in rows
    ]
    table = "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---:"] * len(heads), *lines])
    thinking = " → ".join([*card["stages"], "response"])
    return (
        f"# {card['name']}\n\n"
        f"{card['base']['name']} ({card['base']['revision']}), trained by empathy-bench "
        f"{card['harness_version']}: {card['method']}, {card['trained_parameters']:,} of "
        f"{card['parameters']:,} parameters, on {card['trained_on']}. It writes {thinking}.\n\n"
        f"Training made {card['steps']:,} steps; the weights are those of step "
        f"{card['best_step']:,}, the best by {card['best_by']}.\n\n{table}\n\n"
        "![Curve](curve.png)\n\n"
        "Use it: `empathy-bench run --model stride:FOLDER --task ed_response`\n\n"
        "Limits: it learnt from crowd-written talks and has no notion of safety; its replies are "
        "for measuring, not for people in distress. The base model's licence holds.\n"
    )
