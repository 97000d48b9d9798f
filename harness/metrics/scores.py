"""The two scores that most metrics end in; both take sums (..., 2) and give values (...)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["mean", "share"]


def mean(sums: FloatArray) -> FloatArray:
    """First over second: the mean of a value entered beside its weight; NaN over nothing."""
    import numpy as np

    over, under = sums[..., 0], sums[..., 1]
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)


def share(sums: FloatArray) -> FloatArray:
    """First per hundred of the second; 0 where there is nothing to count."""
    import numpy as np

    over, under = sums[..., 0], sums[..., 1]
    return np.divide(100.0 * over, under, out=np.zeros_like(over), where=under > 0)
