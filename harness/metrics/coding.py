"""Texts as whole-number codes, so that n-grams of a whole corpus are counted by sorting arrays.

A corpus is tokenised once per tokeniser, however many metrics ask: `code_texts` remembers the last
few corpora. N-grams are codes too, equal where the n-grams are equal, and rows of a corpus lie
behind one another, so that counting never loops over examples.

Shapes: a corpus of n texts with T tokens has `ids` (T,) and `starts` (n + 1,).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.metrics.contract import IntArray

__all__ = [
    "Coded",
    "clipped_matches",
    "code_rows",
    "code_texts",
    "common_ids",
    "count_matches",
    "distinct_ngrams",
]

Tokenise = Callable[[str], Sequence[Hashable]]

# The largest code that may still be multiplied and added to without leaving 64 bits.
_LARGEST = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A tokenised corpus: row i is ids[starts[i]:starts[i + 1]], id j means vocabulary[j]."""

    ids: IntArray
    starts: IntArray
    vocabulary: tuple[Hashable, ...]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> IntArray:
        """Tokens per row, (n,)."""
        return np.diff(self.starts)

    @property
    def owners(self) -> IntArray:
        """The row of each token, (T,)."""
        return np.repeat(np.arange(len(self)), self.lengths)


def code_rows(rows: Sequence[Sequence[Hashable]]) -> Coded:
    """Rows of tokens (or of anything that can be a key) as a corpus."""
    index: defaultdict[Hashable, int] = defaultdict()
    index.default_factory = index.__len__
    ids = [index[token] for row in rows for token in row]
    starts = _starts([len(row) for row in rows])
    return Coded(np.array(ids, dtype=np.int64), starts, tuple(index))


@lru_cache(maxsize=12)
def code_texts(texts: tuple[str, ...], tokenise: Tokenise) -> Coded:
    """Texts as a corpus; equal texts are tokenised once."""
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    distinct = code_rows([tokenise(text) for text in places])
    if len(places) == len(texts):
        return distinct
    rows = np.array([places[text] for text in texts], dtype=np.int64)
    lengths = distinct.lengths[rows]
    starts = _starts(lengths)
    tokens = np.arange(starts[-1]) + np.repeat(distinct.starts[rows] - starts[:-1], lengths)
    return Coded(distinct.ids[tokens], starts, distinct.vocabulary)


@lru_cache(maxsize=12)
def common_ids(a: Coded, b: Coded) -> tuple[IntArray, IntArray]:
    """The ids of two corpora under one vocabulary."""
    index = {token: code for code, token in enumerate(a.vocabulary)}
    moved = [index.setdefault(token, len(index)) for token in b.vocabulary]
    return a.ids, np.array(moved, dtype=np.int64)[b.ids] if moved else b.ids


def distinct_ngrams(coded: Coded, n: int) -> tuple[IntArray, IntArray, int]:
    """The n-grams of one corpus, numbered 0 … V − 1: codes (m,), the rows they lie in (m,), V."""
    codes, owners, bound = _ngrams(coded.ids, coded.starts, n, len(coded.vocabulary))
    if n == 1:
        return codes, owners, bound
    found, ranks = np.unique(codes, return_inverse=True)
    return ranks, owners, len(found)


def _ngrams(ids: IntArray, starts: IntArray, n: int, size: int) -> tuple[IntArray, IntArray, int]:
    """N-grams of each row as codes (m,), their rows (m,), and a bound above all codes.

    `ids` are below `size`. Codes of several corpora agree only if they are numbered in one call.
    """
    if size**n >= _LARGEST:
        # An n-gram is two (n − 1)-grams in a row, and of those no more exist than tokens.
        shorter, rows, _ = _ngrams(ids, starts, n - 1, size)
        found, ids = np.unique(shorter, return_inverse=True)
        starts = _starts(np.bincount(rows, minlength=len(starts) - 1))
        n, size = 2, len(found)
    counts = np.maximum(np.diff(starts) - n + 1, 0)
    owners = np.repeat(np.arange(len(counts)), counts)
    first = np.arange(len(owners)) + np.repeat(starts[:-1] - _starts(counts)[:-1], counts)
    codes = ids[first]
    for offset in range(1, n):
        codes = codes * size + ids[first + offset]
    return codes, owners, size**n


def _starts(lengths: Sequence[int] | IntArray) -> IntArray:
    """Where rows of these lengths begin, and where the last one ends: (n + 1,)."""
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


@lru_cache(maxsize=6)
def clipped_matches(a: Coded, b: Coded, order: int) -> tuple[IntArray, IntArray, IntArray]:
    """Row by row, for n = 1 … order: n-grams of `a` that `b` has too, of `a`, of `b`: (n, order).

    One that occurs more often in a row of `a` than in that of `b` counts as often as in `b`
    (Papineni et al. 2002).
    """
    ids_a, ids_b = common_ids(a, b)
    size = 1 + max(int(ids.max(initial=-1)) for ids in (ids_a, ids_b))
    return count_matches(ids_a, a.starts, ids_b, b.starts, order=order, size=size)


def count_matches(
    ids_a: IntArray,
    starts_a: IntArray,
    ids_b: IntArray,
    starts_b: IntArray,
    *,
    order: int,
    size: int,
) -> tuple[IntArray, IntArray, IntArray]:
    """`clipped_matches` of ids that share one vocabulary of `size`."""
    rows = len(starts_a) - 1
    # Both corpora one after the other, so that whatever must be ranked is ranked together.
    ids = np.concatenate([ids_a, ids_b])
    starts = np.concatenate([starts_a, starts_a[-1] + starts_b[1:]])
    matches, in_a, in_b = (np.zeros((rows, order), dtype=np.int64) for _ in range(3))
    for n in range(1, order + 1):
        codes, owners, bound = _ngrams(ids, starts, n, size)
        if bound * max(rows, 1) >= _LARGEST:
            found, codes = np.unique(codes, return_inverse=True)
            bound = len(found)
        totals = np.bincount(owners, minlength=2 * rows)
        in_a[:, n - 1], in_b[:, n - 1] = totals[:rows], totals[rows:]
        split = int(totals[:rows].sum())
        keys_a = owners[:split] * bound + codes[:split]
        keys_b = (owners[split:] - rows) * bound + codes[split:]
        matches[:, n - 1] = _shared(keys_a, keys_b, bound, rows)
    return matches, in_a, in_b


def _shared(keys_a: IntArray, keys_b: IntArray, bound: int, rows: int) -> IntArray:
    """The size of the intersection of two multisets of keys (row · bound + code), by row."""
    found_a, count_a = np.unique(keys_a, return_counts=True)
    found_b, count_b = np.unique(keys_b, return_counts=True)
    if not len(found_a) or not len(found_b):
        return np.zeros(rows, dtype=np.int64)
    places = np.minimum(np.searchsorted(found_b, found_a), len(found_b) - 1)
    shared = np.where(found_b[places] == found_a, np.minimum(count_a, count_b[places]), 0)
    return np.bincount(found_a // max(bound, 1), weights=shared, minlength=rows).astype(np.int64)
