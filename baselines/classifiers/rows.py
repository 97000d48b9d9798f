"""The examples that a classifier learns from: those with a label, and the labels as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.datasets.sets import ExampleSet
    from harness.dialogue import Example
    from harness.tasks import Task

__all__ = ["Rows", "read_rows"]


@dataclass(frozen=True)
class Rows:
    """n examples; `gold` (n) are indices of `labels`, all those of the task."""

    examples: tuple[Example, ...]
    gold: NDArray[Any]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.examples)

    def seen(self) -> tuple[str, ...]:
        """The labels that occur, in the task's order."""
        return tuple(self.labels[index] for index in sorted(set(self.gold.tolist())))


def read_rows(learn: ExampleSet, stop_by: ExampleSet, task: Task) -> tuple[Rows, Rows]:
    """Both sides, without examples that have no label of the task.

    Raises:
        DataError: a side is empty, one label alone is to be learnt, or a dialogue is on both sides.
    """
    sides = (_rows(learn.examples, task), _rows(stop_by.examples, task))
    for rows, whole in zip(sides, (learn, stop_by), strict=True):
        if not len(rows):
            raise DataError(f"{whole.name}: none of {len(whole):,} examples has a {task.kind}")
    if len(sides[0].seen()) < 2:
        raise DataError(
            f"{learn.name}: all {len(sides[0]):,} examples have the {task.kind} "
            f"{sides[0].seen()[0]!r}; learning needs two at least, so raise --limit"
        )
    both = {e.dialogue_id for e in sides[0].examples} & {e.dialogue_id for e in sides[1].examples}
    if both:
        raise DataError(f"{len(both)} dialogues are on both sides, such as {min(both)}")
    return sides


def _rows(examples: Sequence[Example], task: Task) -> Rows:
    import numpy as np

    kept = tuple(example for example in examples if task.gold(example) in task.labels)
    gold = np.array([task.labels.index(task.gold(example)) for example in kept], dtype=np.int64)
    return Rows(kept, gold, task.labels)
