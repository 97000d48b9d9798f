"""What a classifier's training depends on beside its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from harness.errors import InputError, UnknownNameError
from harness.tasks import TASKS, Task

__all__ = ["LABEL_TASKS", "Method", "Settings", "check", "task_of"]

Method = Literal["linear", "encoder"]
# The tasks that ask for a label; their generate variants ask the same question.
LABEL_TASKS = ("ed_emotion", "esconv_strategy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`method` linear: vectors of frozen sentences, logistic regression; encoder: fine-tuning.

    `history` shows the strategies of the listener's earlier turns. `balanced` weights labels by
    their inverse frequency. `costs` are the inverse strengths C of the L2 penalty that validation
    chooses from (linear). The rest belongs to fine-tuning: `rate` is the encoder's, `head_rate`
    the head's; `max_len` is in tokens; `validate_every` in steps, once an epoch where it is None;
    `patience` validations without a better macro-F1 end the run; `steps` bounds `epochs`. The
    embeddings and the lowest `frozen_layers` layers are never trained.
    """

    task: str
    method: Method
    history: bool = False
    balanced: bool = False
    costs: tuple[float, ...] = (0.01, 0.1, 1.0, 10.0)
    max_len: int = 128
    epochs: int = 5
    steps: int | None = None
    batch_size: int = 32
    rate: float = 5e-5
    head_rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    frozen_layers: int = 0
    validate_every: int | None = None
    patience: int = 2
    seed: int = 0


def task_of(settings: Settings) -> Task:
    """The task whose labels are learnt.

    Raises:
        UnknownNameError: it asks for no label.
    """
    if settings.task not in LABEL_TASKS:
        raise UnknownNameError("label task", settings.task, LABEL_TASKS)
    return TASKS[settings.task]


def check(settings: Settings) -> None:
    """Refuse settings that cannot work.

    Raises:
        InputError: the first that cannot.
    """
    task = task_of(settings)
    if settings.method not in get_args(Method):
        raise UnknownNameError("method", settings.method, get_args(Method))
    if settings.history and task.kind != "strategy":
        raise InputError(f"--history shows earlier strategies, and {task.dataset} has none")
    for name in ("epochs", "batch_size", "patience", "steps", "validate_every"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}, expected at least 1")
    for name in ("rate", "head_rate", "warm_up"):
        if not 0 < getattr(settings, name) < 1:
            raise InputError(f"{name} is {getattr(settings, name)}, expected between 0 and 1")
    if not settings.costs or min(settings.costs) <= 0:
        raise InputError(f"costs are {settings.costs}, expected numbers above 0")
    if not 0 <= settings.dropout < 1:
        raise InputError(f"dropout is {settings.dropout}, expected 0 up to below 1")
    if settings.max_len < 8:
        raise InputError(f"max_len is {settings.max_len}, expected at least 8 tokens")
