"""Models: how a name on the command line becomes something that answers questions."""

from __future__ import annotations

from harness.models.contract import (
    DEFAULT_SEED,
    Model,
    Question,
    Settings,
    load_model,
    model_names,
)

__all__ = ["DEFAULT_SEED", "Model", "Question", "Settings", "load_model", "model_names"]
