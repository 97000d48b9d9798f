"""What a fine-tuning run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.errors import InputError
from harness.tasks import TASKS, Task
from harness.tuning.bases import Kind

__all__ = ["DEFAULTS", "LABELS", "Joint", "Settings", "check", "label_token"]

Joint = Literal["emotion", "strategy"]

LABELS: Mapping[Joint, tuple[str, ...]] = {"emotion": ED_EMOTIONS, "strategy": ESCONV_STRATEGIES}

# Encoder–decoders of this field are small and were published fully fine-tuned.
DEFAULTS: Mapping[Kind, Mapping[str, Any]] = {
    "causal": {"lora": True, "rate": 2e-4, "max_len": 2048},
    "seq2seq": {"lora": False, "rate": 5e-5, "max_len": 512},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run's settings; `card.json` and `settings.json` hold them all.

    `base` is "smollm2", an absolute folder or a hub id. `joint` puts a special token with the label
    before the reply. `lora`: low-rank adapters of `rank` and `alpha` on every linear layer, else
    all weights are trained. `steps` bounds the run instead of `epochs`. `rate` falls linearly to 0
    after `warm_up` (a share of all steps). `max_len` is in tokens: prompt and reply together for a
    causal model, the dialogue alone for an encoder–decoder, whose reply has `max_reply`.
    """

    kind: Kind
    base: str
    task: str
    joint: Joint | None = None
    lora: bool = True
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    epochs: float = 3.0
    steps: int | None = None
    rate: float = 2e-4
    warm_up: float = 0.03
    batch_size: int = 8
    accumulate: int = 1
    max_len: int = 2048
    max_reply: int = 128
    validate_every: int = 200
    patience: int = 3
    gradient_checkpointing: bool = False
    seed: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        return LABELS[self.joint] if self.joint else ()

    def response_task(self) -> Task:
        return TASKS[self.task]


def label_token(joint: Joint, label: str) -> str:
    """The special token that stands for a label: `<|strategy:Question|>`."""
    return f"<|{joint}:{label}|>"


def check(settings: Settings) -> None:
    """Refuse what cannot work.

    Raises:
        InputError: naming the option, what it is and what it must be.
    """
    task = TASKS.get(settings.task)
    if task is None or task.kind != "response":
        known = ", ".join(name for name, task in TASKS.items() if task.kind == "response")
        raise InputError(f"--task must be one of {known}, found {settings.task!r}")
    wanted: Joint = "emotion" if task.dataset == "ed" else "strategy"
    if settings.joint not in (None, wanted):
        raise InputError(f"--joint {settings.joint}: {task.name} has only --joint {wanted}")
    if settings.joint and settings.lora and settings.kind == "seq2seq":
        raise InputError("--joint trains new embeddings of an encoder–decoder: add --full")
    if not 0 < settings.rate < 1:
        raise InputError(f"--rate must be between 0 and 1, found {settings.rate}")
    if not settings.steps and settings.epochs <= 0:
        raise InputError(f"--epochs must be above 0, found {settings.epochs}")
