"""The two kinds of statistics: numbers that add up, and bags of codes that do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["Additive", "Bags", "additive", "bags"]


@dataclass(frozen=True, slots=True)
class Additive:
    """n × k numbers whose weighted sums are sufficient for the score."""

    values: FloatArray
    additive: bool = True

    def __len__(self) -> int:
        return len(self.values)

    def grouped(self, groups: IntArray, count: int) -> Additive:
        """Rows summed within groups: (count, k)."""
        sums = np.zeros((count, self.values.shape[1]))
        np.add.at(sums, groups, self.values)
        return Additive(sums)

    def aggregate(self, weights: FloatArray) -> FloatArray:
        """(..., n) → (..., k)."""
        return weights @ self.values


@dataclass(frozen=True, slots=True)
class Bags:
    """A bag of codes (0 ≤ code < vocabulary) per row; row `owners[j]` holds `codes[j]`.

    Aggregates to k = 2: how many different codes there are (`take` "distinct") or how often the
    most frequent one occurs ("commonest"); and the sum of `sizes` (n,), what that is counted per.
    """

    codes: IntArray
    owners: IntArray
    sizes: FloatArray
    vocabulary: int
    take: Literal["distinct", "commonest"]
    additive: bool = False

    def __len__(self) -> int:
        return len(self.sizes)

    def grouped(self, groups: IntArray, count: int) -> Bags:
        """Rows poured together within groups."""
        sizes = np.bincount(groups, weights=self.sizes, minlength=count).astype(float)
        return Bags(self.codes, groups[self.owners], sizes, self.vocabulary, self.take)

    def aggregate(self, weights: FloatArray) -> FloatArray:
        """(..., n) → (..., 2)."""
        rows = weights.reshape(-1, len(self))
        counts = [self._count(row) for row in rows]
        totals = rows @ self.sizes
        return np.stack([np.asarray(counts, dtype=float), totals], axis=-1).reshape(
            *weights.shape[:-1], 2
        )

    def _count(self, row: FloatArray) -> float:
        if not len(self.codes):
            return 0.0
        if self.take == "distinct":
            chosen = self.codes[(row > 0)[self.owners]]
            return float(np.count_nonzero(np.bincount(chosen, minlength=self.vocabulary)))
        return float(np.bincount(self.codes, weights=row[self.owners]).max())


def additive(rows: Iterable[Sequence[float]], width: int) -> Additive:
    """One row of `width` numbers per example."""
    values = np.array(list(rows), dtype=float)
    return Additive(values.reshape(-1, width))


def bags(
    items: Iterable[Sequence[Hashable]],
    *,
    sizes: Sequence[int] | None = None,
    take: Literal["distinct", "commonest"] = "distinct",
) -> Bags:
    """One bag of items per example; `sizes` defaults to the number of items in each."""
    index: dict[Hashable, int] = {}
    coded = [[index.setdefault(item, len(index)) for item in bag] for bag in items]
    lengths = np.array([len(bag) for bag in coded], dtype=np.int64)
    return Bags(
        codes=np.array([code for bag in coded for code in bag], dtype=np.int64),
        owners=np.repeat(np.arange(len(coded)), lengths),
        sizes=np.array(lengths if sizes is None else sizes, dtype=float),
        vocabulary=len(index),
        take=take,
    )
