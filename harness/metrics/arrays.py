"""The kinds of statistics: numbers that add up, and bags of codes that do not."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["Additive", "Bags", "Rarefied", "additive", "bags", "columns", "make_bags"]

# Codes counted at once, which bounds memory: rows that hold them × draws / 8 bytes.
_CODES = 4096
_DRAWS = 64


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

    `codes` ascend, and each stands once per row where `take` is "distinct": see `make_bags`.

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
        return make_bags(self.codes, groups[self.owners], sizes, self.vocabulary, self.take)

    def aggregate(self, weights: FloatArray) -> FloatArray:
        """(..., n) → (..., 2)."""
        rows = weights.reshape(-1, len(self))
        if not len(self.codes):
            counts = np.zeros(len(rows))
        elif self.take == "distinct":
            counts = self._distinct(rows > 0)
        else:
            poured = (np.bincount(self.codes, weights=row[self.owners]) for row in rows)
            counts = np.array([counted.max() for counted in poured])
        return np.stack([counts, rows @ self.sizes], axis=-1).reshape(*weights.shape[:-1], 2)

    def _distinct(self, chosen: NDArray[np.bool_]) -> FloatArray:
        """How many codes the chosen rows hold, (draws, n) → (draws,); 64 draws are one word's bits.

        A code is held in a draw where any of its rows is chosen: the bitwise or of their words.
        """
        draws = len(chosen)
        padding = np.zeros((-draws % 64, len(self)), dtype=bool)
        packed = np.packbits(np.concatenate([chosen, padding]), axis=0).T
        words = np.ascontiguousarray(packed).view(np.uint64)  # (n, draws / 64)
        first = np.flatnonzero(np.diff(self.codes, prepend=-1))
        ends = np.append(first, len(self.codes))
        counts = np.zeros(64 * words.shape[1])
        for start in range(0, len(first), _CODES):
            stop = min(start + _CODES, len(first))
            gathered = words[self.owners[ends[start] : ends[stop]]]
            held = np.bitwise_or.reduceat(gathered, first[start:stop] - first[start], axis=0)
            counts += np.unpackbits(held.view(np.uint8), axis=1).sum(axis=0, dtype=np.int64)
        return counts[:draws]


def make_bags(
    codes: IntArray,
    owners: IntArray,
    sizes: FloatArray,
    vocabulary: int,
    take: Literal["distinct", "commonest"],
) -> Bags:
    """Bags in the order of codes; where only different ones count, each once per bag."""
    if take == "distinct":
        codes, owners = np.divmod(np.unique(codes * len(sizes) + owners), max(len(sizes), 1))
    else:
        order = np.argsort(codes, kind="stable")
        codes, owners = codes[order], owners[order]
    return Bags(codes, owners, sizes, vocabulary, take)


@dataclass(frozen=True, slots=True)
class Rarefied:
    """Which codes occur in which reply, for the expected variety of `draw` replies.

    `codes` and `owners` name each code once per reply; reply i of `sizes` (n,) belongs
    to row `rows[i]` of `count`. Replies stay the unit that is drawn, whatever rows are merged.

    Aggregates to k = 2: the expected number of different codes among `draw` replies drawn without
    replacement (Hurlbert 1971's rarefaction), and the expected sum of their sizes; the first is
    NaN where there are fewer replies than that.
    """

    codes: IntArray
    owners: IntArray
    sizes: FloatArray
    rows: IntArray
    count: int
    draw: int
    additive: bool = False

    def __len__(self) -> int:
        return self.count

    def grouped(self, groups: IntArray, count: int) -> Rarefied:
        """Rows merged within groups."""
        return replace(self, rows=groups[self.rows], count=count)

    def aggregate(self, weights: FloatArray) -> FloatArray:
        """(..., rows) → (..., 2)."""
        flat = weights.reshape(-1, len(self))
        replies = flat @ np.bincount(self.rows, minlength=self.count)
        sizes = flat @ np.bincount(self.rows, weights=self.sizes, minlength=self.count)
        holders = self._holders()
        blocks = range(0, len(flat), _DRAWS)
        different = np.concatenate(
            [self._expected(holders, flat[i : i + _DRAWS], replies[i : i + _DRAWS]) for i in blocks]
        )
        totals = sizes * self.draw / np.maximum(replies, 1)
        return np.stack([different, totals], axis=-1).reshape(*weights.shape[:-1], 2)

    def _holders(self) -> Any:
        """Sparse (codes, rows): how many replies of a row hold a code."""
        from scipy.sparse import csr_matrix

        shape = (int(self.codes.max(initial=-1)) + 1, self.count)
        ones = np.ones(len(self.codes), dtype=np.float32)
        return csr_matrix((ones, (self.codes, self.rows[self.owners])), shape=shape)

    def _expected(self, holders: Any, weights: FloatArray, replies: FloatArray) -> FloatArray:
        """Expected different codes per draw: (draws, rows), (draws,) → (draws,)."""
        chosen = np.ascontiguousarray(weights.T, dtype=np.float32)
        held = np.ascontiguousarray((holders @ chosen).T.astype(np.int32))
        expected = np.full(len(weights), np.nan)
        for draw, count in enumerate(np.rint(replies).astype(int)):
            if count >= self.draw:
                missed = _all_missed(int(count), self.draw)[held[draw]]
                expected[draw] = len(missed) - missed.sum()
        return expected


def _all_missed(replies: int, draw: int) -> FloatArray:
    """The chance that `draw` of `replies` replies miss all d given ones, for d = 0 … replies."""
    logs = _log_factorials(1 << replies.bit_length())
    others = np.arange(replies, -1, -1)
    possible = replies - draw + 1
    chance = np.zeros(replies + 1)
    ways = logs[others[:possible]] - logs[others[:possible] - draw]
    chance[:possible] = np.exp(ways - logs[replies] + logs[replies - draw])
    return chance


@lru_cache(maxsize=8)
def _log_factorials(size: int) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size)))])


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
    return make_bags(
        np.array([code for bag in coded for code in bag], dtype=np.int64),
        np.repeat(np.arange(len(coded)), lengths),
        np.array(lengths if sizes is None else sizes, dtype=float),
        len(index),
        take,
    )
