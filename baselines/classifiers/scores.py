"""Validation scores of a classifier, in per cent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["measure"]


def measure(gold: NDArray[Any], predicted: NDArray[Any], labels: int) -> dict[str, float]:
    """(n) and (n) indices below `labels` → accuracy, and macro-F1 over the labels that occur."""
    import numpy as np

    counts = np.zeros((labels, labels))
    np.add.at(counts, (gold, predicted), 1)
    hits, occurring = np.diag(counts), counts.sum(0) + counts.sum(1)
    f1 = 2 * hits[occurring > 0] / occurring[occurring > 0]
    return {
        "accuracy": float(100 * hits.sum() / len(gold)),
        "macro_f1": float(100 * f1.mean()),
    }
