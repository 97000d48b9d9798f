"""What a reply takes from itself and from its context, instead of saying something.

*Repetition* (seq-rep-4, Welleck et al. 2020): the share of a reply's 4-grams that occurred earlier
in it. *Copying*: the share of its 4-grams that occur in the context. Means over replies, since long
ones would else decide alone. A reply without words, failed or empty, counts 100: it must not pass
for one that neither repeats nor copies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean
from harness.metrics.tokens import tokens_13a

if TYPE_CHECKING:
    from harness.metrics.coding import Coded
    from harness.metrics.contract import IntArray

__all__ = ["METRICS", "copy_statistics", "repetition_statistics"]

N = 4
# Stands between the turns of a context, so that no n-gram runs from one turn into the next.
_TURN = "\x1e"


def repetition_statistics(scored: Sequence[Scored]) -> Statistics:
    """n × 2: share of 4-grams said before in the reply, in percent, and 1."""
    import numpy as np

    from harness.metrics.coding import code_texts, distinct_ngrams

    replies = code_texts(tuple(item.text for item in scored), tokens_13a)
    codes, owners, vocabulary = distinct_ngrams(replies, N)
    once = np.unique(owners * max(vocabulary, 1) + codes) // max(vocabulary, 1)
    total = np.bincount(owners, minlength=len(replies))
    return _shares(replies, total - np.bincount(once, minlength=len(replies)), total)


def copy_statistics(scored: Sequence[Scored]) -> Statistics:
    """n × 2: share of 4-grams that stand in the context too, in percent, and 1."""
    import numpy as np

    from harness.metrics.coding import Coded, code_texts, common_ids, distinct_ngrams

    replies = code_texts(tuple(item.text for item in scored), tokens_13a)
    contexts = code_texts(tuple(_TURN.join(item.context or ()) for item in scored), _by_turn)
    ids = np.concatenate(common_ids(contexts, replies))
    starts = np.concatenate([contexts.starts, contexts.starts[-1] + replies.starts[1:]])
    both = Coded(ids, starts, tuple(range(int(ids.max(initial=-1)) + 1)))
    codes, owners, vocabulary = distinct_ngrams(both, N)
    size = max(vocabulary, 1)
    context = owners < len(scored)
    said = (owners[~context] - len(scored)) * size + codes[~context]
    copied = np.isin(said, owners[context] * size + codes[context])
    rows = said // size
    count = len(scored)
    hits = np.bincount(rows, weights=copied, minlength=count).astype(np.int64)
    return _shares(replies, hits, np.bincount(rows, minlength=count))


def _by_turn(context: str) -> list[str]:
    return [token for turn in context.split(_TURN) for token in (*tokens_13a(turn), _TURN)]


def _shares(replies: Coded, hits: IntArray, total: IntArray) -> Statistics:
    import numpy as np

    from harness.metrics.arrays import columns

    shares = 100.0 * hits / np.maximum(total, 1)
    return columns(np.where(replies.lengths > 0, shares, 100.0))


def _metric(
    name: str,
    description: str,
    statistics: Callable[[Sequence[Scored]], Statistics],
    needs: tuple[str, ...] = (),
) -> Metric:
    return Metric(
        name=f"{name}_{N}",
        signature=signature(
            name, n=N, agg="mean", empty="100", tok="13a", case="lower",
            lib=f"sacrebleu-{version('sacrebleu')}",
        ),
        direction="lower",
        unit="percent",
        range=(0.0, 100.0),
        description=description,
        statistics=statistics,
        score=mean,
        needs=needs,
    )  # fmt: skip


METRICS: tuple[Metric, ...] = (
    _metric(
        "repetition",
        f"Share of a reply's {N}-grams that it has said before.",
        repetition_statistics,
    ),
    _metric(
        "copy",
        f"Share of a reply's {N}-grams taken from the context.",
        copy_statistics,
        ("context",),
    ),
)
