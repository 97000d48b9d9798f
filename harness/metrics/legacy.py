"""Published evaluators' own definitions, kept exactly, so that their tables can be reproduced.

They score what the authors' files hold: replies and references already lower-cased and cut into
tokens by spaces. BLEU is Moses' multi-bleu.perl (MoEL, Lin et al. 2019; MIME, Majumder et al.
2020): corpus level, no smoothing. EmpDG (Li et al. 2020) reports macro precisions instead: per
reply, the clipped share of its n-grams found in the reference, averaged over replies, without a
penalty for short ones; its Dist-2 glues the two words of a pair together, so that pairs that
spell alike count as one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.metrics import diversity, failures, labels
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.overlap import MAX_ORDER, bleu_score, bleu_statistics, match_table
from harness.metrics.scores import mean, share
from harness.metrics.tokens import tokens_space

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["EMPDG", "MOSES"]


def _reference(item: Scored) -> str:
    """The reference as the file prints it, where it does."""
    return item.reference if item.file_reference is None else item.file_reference


def _precision_statistics(scored: Sequence[Scored], *, n: int) -> Statistics:
    """n × 2: each reply's own precision of order n in percent (0 if it is too short), and 1."""
    import numpy as np

    from harness.metrics.arrays import columns

    matches, totals, _ = match_table(scored, tokenise=tokens_space, reference=_reference)
    return columns(100.0 * matches[:, n - 1] / np.maximum(totals[:, n - 1], 1))


def _glued_statistics(scored: Sequence[Scored]) -> Statistics:
    """A bag of word pairs per reply, each written without a space."""
    from harness.metrics.arrays import bags

    replies = [tokens_space(item.text) for item in scored]
    return bags([a + b for a, b in pairwise(reply)] for reply in replies)


def _metric(
    name: str,
    description: str,
    *,
    signature: str,
    statistics: Callable[[Sequence[Scored]], Statistics],
    score: Callable[[FloatArray], FloatArray],
) -> Metric:
    return Metric(
        name=name,
        signature=signature,
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=description,
        statistics=statistics,
        score=score,
    )


def _moses_bleu(order: int) -> Metric:
    return _metric(
        f"bleu_{order}",
        f"Moses corpus BLEU, n-grams up to n = {order}, not smoothed.",
        signature=signature(
            "bleu",
            n=order,
            tok="space",
            case="given",
            smooth="none",
            refs="file",
            like="multi-bleu.perl",
        ),
        statistics=partial(
            bleu_statistics, order=order, tokenise=tokens_space, reference=_reference
        ),
        score=partial(bleu_score, smooth="none"),
    )


def _precision(n: int) -> Metric:
    return _metric(
        f"p_{n}",
        f"Share of a reply's {n}-grams found in the reference, averaged over replies.",
        signature=signature(
            "precision", n=n, tok="space", case="given", agg="macro", bp="no", refs="file"
        ),
        statistics=partial(_precision_statistics, n=n),
        score=mean,
    )


def _dist(n: int, *, glue: bool = False) -> Metric:
    plain = partial(diversity.dist_statistics, n=n, tokenise=tokens_space)
    return _metric(
        f"dist_{n}",
        f"Different {n}-grams per hundred {n}-grams of all replies together.",
        signature=signature(
            "dist",
            n=n,
            scope="corpus",
            tok="space",
            case="given",
            join="glued" if glue else "tuple",
        ),
        statistics=_glued_statistics if glue else plain,
        score=share,
    )


_REPETITION = tuple(m for m in diversity.METRICS if m.name in ("unique_share", "commonest_share"))


def _accuracy_statistics(scored: Sequence[Scored]) -> Statistics:
    """Accuracy against the label that the file prints: preprocessing changed a few."""
    printed = [
        replace(item, gold_emotion=item.file_emotion or item.gold_emotion) for item in scored
    ]
    return labels.accuracy_statistics(printed, field="emotion")


_ACCURACY = tuple(
    replace(
        metric,
        statistics=_accuracy_statistics,
        signature=signature("accuracy", label="emotion", classes=32, match="exact", gold="file"),
    )
    for metric in labels.METRICS
    if metric.name == "emotion_accuracy"
)

MOSES: tuple[Metric, ...] = (
    *(_moses_bleu(order) for order in range(1, MAX_ORDER + 1)),
    _dist(1),
    _dist(2),
    *_REPETITION,
    *_ACCURACY,
    *failures.METRICS,
)

EMPDG: tuple[Metric, ...] = (
    *(_precision(n) for n in range(1, MAX_ORDER + 1)),
    _dist(1),
    _dist(2, glue=True),
    *_REPETITION,
    *_ACCURACY,
    *failures.METRICS,
)
