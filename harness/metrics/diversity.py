"""How various the replies of one system are.

Dist-n (Li et al. 2016): different n-grams over all n-grams of all replies together. It falls as
replies are added, so that only example sets of one size compare. The shares of distinct replies
and of the commonest one show what Dist-n hides: a system that says the same to everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from importlib.metadata import version

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean, share
from harness.metrics.tokens import normalised, tokens_13a, tokens_space

__all__ = [
    "METRICS",
    "commonest_statistics",
    "dist_statistics",
    "unique_statistics",
]


def dist_statistics(
    scored: Sequence[Scored],
    *,
    n: int,
    tokenise: Callable[[str], tuple[str, ...]] = tokens_13a,
    join: Callable[[tuple[str, ...]], Hashable] = tuple,
) -> Statistics:
    """A bag of n-grams per reply; `join` says when two n-grams are the same."""
    from harness.metrics.arrays import bags

    replies = [tokenise(item.text) for item in scored]
    return bags(
        [join(gram) for gram in zip(*(reply[i:] for i in range(n)), strict=False)]
        for reply in replies
    )


def unique_statistics(scored: Sequence[Scored]) -> Statistics:
    """One reply per bag, counted per example; an empty reply is never a new one."""
    from harness.metrics.arrays import bags

    replies = [normalised(item.text) for item in scored]
    return bags([[reply] if reply else [] for reply in replies], sizes=[1] * len(replies))


def commonest_statistics(scored: Sequence[Scored]) -> Statistics:
    """One reply per bag; empty replies are all the same one."""
    from harness.metrics.arrays import bags

    return bags([[normalised(item.text)] for item in scored], take="commonest")


def _length_statistics(scored: Sequence[Scored]) -> Statistics:
    from harness.metrics.arrays import additive

    return additive(((len(tokens_space(item.text)), 1) for item in scored), 2)


def _dist(n: int, noun: str) -> Metric:
    return Metric(
        name=f"dist_{n}",
        signature=signature(
            "dist",
            n=n,
            scope="corpus",
            tok="13a",
            case="lower",
            lib=f"sacrebleu-{version('sacrebleu')}",
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=f"Different {noun} per hundred {noun} of all replies together.",
        statistics=partial(dist_statistics, n=n),
        score=share,
    )


METRICS: tuple[Metric, ...] = (
    _dist(1, "words"),
    _dist(2, "word pairs"),
    Metric(
        name="unique_share",
        signature=signature("unique", norm="lower+space", empty="none"),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description="Different replies per hundred replies.",
        statistics=unique_statistics,
        score=share,
        per_example=False,
    ),
    Metric(
        name="commonest_share",
        signature=signature("commonest", norm="lower+space"),
        direction="lower",
        unit="percent",
        range=(0.0, 100.0),
        description="Share of all replies taken by the one given most often.",
        statistics=commonest_statistics,
        score=share,
        per_example=False,
    ),
    Metric(
        name="length",
        signature=signature("length", tok="space", agg="mean"),
        direction="none",
        unit="words",
        range=(0.0, float("inf")),
        description="Words of a reply, on average.",
        statistics=_length_statistics,
        score=mean,
    ),
)
