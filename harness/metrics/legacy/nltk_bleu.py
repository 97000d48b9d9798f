"""BLEU as NLTK computes it (`nltk.translate.bleu_score`), with three of its smoothings.

A reply too short for an n-gram still counts one in the denominator of that order, which neither
Moses' script nor sacreBLEU do. The smoothings are numbered as in Chen & Cherry (2014):

- method 1 credits an order without any match with ε matches,
- method 3 credits the k-th such order with 2^−k matches,
- method 7 is method 4 (the k-th such order of a sentence of l > 1 words gets ln(l) / (5 · 2^k)
  matches), then method 5 (p′_n = (p′_{n−1} + p_n + p_{n+1}) / 3 with p′_0 = p_1 + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy.common import percent
from harness.metrics.legacy.reading import Reading, bleu_rows

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

# Method 5 lifts the unigram precision of a perfect reply to 4/3, and it is the highest of all.
_HIGHEST = 400 / 3

__all__ = ["corpus_bleu", "corpus_score", "sentence_bleu", "sentence_score"]

Smooth = Literal["method1", "method3"]
# The smoothing of a sentence looks one order further than BLEU-4.
_SENTENCE_ORDER = 5
_K = 5


def _brevity(reply: FloatArray, wanted: FloatArray) -> FloatArray:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(reply > wanted, 1.0, np.exp(1.0 - wanted / reply))


def corpus_score(sums: FloatArray, *, smooth: Smooth, epsilon: float = 0.1) -> FloatArray:
    """(..., 2 + 2N) sums of `bleu_rows` with `least` 1 → (...), 0–100.

    `epsilon` is method 1's; NLTK's own is 0.1.
    """
    import numpy as np

    order = (sums.shape[-1] - 2) // 2
    reply, wanted = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2 : 2 + order], sums[..., 2 + order :]
    none = matches == 0
    credit = 0.5 ** np.cumsum(none, axis=-1) if smooth == "method3" else epsilon
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.log(np.where(none, credit, matches) / totals)
        bleu = _brevity(reply, wanted) * np.exp(logarithms.mean(-1))
    return np.where(none[..., 0], 0.0, np.minimum(100.0 * bleu, 100.0))


def corpus_bleu(order: int, reading: Reading, *, smooth: Smooth, epsilon: float = 0.1) -> Metric:
    """BLEU with equal weights for n-grams up to `order`, over all replies together."""
    written = f"{smooth},eps={epsilon:g}" if smooth == "method1" else smooth
    return percent(
        f"bleu_{order}",
        f"NLTK's corpus BLEU, n-grams up to n = {order}.",
        signature=signature(
            "bleu", n=order, **reading.parts, smooth=written, refs="file", like="nltk"
        ),
        statistics=partial(bleu_rows, reading=reading, order=order, least=1),
        score=partial(corpus_score, smooth=smooth, epsilon=epsilon),
    )


def sentence_score(rows: FloatArray, weights: Sequence[float]) -> FloatArray:
    """(n, 12) rows of `bleu_rows` of order 5 with `least` 1 → (n,), method 7, 0–100.

    `weights` are those of the orders 1 … 4.
    """
    import numpy as np

    reply, wanted = rows[:, 0], rows[:, 1]
    matches, totals = rows[:, 2 : 2 + _SENTENCE_ORDER], rows[:, 2 + _SENTENCE_ORDER :]
    none = matches[:, :4] == 0
    log_length = np.log(np.maximum(reply, 1.0))[:, None]
    credit = np.where(none, log_length / (_K * 2.0 ** np.cumsum(none, axis=1)), matches[:, :4])
    precision = credit / totals[:, :4]
    beyond = np.concatenate([precision[:, 1:], matches[:, 4:] / totals[:, 4:]], axis=1)
    before = precision[:, 0] + 1.0
    logarithm = np.zeros(len(rows))
    for n, weight in enumerate(weights):
        before = (before + precision[:, n] + beyond[:, n]) / 3.0
        logarithm += weight * np.log(before)
    bleu = 100.0 * _brevity(reply, wanted) * np.exp(logarithm)
    return np.where(none[:, 0], 0.0, bleu)


def _sentence_rows(
    scored: Sequence[Scored], *, reading: Reading, weights: Sequence[float]
) -> Statistics:
    """n × 2: each reply's own BLEU, and 1."""
    from harness.metrics.arrays import columns

    counted = bleu_rows(scored, reading=reading, order=_SENTENCE_ORDER, least=1)
    return columns(sentence_score(counted.values, weights))


def sentence_bleu(order: int, reading: Reading, *, weights: Sequence[float]) -> Metric:
    """BLEU of each reply alone, smoothed by method 7, averaged."""
    return percent(
        f"bleu_{order}_sentence",
        f"NLTK's sentence BLEU, n-grams up to n = {order}, smoothed by method 7 (up to 133), mean.",
        signature=signature(
            "bleu", n=order, agg="sentence-mean", **reading.parts,
            smooth="method7", weights=",".join(f"{weight:g}" for weight in weights), refs="file",
            like="nltk",
        ),
        statistics=partial(_sentence_rows, reading=reading, weights=tuple(weights)),
        highest=_HIGHEST,
    )  # fmt: skip
