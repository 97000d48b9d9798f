"""What `predict` expects of a model, and how models are found by name.

A model is anything with a card, a way to cut questions into batches, and `predict`. Factories are
found through the entry-point group `empathy_bench.models`; `--model NAME:ARGUMENT` calls the
factory NAME with ARGUMENT and the settings of the run. A third party's model arrives the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.dialogue import Example
from harness.errors import UnknownNameError
from harness.predictions import Prediction
from harness.tasks import Task

__all__ = ["DEFAULT_SEED", "Factory", "Model", "Question", "Settings", "load_model", "model_names"]

GROUP = "empathy_bench.models"

# lm-eval's own default, so that the same few-shot examples are drawn under both.
DEFAULT_SEED = 1234


@dataclass(frozen=True, slots=True)
class Question:
    """An example with the demonstrations that go before it."""

    example: Example
    shots: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the user chose about how models run.

    `chat_template`: None means "where the tokenizer has one". `temperature` 0 is greedy.
    `max_tokens` None means the task's own bound. `data` is the --data argument.
    """

    data: str | None = None
    batch_size: int | None = None
    device: str | None = None
    dtype: str | None = None
    chat_template: bool | None = None
    max_tokens: int | None = None
    temperature: float = 0.0
    concurrency: int = 8
    reference_likelihood: bool = True
    seed: int = DEFAULT_SEED


class Model(Protocol):
    """A model as `predict` sees it.

    `card` says what the model is: "name" and "kind" (model, baseline, floor or human) always.
    """

    @property
    def card(self) -> Mapping[str, Any]: ...

    def generation(self, task: Task) -> Mapping[str, Any]:
        """The settings its answers depend on, for the header: decoding, template, parser."""
        ...

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        """The questions in running order, cut so that each batch depends on nothing else."""
        ...

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        """One prediction per question, in order; a failure is a prediction with an error."""
        ...


Factory = Callable[[str, Settings], Model]


def model_names() -> dict[str, str]:
    """Installed model names, each with the place its factory lives."""
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP)}


def load_model(spec: str, settings: Settings) -> Model:
    """The model of a `NAME` or `NAME:ARGUMENT` specification.

    Raises:
        UnknownNameError: no such name is installed.
        ModelError: the factory cannot load or reach the model.
    """
    from importlib.metadata import entry_points

    name, _, argument = spec.partition(":")
    for point in entry_points(group=GROUP):
        if point.name == name:
            factory: Factory = point.load()
            return factory(argument, settings)
    raise UnknownNameError("model", name, model_names())
