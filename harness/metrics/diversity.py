"""How various the replies of one system are.

Dist-n (Li et al. 2016): different n-grams over all n-grams of all replies together. It falls as
replies are added, so that only example sets of one size compare. Two remedies stand beside it.
*Dist-n at 1,000* is what 1,000 replies drawn at random without replacement would have on average:
expected different n-grams over expected n-grams, in closed form, so that no seed enters.
*EAD* (Liu et al. 2022) divides the different words by the number expected if each of the C words
were drawn evenly from a vocabulary of V: N / (V · (1 − ((V − 1) / V)^C)). The shares of distinct
replies and of the commonest one show what Dist-n hides: a system that says the same to everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean, share
from harness.metrics.tokens import normalised, tokens_13a, tokens_space

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = [
    "METRICS",
    "commonest_statistics",
    "dist_statistics",
    "ead_score",
    "rarefied_statistics",
    "unique_statistics",
]

# The size at which Dist-n of example sets of different size is compared.
DRAW = 1000
# EAD's vocabulary: the size of BERT's. A constant, so that systems compare; it is in the signature.
VOCABULARY = 30_522


def dist_statistics(
    scored: Sequence[Scored],
    *,
    n: int,
    tokenise: Callable[[str], tuple[str, ...]] = tokens_13a,
) -> Statistics:
    """A bag of n-grams per reply."""
    import numpy as np

    from harness.metrics.arrays import make_bags
    from harness.metrics.coding import code_texts, distinct_ngrams

    replies = code_texts(tuple(item.text for item in scored), tokenise)
    codes, owners, vocabulary = distinct_ngrams(replies, n)
    sizes = np.maximum(replies.lengths - n + 1, 0).astype(float)
    return make_bags(codes, owners, sizes, vocabulary, "distinct")


def rarefied_statistics(scored: Sequence[Scored], *, n: int, draw: int = DRAW) -> Statistics:
    """Which n-grams occur in which reply, once each."""
    import numpy as np

    from harness.metrics.arrays import Rarefied
    from harness.metrics.coding import code_texts, distinct_ngrams

    replies = code_texts(tuple(item.text for item in scored), tokens_13a)
    codes, owners, _ = distinct_ngrams(replies, n)
    count = max(len(scored), 1)
    once, holders = np.divmod(np.unique(codes * count + owners), count)
    return Rarefied(
        codes=once,
        owners=holders,
        sizes=np.maximum(replies.lengths - n + 1, 0).astype(float),
        rows=np.arange(len(scored)),
        count=len(scored),
        draw=draw,
    )


def ead_score(sums: FloatArray) -> FloatArray:
    """(..., 2) different and all words → per hundred expected ones; 0 where there is no word."""
    import numpy as np

    different, words = sums[..., 0], sums[..., 1]
    expected = -VOCABULARY * np.expm1(words * np.log1p(-1.0 / VOCABULARY))
    percent: FloatArray = 100.0 * different / np.where(words > 0, expected, 1.0)
    return percent


def unique_statistics(scored: Sequence[Scored]) -> Statistics:
    """One reply per bag, counted per example; an empty reply is never a new one."""
    return _whole_replies(scored, take="distinct")


def commonest_statistics(scored: Sequence[Scored]) -> Statistics:
    """One reply per bag; empty replies are all the same one."""
    return _whole_replies(scored, take="commonest")


def _whole_replies(
    scored: Sequence[Scored], *, take: Literal["distinct", "commonest"]
) -> Statistics:
    from harness.metrics.arrays import bags

    replies = [normalised(item.text) for item in scored]
    counted: list[list[Hashable]] = [[r] if r or take == "commonest" else [] for r in replies]
    return bags(counted, sizes=[1] * len(replies), take=take)


def _length_statistics(scored: Sequence[Scored]) -> Statistics:
    from harness.metrics.arrays import columns
    from harness.metrics.coding import code_texts

    replies = code_texts(tuple(item.text for item in scored), tokens_space)
    return columns(replies.lengths.astype(float))


def _percent(
    name: str,
    description: str,
    *,
    signature: str,
    statistics: Callable[[Sequence[Scored]], Statistics],
    score: Callable[[FloatArray], FloatArray] = share,
    direction: Literal["higher", "lower"] = "higher",
    per_example: bool = False,
    highest: float = 100.0,
    least: int = 1,
) -> Metric:
    return Metric(
        name=name,
        signature=signature,
        direction=direction,
        unit="percent",
        range=(0.0, highest),
        description=description,
        statistics=statistics,
        score=score,
        per_example=per_example,
        least=least,
    )


def _dist(n: int, noun: str) -> tuple[Metric, Metric]:
    library = f"sacrebleu-{version('sacrebleu')}"
    return (
        _percent(
            f"dist_{n}",
            f"Different {noun} per hundred {noun} of all replies together.",
            signature=signature("dist", n=n, scope="corpus", tok="13a", case="lower", lib=library),
            statistics=partial(dist_statistics, n=n),
            per_example=True,
        ),
        _percent(
            f"dist_{n}_at_{DRAW}",
            f"Dist-{n} of {DRAW:,} replies drawn at random: comparable between example sets.",
            signature=signature(
                "dist", n=n, scope=f"{DRAW}-of-corpus", draw="expected", tok="13a", case="lower",
                lib=library,
            ),
            statistics=partial(rarefied_statistics, n=n),
            least=DRAW,
        ),
    )  # fmt: skip


METRICS: tuple[Metric, ...] = (
    *_dist(1, "words"),
    *_dist(2, "word pairs"),
    _percent(
        "ead_1",
        "Different words per hundred that even drawing from a vocabulary would give, so that "
        "longer replies are not punished.",
        signature=signature(
            "ead",
            n=1,
            vocabulary=VOCABULARY,
            tok="13a",
            case="lower",
            lib=f"sacrebleu-{version('sacrebleu')}",
        ),
        statistics=partial(dist_statistics, n=1),
        score=ead_score,
        highest=float("inf"),
    ),
    _percent(
        "unique_share",
        "Different replies per hundred replies.",
        signature=signature("unique", norm="lower+space", empty="none"),
        statistics=unique_statistics,
    ),
    _percent(
        "commonest_share",
        "Share of all replies taken by the one given most often.",
        signature=signature("commonest", norm="lower+space"),
        statistics=commonest_statistics,
        direction="lower",
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
