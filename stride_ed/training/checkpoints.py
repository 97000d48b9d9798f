"""Folders of trained STRIDE-ED models, read again: by PPO to begin from, by `run` to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.training_log import CARD
from harness.tuning.bases import find_base
from harness.tuning.kept import MODEL, load_kept, weights_hash
from stride_ed.trace import STAGES, Stage

__all__ = ["Checkpoint", "load_weights", "read_checkpoint"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A finished training: its folder, its card, the stages that it writes."""

    folder: Path
    card: Mapping[str, Any]
    stages: tuple[Stage, ...]


def read_checkpoint(folder: Path) -> Checkpoint:
    """The training kept in `folder`.

    Raises:
        ModelError: there is none, it has not ended, or its weights are not those of its card.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        stages = tuple(card["stages"])
        known = isinstance(card["name"], str) and isinstance(card["settings"]["seed"], int)
        if not known or any(stage not in STAGES for stage in stages):
            raise ValueError("card.json is of another kind of model")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: no finished STRIDE-ED training ({error}); make one with "
            "`empathy-bench stride sft`, or finish it with --resume"
        ) from error
    if weights_hash(folder) != card.get("weights"):
        raise ModelError(
            f"{folder / MODEL}: weights are not those of card.json ({card.get('weights')}); "
            "train again"
        )
    return Checkpoint(folder, card, stages)


def load_weights(checkpoint: Checkpoint, *, dtype: str = "float32") -> tuple[Any, Any]:
    """Model, adapters merged, and tokenizer.

    Raises:
        ModelError: weights cannot be loaded, or the base they stand upon has changed.
    """
    card, base = checkpoint.card, None
    if not card["whole"]:
        base = find_base(card["settings"]["base"])
        if base.revision != card["base"]["revision"]:
            raise ModelError(
                f"{checkpoint.folder}: was trained on {base.name} {card['base']['revision']}, but "
                f"{base.spec} is {base.revision} now; bring that base back"
            )
    return load_kept(checkpoint.folder, "causal", base, dtype=dtype)
