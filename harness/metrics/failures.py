"""How often there was no answer at all."""

from __future__ import annotations

from collections.abc import Sequence

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean

__all__ = ["METRICS"]


def _statistics(scored: Sequence[Scored]) -> Statistics:
    from harness.metrics.arrays import additive

    return additive(((100.0 * item.failed, 1) for item in scored), 2)


METRICS: tuple[Metric, ...] = (
    Metric(
        name="failure_rate",
        signature=signature("failures", of="predictions"),
        direction="lower",
        unit="percent",
        range=(0.0, 100.0),
        description="Predictions that failed; they count as empty or wrong, never left out.",
        statistics=_statistics,
        score=mean,
        kinds=frozenset({"response", "emotion", "strategy"}),
    ),
)
