"""Many comparisons at once: p-values adjusted so that one level fits them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

__all__ = ["Correction", "adjust", "benjamini_hochberg", "holm"]

Correction = Literal["holm", "bh"]


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's (1979) adjusted p-values, in the order given: they control the family-wise error."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = reached
    return tuple(adjusted)


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Benjamini & Hochberg's (1995) adjusted p-values, in the order given.

    They control the expected share of false findings among the findings, for tests that are
    independent or positively dependent (Benjamini & Yekutieli 2001), as those of several metrics
    on the same replies are.
    """
    count = len(p_values)
    order = sorted(range(count), key=lambda i: p_values[i], reverse=True)
    adjusted = [0.0] * count
    reached = 1.0
    for below, i in enumerate(order):
        reached = min(reached, p_values[i] * (count / (count - below)))
        adjusted[i] = reached
    return tuple(adjusted)


def adjust(p_values: Sequence[float], correction: Correction) -> tuple[float, ...]:
    """`holm` for claims, "bh" for exploration."""
    return holm(p_values) if correction == "holm" else benjamini_hochberg(p_values)
