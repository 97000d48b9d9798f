"""The kinds of statistics: numbers that add up, and bags of codes that do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["Additive", "Bags", "Rarefied", "additive", "bags", "columns"]


@dataclass(frozen=True, slots=True)
class Additive:
    """n × k numbers whose weighted sums are sufficient for the score."""

    values: FloatArray
    additive: bool = True

    def __len__(self) -> int:
        return len(self.values)

    def grouped(self, groups: IntArray, count: int) -> Additive:
        """Rows summed within groups: (count, k)."""
        columns = (np.bincount(groups, weights=column, minlength=count) for column in self.values.T)
        return Additive(np.stack(list(columns), axis=1))

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


@dataclass(frozen=True, slots=True)
class Rarefied:
    """Which codes occur in which reply, for the expected variety of `draw` replies.

    `codes` and `owners` name each code once per reply; reply i of `sizes` (n,) belongs to row
    `rows[i]` of `count`. Replies stay the unit that is drawn, whatever rows are merged.

    Aggregates to k = 2: the expected number of different codes among `draw` replies drawn without
    replacement (Hurlbert 1971's rarefaction), and the expected sum of their sizes; the first is
    NaN where there are fewer replies than that.
    """

    codes: IntArray
    owners: IntArray
    sizes: FloatArray
    rows: IntArray
    count: int
    vocabulary: int
    draw: int
    additive: bool = False

    def __len__(self) -> int:
        return self.count

    def grouped(self, groups: IntArray, count: int) -> Rarefied:
        """Rows merged within groups."""
        return replace(self, rows=groups[self.rows], count=count)

    def aggregate(self, weights: FloatArray) -> FloatArray:
        """(..., rows) → (..., 2)."""
        drawn = [self._expected(row) for row in weights.reshape(-1, len(self))]
        return np.array(drawn).reshape(*weights.shape[:-1], 2)

    def _expected(self, row: FloatArray) -> tuple[float, float]:
        weights = row[self.rows]
        replies = round(weights.sum())
        if replies < self.draw:
            return np.nan, 1.0
        holders = np.bincount(self.codes, weights=weights[self.owners], minlength=self.vocabulary)
        tally = np.bincount(np.rint(holders).astype(np.int64), minlength=replies + 1)
        expected = float(tally @ (1.0 - _all_missed(replies, self.draw)))
        return expected, float(weights @ self.sizes) * self.draw / replies


@lru_cache(maxsize=64)
def _all_missed(replies: int, draw: int) -> FloatArray:
    """The chance that `draw` of `replies` replies miss all d given ones, for d = 0 … replies."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, replies + 1)))])
    others = replies - np.arange(replies + 1)
    possible = others >= draw
    ways = logs[others] - logs[np.where(possible, others - draw, 0)]
    chance = np.exp(ways - logs[replies] + logs[replies - draw])
    return np.where(possible, chance, 0.0)


def columns(values: FloatArray, weights: FloatArray | None = None) -> Additive:
    """n × 2: a value of each example beside what it is counted per, 1 if nothing is said."""
    return Additive(np.stack([values, np.ones(len(values)) if weights is None else weights], 1))


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
