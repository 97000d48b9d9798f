"""The interval of one metric's value, from resampled dialogues.

*Additive metrics* (their statistics add up): the BCa bootstrap (Efron 1987). Dialogues are drawn
with replacement; the percentiles taken from the resampled values are shifted by their median bias
z0 and the acceleration a (from the jackknife), which is what corpus BLEU needs: its resamples lie
below it where matches are few. Percentile intervals are narrow by √((C − 1)/C) and by taking the
normal for Student's distribution; the percentiles are moved outwards by both (Hesterberg 2015).

*Dist-n and its like*: a draw with replacement repeats replies and so has fewer different n-grams
than any sample of its size; the estimate falls outside its own bootstrap interval. Instead, four
fifths of the dialogues are drawn without replacement. Such subsamples differ from each other less
than fresh samples of full size would by √(b / (C − b)) (b of C drawn; the delete-d jackknife, Shao
& Wu 1989), and Dist-n of b dialogues is higher than of C. Hence the interval is the value plus the
subsamples' deviations from their own mean, widened by that factor. It speaks of Dist-n at this size
of example set, not of a limit. It is too narrow where one rare dialogue makes the value, and it
says nothing of bias.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.metrics.contract import Metric, Statistics
from harness.statistics.resampling import (
    bootstrap_weights,
    cluster_codes,
    ones,
    subsample_weights,
)

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["MIN_CLUSTERS", "interval", "resampled", "widening"]

# Percentiles of fewer clusters say more about the clusters' number than about the metric.
MIN_CLUSTERS = 5
SUBSAMPLE = 0.8


def interval(
    metric: Metric,
    rows: Statistics,
    clusters: Sequence[str],
    *,
    value: float,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """(low, high) around `value`, within the metric's range; see the module's opening.

    Returns None below MIN_CLUSTERS clusters, or where resamples have no finite value.
    """
    from scipy.special import stdtrit

    codes, count = cluster_codes(clusters)
    if count < MIN_CLUSTERS:
        return None
    grouped = rows.grouped(codes, count)
    drawn = resampled(metric, grouped, value=value, seed=seed, resamples=resamples)
    if not np.isfinite(drawn).all():
        return None
    reach = float(stdtrit(count - 1, (1 + level) / 2))
    if rows.additive:
        reach *= np.sqrt(count / (count - 1))
        shift, acceleration = _bias(drawn, value), _acceleration(metric, grouped)
    else:
        shift = acceleration = 0.0
    low, high = np.quantile(drawn, _levels(reach, shift, acceleration))
    return max(float(low), metric.range[0]), min(float(high), metric.range[1])


def resampled(
    metric: Metric, grouped: Statistics, *, value: float, seed: int, resamples: int
) -> FloatArray:
    """(resamples,) values of `metric` on resamples of the C rows of `grouped`, one per dialogue.

    Of metrics that are not additive, `value` plus the widened deviations of subsamples.
    """
    count = len(grouped)
    if grouped.additive:
        blocks = bootstrap_weights(count, resamples, seed)
        return np.concatenate([metric.score(grouped.aggregate(weights)) for weights in blocks])
    kept = min(round(SUBSAMPLE * count), count - 1)
    blocks = subsample_weights(count, kept, resamples, seed)
    values = np.concatenate([metric.score(grouped.aggregate(weights)) for weights in blocks])
    deviations: FloatArray = (values - values.mean()) * np.sqrt(kept / (count - kept))
    return value + deviations


def widening(additive: bool, count: int) -> float:
    """By what the deviations of `resampled` values are too small, with `count` dialogues.

    A bootstrap's variance is that of a population made of the C dialogues, (C − 1)/C of its
    unbiased estimate; subsamples are scaled already.
    """
    return float(np.sqrt(count / (count - 1))) if additive else 1.0


def _levels(reach: float, shift: float, acceleration: float) -> FloatArray:
    """The two percentiles (as shares) of BCa, at ± `reach` standard deviations."""
    from scipy.special import ndtr

    wanted = shift + np.array([-reach, reach])
    # Beyond its pole the transformation is monotone no longer: the most extreme draw is meant.
    slowed = np.maximum(1.0 - acceleration * wanted, 1e-9)
    levels: FloatArray = ndtr(shift + wanted / slowed)
    return levels


def _bias(drawn: FloatArray, value: float) -> float:
    """z0: the normal quantile of the share of draws below `value`, ties counted half."""
    from scipy.special import ndtri

    tie = np.isclose(drawn, value, rtol=1e-12, atol=1e-12)
    below = (drawn < value) & ~tie
    share = (below.sum() + 0.5 * tie.sum()) / len(drawn)
    floor = 1.0 / (len(drawn) + 1)
    return float(ndtri(np.clip(share, floor, 1.0 - floor)))


def _acceleration(metric: Metric, grouped: Statistics) -> float:
    """a: a sixth of the skewness of the jackknife's deviations; 0 where they vanish."""
    kept = np.concatenate([metric.score(sums) for sums in _without_each(grouped)])
    pull = kept.mean() - kept
    scale: float = float((pull**2).sum()) ** 1.5
    if not np.isfinite(scale) or scale <= 1e-300:
        return 0.0
    return float((pull**3).sum()) / (6.0 * scale)


def _without_each(grouped: Statistics) -> Iterator[FloatArray]:
    """Blocks of the sums without row 0, without row 1, …: (C, k) in all."""
    from harness.metrics.arrays import Additive

    count = len(grouped)
    total = grouped.aggregate(ones(count))
    if isinstance(grouped, Additive):
        for start in range(0, count, 2**14):
            yield total - grouped.values[start : start + 2**14]
        return
    step = max(1, 2**20 // count)
    for start in range(0, count, step):
        alone = np.eye(min(step, count - start), count, start)
        yield total - grouped.aggregate(alone)
