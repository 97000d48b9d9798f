"""Overlap with the reference: BLEU (Papineni et al. 2002) and ROUGE-L (Lin 2004).

BLEU statistics, k = 2 + 2N: reply length, reference length, clipped matches and n-grams of the
reply for n = 1…N; sums over examples give corpus BLEU, as in sacreBLEU (Post 2018).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean
from harness.metrics.tokens import rouge_tokens, tokens_13a

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["METRICS", "bleu_score", "bleu_statistics", "lcs_length", "match_counts"]

Tokens = tuple[str, ...]
MAX_ORDER = 4


@lru_cache(maxsize=2**14)
def match_counts(reply: Tokens, reference: Tokens) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Clipped n-gram matches and n-grams of the reply, for n = 1…4."""
    matches, totals = [], []
    for n in range(1, MAX_ORDER + 1):
        found = Counter(zip(*(reply[i:] for i in range(n)), strict=False))
        wanted = Counter(zip(*(reference[i:] for i in range(n)), strict=False))
        matches.append(sum(min(count, wanted[gram]) for gram, count in found.items()))
        totals.append(max(len(reply) - n + 1, 0))
    return tuple(matches), tuple(totals)


def bleu_statistics(
    scored: Sequence[Scored],
    *,
    order: int,
    tokenise: Callable[[str], Tokens] = tokens_13a,
    reference: Callable[[Scored], str] = lambda item: item.reference,
) -> Statistics:
    """n × (2 + 2·order): lengths, matches, n-grams."""
    from harness.metrics.arrays import additive

    rows = []
    for item in scored:
        reply, wanted = tokenise(item.text), tokenise(reference(item))
        matches, totals = match_counts(reply, wanted)
        rows.append((len(reply), len(wanted), *matches[:order], *totals[:order]))
    return additive(rows, 2 + 2 * order)


def bleu_score(sums: FloatArray, *, smooth: Literal["exp", "none"] = "exp") -> FloatArray:
    """BLEU of summed statistics (..., 2 + 2N) → (...), 0–100.

    "exp" halves, order after order, what an order without a match is credited with (NIST's
    mteval-v13a); a corpus without any n-gram of some order, or without any match, scores 0.
    """
    import numpy as np

    order = (sums.shape[-1] - 2) // 2
    reply, wanted = sums[..., 0], sums[..., 1]
    matches, totals = sums[..., 2 : 2 + order], sums[..., 2 + order :]
    none = matches == 0
    credited = (
        np.where(none, 0.5 ** np.cumsum(none, axis=-1), matches) if smooth == "exp" else matches
    )
    defined = (totals > 0).all(-1) & (matches > 0).any(-1) & (credited > 0).all(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(100.0 * credited / totals).mean(-1))
        brevity = np.exp(np.minimum(0.0, 1.0 - wanted / reply))
        # A perfect score is 100, not 100 and the rounding of logarithms.
        return np.where(defined, np.minimum(brevity * precision, 100.0), 0.0)


def lcs_length(a: Tokens, b: Tokens) -> int:
    """Length of the longest common subsequence, by bit-parallel dynamic programming.

    Hyyrö 2004: one row of the table is an integer of len(a) bits, zeros where the row steps up.
    """
    places: dict[str, int] = {}
    for position, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << position
    full = (1 << len(a)) - 1
    row = full
    for token in b:
        hits = row & places.get(token, 0)
        row = ((row + hits) | (row - hits)) & full
    return len(a) - row.bit_count()


def rouge_l_f1(reply: Tokens, reference: Tokens) -> float:
    """Harmonic mean of the LCS's shares in reply and reference, 0–100."""
    if not reply or not reference:
        return 0.0
    return 200.0 * lcs_length(reply, reference) / (len(reply) + len(reference))


def _rouge_statistics(scored: Sequence[Scored]) -> Statistics:
    from harness.metrics.arrays import additive

    return additive(
        ((rouge_l_f1(rouge_tokens(s.text), rouge_tokens(s.reference)), 1) for s in scored), 2
    )


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
        name="rouge_l",
        signature=signature(
            "rouge", type="L", f="1", tok="alnum", case="lower", stem="no", refs="canonical"
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description="Longest common word sequence with the human reply, F1, mean over replies.",
        statistics=_rouge_statistics,
        score=mean,
    ),
)
