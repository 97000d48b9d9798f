"""MoEL (Lin et al. 2019) and MIME (Majumder et al. 2020): Moses' multi-bleu.perl.

Both call the script with `-lc` on their own output file, whose replies and references are already
lower-cased and cut into tokens by spaces: corpus level, no smoothing. Their perplexity is exp of
the mean of batch losses at batch size 1. Neither prints Dist-n; papers that compare with them do,
on the same tokens.
"""

from __future__ import annotations

from functools import partial

from harness.metrics import diversity, failures
from harness.metrics.contract import Metric, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.reading import Reading, printed_reference
from harness.metrics.legacy.words import lowered_words
from harness.metrics.overlap import MAX_ORDER, bleu_score, bleu_statistics
from harness.metrics.profile import Profile
from harness.metrics.tokens import tokens_space

__all__ = ["CAVEAT", "MIME", "MOEL", "SPACED", "repetition"]

CAVEAT = (
    "It scores lower-cased, pre-cut text by its spaces, against the reference that the file "
    "prints, so a text with other spacing or spelling gets another number"
)

SPACED = Reading(tokenise=tokens_space, parts={"tok": "space", "case": "given"})


def repetition() -> tuple[Metric, ...]:
    """The harness's shares of different replies and of the commonest one."""
    names = ("unique_share", "commonest_share")
    return tuple(metric for metric in diversity.METRICS if metric.name in names)


def _bleu(order: int) -> Metric:
    return common.percent(
        f"bleu_{order}",
        f"Moses corpus BLEU, n-grams up to n = {order}, not smoothed.",
        signature=signature(
            "bleu",
            n=order,
            tok="space",
            case="lower",
            smooth="none",
            refs="file",
            like="multi-bleu.perl",
        ),
        statistics=partial(
            bleu_statistics, order=order, tokenise=lowered_words, reference=printed_reference
        ),
        score=partial(bleu_score, smooth="none"),
    )


_METRICS: tuple[Metric, ...] = (
    *(_bleu(order) for order in range(1, MAX_ORDER + 1)),
    common.corpus_dist(1, SPACED, join="tuple"),
    common.corpus_dist(2, SPACED, join="tuple"),
    *repetition(),
    common.ppl("example-loss"),
    common.accuracy("emotion"),
    *failures.METRICS,
)

_DIFFERENCES = (
    "Tokens are what stands between spaces, A–Z lower-cased; punctuation is not split off.",
    "References are those that the output file prints, where it prints some.",
    "BLEU is not smoothed: an order without a match makes it 0.",
    "PPL averages the token loss of each example, so that short references weigh as much as "
    "long ones.",
    "Emotions are compared with the label that the file prints.",
)

MOEL = Profile(
    name="moel",
    description="As MoEL reported: Moses corpus BLEU on the tokens of its own output file.",
    differences=_DIFFERENCES,
    caveat=f"{CAVEAT}.",
    metrics=_METRICS,
)

MIME = Profile(
    name="mime",
    description="As MIME reported: Moses corpus BLEU, the numbers its output file prints.",
    differences=(
        *_DIFFERENCES,
        "MIME's own test perplexity was computed with the gold emotion as input; no metric can "
        "show that.",
    ),
    caveat=f"{CAVEAT}.",
    metrics=_METRICS,
)
