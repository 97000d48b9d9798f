"""How good a classifier is on held-out pairs: accuracy and macro-F1 beside what they must beat.

Every figure follows from the counts of (gold level, predicted level), so intervals come from a
bootstrap over seeker posts that weights those counts. Macro-F1 averages over the levels that occur
as gold or prediction, as scikit-learn does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.epitome.data import LEVELS, MECHANISMS, NAMES, Mechanism

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.metrics.contract import FloatArray

__all__ = ["REPLICATION", "REPLICATION_SOURCE", "accuracy", "evaluate", "macro_f1"]

# Accuracy and macro-F1 (in per cent) of the paper's architecture on the same public Reddit files,
# one RoBERTa-base pair per mechanism, on a split of their own.
REPLICATION: dict[Mechanism, tuple[float, float]] = {
    "er": (82.1, 75.3),
    "ip": (83.9, 69.7),
    "ex": (91.4, 63.5),
}
REPLICATION_SOURCE = "github.com/TayalarajanTR/empathy-detection, README (2025), original data"
_RESAMPLES = 2000


def accuracy(counts: FloatArray) -> FloatArray:
    """(..., 9) counts of gold × predicted → (...) per cent."""
    import numpy as np

    table = counts.reshape(*counts.shape[:-1], LEVELS, LEVELS)
    hits = np.trace(table, axis1=-2, axis2=-1)
    return np.asarray(100.0 * hits / counts.sum(-1))


def macro_f1(counts: FloatArray) -> FloatArray:
    """(..., 9) counts of gold × predicted → (...) per cent."""
    import numpy as np

    table = counts.reshape(*counts.shape[:-1], LEVELS, LEVELS)
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    occurrences = table.sum(-1) + table.sum(-2)
    present = occurrences > 0
    f1 = np.divide(200.0 * hits, occurrences, out=np.zeros_like(hits), where=present)
    return np.asarray(f1.sum(-1) / present.sum(-1))


def evaluate(
    gold: NDArray[np.int64],
    predicted: NDArray[np.int64],
    clusters: Sequence[str],
    *,
    seed: int,
    floors: Sequence[int],
) -> dict[str, Any]:
    """Figures per mechanism: (n, 3) gold and predicted levels, n seeker posts, the floor's levels.

    `floors` holds the level a classifier that looks at nothing would always give: the commonest of
    the training pairs.

    Returns:
        mechanism → {"name", "n", "accuracy", "macro_f1" (each value, low, high in per cent),
        "majority" (level, accuracy, macro_f1), "confusion" (gold × predicted)}.
    """
    import numpy as np

    return {
        mechanism: {
            "name": NAMES[mechanism],
            "n": len(gold),
            **_figures(gold[:, column], predicted[:, column], clusters, seed),
            "majority": _floor(gold[:, column], np.int64(floors[column])),
        }
        for column, mechanism in enumerate(MECHANISMS)
    }


def _codes(gold: NDArray[np.int64], predicted: NDArray[np.int64]) -> FloatArray:
    """One row of nine counts per pair."""
    import numpy as np

    return np.asarray(np.eye(LEVELS * LEVELS)[gold * LEVELS + predicted])


def _figures(
    gold: NDArray[np.int64], predicted: NDArray[np.int64], clusters: Sequence[str], seed: int
) -> dict[str, Any]:
    import numpy as np

    from harness.metrics.arrays import Additive
    from harness.statistics import bootstrap_weights, cluster_codes

    codes, count = cluster_codes(clusters)
    grouped = Additive(_codes(gold, predicted)).grouped(codes, count)
    total = grouped.aggregate(np.ones(count))
    drawn = [grouped.aggregate(weights) for weights in bootstrap_weights(count, _RESAMPLES, seed)]
    figures: dict[str, Any] = {}
    for name, score in (("accuracy", accuracy), ("macro_f1", macro_f1)):
        low, high = np.quantile(np.concatenate([score(block) for block in drawn]), [0.025, 0.975])
        figures[name] = {"value": float(score(total)), "low": float(low), "high": float(high)}
    figures["confusion"] = total.reshape(LEVELS, LEVELS).astype(int).tolist()
    return figures


def _floor(gold: NDArray[np.int64], level: np.int64) -> dict[str, float]:
    import numpy as np

    counts = _codes(gold, np.full_like(gold, level)).sum(0)
    return {
        "level": int(level),
        "accuracy": float(accuracy(counts)),
        "macro_f1": float(macro_f1(counts)),
    }
