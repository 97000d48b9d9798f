"""Who is taken for whom: the confusion matrices of a table's rows, checked, for plots and words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.results import Result
from leaderboards.rows import Row

__all__ = ["LabelView", "label_views"]

_LARGEST = 64
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """One row's answers against the gold labels.

    `counts` is (L, L + 1), gold labels as rows; the last column are answers that are no label, and
    failures. `confusions` are the commonest mistakes in words.
    """

    id: str
    name: str
    detail: str
    field: str
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    confusions: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        name = f"{self.name} · {self.detail}" if self.detail else self.name
        return {"name": name, "field": self.field, "labels": self.labels, "counts": self.counts}


def label_views(rows: Sequence[Row], results: Mapping[str, Result]) -> list[LabelView]:
    """The rows that have a matrix, in their order, emotions before strategies.

    A matrix that is not one (a result file is somebody's text) is passed over.
    """
    found = []
    for row in rows:
        result = results.get(row.id)
        if result is None or row.kind in ("human", "reported"):
            continue  # references agree with themselves
        for field, value in sorted(result.tables.items()):
            matrix = _matrix(value)
            if matrix is not None:
                labels, counts = matrix
                found.append(
                    LabelView(
                        id=row.id,
                        name=row.name,
                        detail=row.detail,
                        field=field,
                        labels=labels,
                        counts=counts,
                        confusions=_confusions(labels, counts),
                    )
                )
    return found


def _matrix(value: object) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]] | None:
    if not isinstance(value, dict):
        return None
    labels, counts = value.get("labels"), value.get("counts")
    if not isinstance(labels, list) or not isinstance(counts, list):
        return None
    size = len(labels)
    if not 1 < size <= _LARGEST or len(counts) != size:
        return None
    if not all(isinstance(label, str) for label in labels):
        return None
    for row in counts:
        if not isinstance(row, list) or len(row) != size + 1 or not all(map(_count, row)):
            return None
    return tuple(labels), tuple(map(tuple, counts))


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _confusions(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> tuple[str, ...]:
    pairs = [
        (count, true, taken)
        for true, row in enumerate(counts)
        for taken, count in enumerate(row[: len(labels)])
        if count and taken != true
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return tuple(
        f"{labels[true]} taken for {labels[taken]} {count:,} of {sum(counts[true]):,} times"
        for count, true, taken in pairs[:_NAMED]
    )
