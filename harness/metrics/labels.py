"""The metrics of labels, emotions and strategies, in the order in which they are shown."""

from __future__ import annotations

from harness.metrics.calibration import calibration_error, top_k_accuracy
from harness.metrics.classification import (
    Field,
    accuracy,
    accuracy_statistics,
    invalid_rate,
    macro_f1,
    weighted_f1,
)
from harness.metrics.contract import Metric
from harness.metrics.preference import BIAS

__all__ = ["METRICS", "accuracy_statistics"]


def _family(field: Field) -> tuple[Metric, ...]:
    return (
        accuracy(field),
        macro_f1(field),
        weighted_f1(field),
        top_k_accuracy(field),
        calibration_error(field),
        *((BIAS,) if field == "strategy" else ()),
        invalid_rate(field),
    )


METRICS: tuple[Metric, ...] = (*_family("emotion"), *_family("strategy"))
