"""Overlap with the reference, recall and precision together: ROUGE-1, ROUGE-2, ROUGE-L (Lin 2004).

F1 of each reply, averaged; the same numbers as Google's rouge_score without stemming.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean
from harness.metrics.tokens import rouge_tokens

if TYPE_CHECKING:
    from harness.metrics.coding import Coded
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["METRICS", "lcs_length", "lcs_lengths"]


def lcs_length(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the longest common subsequence, by bit-parallel dynamic programming.

    Hyyrö 2004: one row of the table is an integer of len(a) bits, zeros where the row steps up.
    """
    places: dict[int, int] = {}
    for position, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << position
    full = (1 << len(a)) - 1
    row = full
    for token in b:
        hits = places.get(token)
        if hits is not None:
            hits &= row
            row = ((row + hits) | (row - hits)) & full
    return len(a) - row.bit_count()


def lcs_lengths(replies: Coded, references: Coded) -> IntArray:
    """`lcs_length` of each row, (n,); rows that repeat are computed once."""
    import numpy as np

    from harness.metrics.coding import common_ids

    ids_a, ids_b = (ids.tolist() for ids in common_ids(replies, references))
    bounds_a, bounds_b = replies.starts.tolist(), references.starts.tolist()
    return np.fromiter(
        (
            lcs_length(
                ids_a[bounds_a[row] : bounds_a[row + 1]], ids_b[bounds_b[row] : bounds_b[row + 1]]
            )
            for row in range(len(replies))
        ),
        dtype=np.int64,
        count=len(replies),
    )


def _rouge_statistics(scored: Sequence[Scored], *, n: int | None) -> Statistics:
    """n × 2: F1 in percent, and 1; `n` None is the longest common subsequence."""
    from harness.metrics.arrays import columns
    from harness.metrics.coding import clipped_matches, code_texts

    replies = code_texts(tuple(item.text for item in scored), rouge_tokens)
    references = code_texts(tuple(item.reference for item in scored), rouge_tokens)
    if n is None:
        lengths = lcs_lengths(replies, references)
        return columns(_f1(lengths, replies.lengths, references.lengths))
    matches, in_replies, in_references = clipped_matches(replies, references, 2)
    return columns(_f1(matches[:, n - 1], in_replies[:, n - 1], in_references[:, n - 1]))


def _f1(hits: IntArray, said: IntArray, wanted: IntArray) -> FloatArray:
    """2 · hits per hundred of both lengths together; 0 where both are empty."""
    import numpy as np

    percent: FloatArray = 200.0 * hits / np.maximum(said + wanted, 1)
    return percent


def _rouge(kind: str, n: int | None, description: str) -> Metric:
    return Metric(
        name=f"rouge_{kind.lower()}",
        signature=signature(
            "rouge", type=kind, f="1", tok="alnum", case="lower", stem="no", refs="canonical"
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=description,
        statistics=partial(_rouge_statistics, n=n),
        score=mean,
    )


METRICS: tuple[Metric, ...] = (
    _rouge("1", 1, "Words shared with the human reply, F1, mean over replies."),
    _rouge("2", 2, "Word pairs shared with the human reply, F1, mean over replies."),
    _rouge("L", None, "Longest common word sequence with the human reply, F1, mean over replies."),
)
