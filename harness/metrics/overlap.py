"""Overlap with the reference in words: BLEU (Papineni et al. 2002).

BLEU statistics, k = 2 + 2N: reply length, reference length, clipped matches and n-grams of the
reply for n = 1…N; sums over examples give corpus BLEU, as in sacreBLEU (Post 2018). Corpus BLEU is
no mean of sentence BLEUs; the mean of those is a metric of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean
from harness.metrics.tokens import tokens_13a

if TYPE_CHECKING:
    from harness.metrics.arrays import Additive
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["MAX_ORDER", "METRICS", "bleu_score", "bleu_statistics", "match_table"]

Tokens = tuple[str, ...]
MAX_ORDER = 4


def _canonical(item: Scored) -> str:
    return item.reference


def match_table(
    scored: Sequence[Scored],
    *,
    tokenise: Callable[[str], Tokens] = tokens_13a,
    reference: Callable[[Scored], str] = _canonical,
) -> tuple[IntArray, IntArray, IntArray]:
    """Row by row, for n = 1…4: clipped matches, n-grams of the reply, n-grams of the reference.

    Each (n, 4); column 0 of the latter two is the length in tokens.
    """
    from harness.metrics.coding import clipped_matches, code_texts

    replies = code_texts(tuple(item.text for item in scored), tokenise)
    references = code_texts(tuple(reference(item) for item in scored), tokenise)
    return clipped_matches(replies, references, MAX_ORDER)


def bleu_statistics(
    scored: Sequence[Scored],
    *,
    order: int,
    tokenise: Callable[[str], Tokens] = tokens_13a,
    reference: Callable[[Scored], str] = _canonical,
) -> Additive:
    """n × (2 + 2·order): lengths, matches, n-grams."""
    import numpy as np

    from harness.metrics.arrays import Additive

    matches, totals, wanted = match_table(scored, tokenise=tokenise, reference=reference)
    columns = [totals[:, :1], wanted[:, :1], matches[:, :order], totals[:, :order]]
    return Additive(np.concatenate(columns, axis=1).astype(float))


def bleu_score(
    sums: FloatArray, *, smooth: Literal["exp", "none"] = "exp", effective: bool = False
) -> FloatArray:
    """BLEU of summed statistics (..., 2 + 2N) → (...), 0–100.

    "exp" halves, order after order, what an order without a match is credited with (NIST's
    mteval-v13a); a corpus without any n-gram of some order, or without any match, scores 0.
    `effective` leaves out orders that the reply is too short for, as fits single sentences.
    """
    import numpy as np

    order = (sums.shape[-1] - 2) // 2
    reply, wanted = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2 : 2 + order], sums[..., 2 + order :]
    none = matches == 0
    credited = (
        np.where(none, 0.5 ** np.cumsum(none, axis=-1), matches) if smooth == "exp" else matches
    )
    used = totals > 0 if effective else np.ones_like(totals, dtype=bool)
    defined = (totals > 0)[..., 0] & (matches > 0).any(-1)
    defined &= ((credited > 0) & (totals > 0) | ~used).all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.where(used, np.log(100.0 * credited / totals), 0.0)
        precision = np.exp(logarithms.sum(-1) / used.sum(-1))
        brevity = np.exp(np.minimum(0.0, 1.0 - wanted / reply))
        # A perfect score is 100, not 100 and the rounding of logarithms.
        return np.where(defined, np.minimum(brevity * precision, 100.0), 0.0)


def _sentence_statistics(scored: Sequence[Scored]) -> Statistics:
    """n × 2: each reply's own BLEU-4, and 1."""
    from harness.metrics.arrays import columns

    counted = bleu_statistics(scored, order=MAX_ORDER)
    return columns(bleu_score(counted.values, effective=True))


def _bleu(order: int) -> Metric:
    return Metric(
        name=f"bleu_{order}",
        signature=signature(
            "bleu",
            n=order,
            tok="13a",
            case="lower",
            smooth="exp",
            refs="canonical",
            lib=f"sacrebleu-{version('sacrebleu')}",
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=f"Corpus BLEU against the human reply, n-grams up to n = {order}.",
        statistics=partial(bleu_statistics, order=order),
        score=bleu_score,
    )


METRICS: tuple[Metric, ...] = (
    *(_bleu(order) for order in range(1, MAX_ORDER + 1)),
    Metric(
        name="bleu_4_sentence",
        signature=signature(
            "bleu",
            n=MAX_ORDER,
            agg="sentence-mean",
            tok="13a",
            case="lower",
            smooth="exp",
            order="effective",
            refs="canonical",
            lib=f"sacrebleu-{version('sacrebleu')}",
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description="BLEU of each reply alone, averaged; not to be read beside corpus BLEU.",
        statistics=_sentence_statistics,
        score=mean,
    ),
)
