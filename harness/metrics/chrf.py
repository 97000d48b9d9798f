"""Overlap with the reference in characters: chrF (Popović 2015), as in sacreBLEU.

Statistics, k = 18: for n = 1…6 the character n-grams of the reply, of the reference, and those they
share. Corpus chrF averages precisions and recalls of the summed counts over the orders, then takes
F with β = 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from harness.metrics.contract import Metric, Scored, Statistics, signature

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["METRICS", "chrf_score", "chrf_statistics"]

ORDER = 6
BETA = 2
# Examples whose characters are counted at once: a few tens of megabytes.
_BLOCK = 4096


def chrf_statistics(scored: Sequence[Scored]) -> Statistics:
    """n × 18: n-grams of the reply (0 where the reference has none), of the reference, shared."""
    import numpy as np

    from harness.metrics.arrays import Additive
    from harness.metrics.coding import count_matches

    blocks = []
    for start in range(0, len(scored), _BLOCK):
        some = scored[start : start + _BLOCK]
        points, starts, size = _characters(
            [item.text for item in some], [i.reference for i in some]
        )
        middle = len(some)
        split = starts[middle]
        shared, said, wanted = count_matches(
            points[:split],
            starts[: middle + 1],
            points[split:],
            starts[middle:] - split,
            order=ORDER,
            size=size,
        )
        blocks.append(np.concatenate([np.where(wanted > 0, said, 0), wanted, shared], axis=1))
    return Additive(np.concatenate(blocks or [np.zeros((0, 3 * ORDER))]).astype(float))


def _characters(
    replies: Sequence[str], references: Sequence[str]
) -> tuple[IntArray, IntArray, int]:
    """Lower-case characters but white space, numbered; where each text begins; how many kinds."""
    import numpy as np

    texts = ["".join(text.lower().split()) for text in (*replies, *references)]
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    # Numbered through a table of all code points: several times faster than sorting the text.
    used = np.zeros(int(points.max(initial=0)) + 1, dtype=bool)
    used[points] = True
    ids = (np.cumsum(used) - 1)[points]
    starts = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in texts], out=starts[1:])
    return ids, starts, int(used.sum())


def chrf_score(sums: FloatArray) -> FloatArray:
    """(..., 18) → (...), 0–100; orders that one side has no n-gram of are left out."""
    import numpy as np

    said, wanted, shared = (sums[..., i * ORDER : (i + 1) * ORDER] for i in range(3))
    used = (said > 0) & (wanted > 0)
    orders = np.maximum(used.sum(-1), 1)
    precision = np.divide(shared, said, out=np.zeros_like(shared), where=used).sum(-1) / orders
    recall = np.divide(shared, wanted, out=np.zeros_like(shared), where=used).sum(-1) / orders
    over = (1 + BETA**2) * precision * recall
    under = BETA**2 * precision + recall
    percent: FloatArray = 100.0 * over / np.where(under > 0, under, 1.0)
    return percent


METRICS: tuple[Metric, ...] = (
    Metric(
        name="chrf",
        signature=signature(
            "chrf",
            chars=ORDER,
            words=0,
            beta=BETA,
            space="no",
            case="lower",
            refs="canonical",
            lib=f"sacrebleu-{version('sacrebleu')}",
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description="Character n-grams shared with the human reply, F with recall counted twice.",
        statistics=chrf_statistics,
        score=chrf_score,
    ),
)
