"""What all baselines share: an answer taken from elsewhere becomes a prediction of any task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.datasets import load_example_set
from harness.dialogue import Example
from harness.errors import DataError
from harness.models import Question, Settings
from harness.predictions import Prediction
from harness.tasks import Task

__all__ = ["BATCH", "answer", "chunks", "commonest_label", "training_examples"]

BATCH = 256


def answer(task: Task, question: Question, text: str) -> Prediction:
    """`text` as the reply or label that the task asks for."""
    field = "response" if task.kind == "response" else task.kind
    if not text.strip():
        return Prediction(id=question.example.id, error=f"no {field} to give")
    fields: Mapping[str, Any] = {field: text}
    return Prediction(id=question.example.id, **fields)


def chunks(questions: Sequence[Question]) -> list[list[Question]]:
    """The questions in their own order, in batches."""
    return [list(questions[start : start + BATCH]) for start in range(0, len(questions), BATCH)]


def training_examples(task: Task, settings: Settings) -> tuple[Example, ...]:
    """The training examples of the task's data set.

    Raises:
        DataError: there are none.
    """
    examples = load_example_set(task.train_set, settings.data).examples
    if not examples:
        raise DataError(f"{task.train_set} holds no example, and this baseline answers out of it")
    return examples


def commonest_label(task: Task, examples: Sequence[Example]) -> str:
    """The most frequent gold label; ties go to the first in the task's order."""
    counts = Counter(task.gold(example) for example in examples)
    return max(task.labels, key=lambda label: counts[label])
