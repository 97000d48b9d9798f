"""What the scores of all labels say beyond the label that was chosen: top-k, calibration.

Both read `emotion_scores` or `strategy_scores`: a score per label, as log-probabilities up to a
constant. Scores are usable where they name every label of the set with a finite number and the
prediction did not fail. Unusable ones are wrong among the top k, and in calibration errors they
stand apart as if claimed with certainty, so that failing can lower neither.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.metrics.classification import LABELS, Field, gold
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["BINS", "calibration_error", "score_matrix", "top_k_accuracy"]

BINS = 15


def score_matrix(scored: Sequence[Scored], field: Field) -> FloatArray:
    """Scores (n, L), columns in the order of the label set; a row of NaN where unusable."""
    import numpy as np

    labels = LABELS[field]
    values = np.full((len(scored), len(labels)), np.nan)
    for row, item in zip(values, scored, strict=True):
        found: Mapping[str, float] | None = getattr(item, f"{field}_scores")
        if item.failed or found is None or not all(label in found for label in labels):
            continue
        numbers = [float(found[label]) for label in labels]
        if all(map(math.isfinite, numbers)):
            row[:] = numbers
    return values


def _gold_codes(scored: Sequence[Scored], field: Field) -> IntArray:
    """The gold label's place in the set, (n,); -1 where it is none of the set."""
    import numpy as np

    index: dict[str | None, int] = {label: i for i, label in enumerate(LABELS[field])}
    return np.array([index.get(gold(item, field), -1) for item in scored], dtype=np.int64)


def _top_k_statistics(scored: Sequence[Scored], *, field: Field, k: int) -> Statistics:
    """n × 2: hit (0 or 100), 1. A tie ranks the gold label last: equal scores are no knowledge."""
    import numpy as np

    from harness.metrics.arrays import columns

    scores, true = score_matrix(scored, field), _gold_codes(scored, field)
    own = np.take_along_axis(scores, np.maximum(true, 0)[:, None], axis=1)
    # Comparisons with NaN are false: a row without scores would have no rival at all.
    rivals = (scores >= own).sum(axis=1) - 1
    hit = np.isfinite(own[:, 0]) & (true >= 0) & (rivals < k)
    return columns(100.0 * hit)


def _calibration_statistics(scored: Sequence[Scored], *, field: Field) -> Statistics:
    """n × (BINS + 2): confidence − hit in the column of its bin; unusable; 1."""
    import numpy as np

    from harness.metrics.arrays import Additive

    scores, true = score_matrix(scored, field), _gold_codes(scored, field)
    usable = np.flatnonzero(np.isfinite(scores[:, 0]))
    values = np.zeros((len(scored), BINS + 2))
    values[:, BINS] = 1.0
    values[:, BINS + 1] = 1.0
    chosen = scores[usable].argmax(axis=1)
    top = scores[usable].max(axis=1, keepdims=True)
    confidence = 1.0 / np.exp(scores[usable] - top).sum(axis=1)
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    values[usable, bins] = confidence - (chosen == true[usable])
    values[usable, BINS] = 0.0
    return Additive(values)


def _calibration_error(sums: FloatArray) -> FloatArray:
    """(..., BINS + 2) → Σ_b |Σ confidence − Σ hit| / n, unusable ones as a bin of their own."""
    import numpy as np

    gaps = np.abs(sums[..., :-1]).sum(-1)
    return mean(np.stack([100.0 * gaps, sums[..., -1]], axis=-1))


def top_k_accuracy(field: Field, *, k: int = 5) -> Metric:
    """Share of examples whose gold label is among the k that score highest."""
    size = len(LABELS[field])
    return Metric(
        name=f"{field}_top{k}_accuracy",
        signature=signature("accuracy", label=field, classes=size, top=k, ties="last"),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=f"Share of examples whose right {field} is among the {k} that score highest.",
        statistics=partial(_top_k_statistics, field=field, k=k),
        score=mean,
        needs=(f"gold_{field}", f"{field}_scores"),
        kinds=frozenset({field}),
    )


def calibration_error(field: Field) -> Metric:
    """Expected calibration error of the label that scores highest (Guo et al. 2017, equation 3).

    Confidence is the largest softmax probability; bins (b / 15, (b + 1) / 15] are equally wide.
    It is biased upwards on few examples, and so is its interval.
    """
    size = len(LABELS[field])
    return Metric(
        name=f"{field}_ece",
        signature=signature("ece", label=field, classes=size, bins=BINS, width="equal"),
        direction="lower",
        unit="percent",
        range=(0.0, 100.0),
        description=f"Expected calibration error: how far the probability of the chosen {field} "
        "is from how often it is right.",
        statistics=partial(_calibration_statistics, field=field),
        score=_calibration_error,
        needs=(f"gold_{field}", f"{field}_scores"),
        kinds=frozenset({field}),
        per_example=False,
    )
