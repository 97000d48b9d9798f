"""What a training run is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import InputError

__all__ = ["ENCODER", "Settings", "check"]

# The encoder as it came, within a fitted folder.
ENCODER = "encoder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a training run depends on beside data and encoder.

    `learning_rate` is the encoder's, `head_learning_rate` that of attention and heads, which start
    from nothing. `patience` epochs without a better validation score end the run. `max_len` is in
    tokens, for either post; 64 as published.
    """

    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    dropout: float = 0.1
    max_len: int = 64
    frozen_layers: int = 0
    patience: int = 2
    seed: int = 0


def check(settings: Settings, limit: int | None) -> None:
    """Refuse settings that cannot work.

    Raises:
        InputError: the first that cannot.
    """
    for name in ("epochs", "batch_size", "patience"):
        if getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}, expected at least 1")
    for name in ("learning_rate", "head_learning_rate"):
        if not 0 < getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}, expected between 0 and 1")
    if not 8 <= settings.max_len <= 512:
        raise InputError(f"max_len is {settings.max_len}, expected 8 to 512 tokens")
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}, expected at least 1")
