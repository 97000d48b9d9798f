"""EmpDG (Li et al. 2020): macro n-gram precisions.

Per reply, the clipped share of its n-grams found in the reference, averaged over replies, without
a penalty for short ones; beside them the mean of the replies' own BLEU-4, with penalty and without
smoothing, which is 0 for most replies. Dist-2 glues the two words of a pair together, so that
pairs that spell alike count as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness.metrics import failures
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.moses import CAVEAT, SPACED, repetition
from harness.metrics.legacy.reading import bleu_rows, glued_rows, printed_reference
from harness.metrics.overlap import MAX_ORDER, bleu_score, match_table
from harness.metrics.profile import Profile
from harness.metrics.tokens import tokens_space

__all__ = ["PROFILE"]


def _precision_statistics(scored: Sequence[Scored], *, n: int) -> Statistics:
    """n × 2: each reply's own precision of order n in percent (0 if it is too short), and 1."""
    import numpy as np

    from harness.metrics.arrays import columns

    matches, totals, _ = match_table(scored, tokenise=tokens_space, reference=printed_reference)
    return columns(100.0 * matches[:, n - 1] / np.maximum(totals[:, n - 1], 1))


def _sentence_bleu_statistics(scored: Sequence[Scored]) -> Statistics:
    """n × 2: each reply's own BLEU-4, not smoothed, and 1."""
    from harness.metrics.arrays import columns

    counted = bleu_rows(scored, reading=SPACED, order=MAX_ORDER)
    return columns(bleu_score(counted.values, smooth="none"))


def _precision(n: int) -> Metric:
    return common.percent(
        f"p_{n}",
        f"Share of a reply's {n}-grams found in the reference, averaged over replies.",
        signature=signature(
            "precision", n=n, tok="space", case="given", agg="macro", bp="no", refs="file"
        ),
        statistics=partial(_precision_statistics, n=n),
    )


PROFILE = Profile(
    name="empdg",
    description="As EmpDG reported: n-gram precisions averaged over replies, and Dist-n.",
    differences=(
        "Tokens are what stands between spaces; punctuation is not split off.",
        "References are those that the output file prints, where it prints some.",
        "Precisions are averaged over replies instead of summed over the corpus, and nothing "
        "penalises short replies.",
        "BLEU-4 is that of each reply alone, not smoothed, then averaged.",
        "Dist-2 writes word pairs as one word, so that some different pairs become the same.",
        "PPL averages the token loss of each example.",
        'Its script also cut leading letters of "Pred:" and "Ref:" from texts, as KEMP\'s does; '
        "that is left out.",
        "Emotions are compared with the label that the file prints.",
    ),
    caveat=f"{CAVEAT}; nothing penalises short replies, and it is on 2,713 of the 5,255 examples.",
    metrics=(
        *(_precision(n) for n in range(1, MAX_ORDER + 1)),
        common.percent(
            "bleu_4_sentence",
            "BLEU-4 of each reply alone, not smoothed, averaged.",
            signature=signature(
                "bleu", n=MAX_ORDER, agg="sentence-mean", tok="space", case="given",
                smooth="none", refs="file",
            ),
            statistics=_sentence_bleu_statistics,
        ),
        common.corpus_dist(1, SPACED, join="tuple"),
        common.corpus_dist(
            2, SPACED, statistics=partial(glued_rows, reading=SPACED), join="glued"
        ),
        *repetition(),
        common.ppl("example-loss"),
        common.accuracy("emotion"),
        *failures.METRICS,
    ),
)  # fmt: skip
