"""What may be claimed about a number, and about the difference of two.

Examples of one dialogue are not independent, so dialogues are the unit throughout.

*Interval of an additive metric* (its statistics add up): cluster bootstrap. Dialogues are drawn
with replacement; every draw is a row of multiplicities that weights the per-dialogue sums, so the
metric is never computed from text again. Percentile interval.

*Interval of Dist-n and its like*: a draw with replacement repeats replies and so has fewer
different n-grams than any sample of its size; the estimate falls outside its own bootstrap
interval. Instead, four fifths of the dialogues are drawn without replacement. Such subsamples
differ from each other less than fresh samples of full size would by √(b / (C − b)) (b of C drawn;
the delete-d jackknife, Shao & Wu 1989), and Dist-n of b dialogues is higher than of C. Hence the
interval is the value plus the subsamples' deviations from their own mean, widened by that factor.
It speaks of Dist-n at this size of example set, not of a limit. It is too narrow where one rare
dialogue makes the value, and it says nothing of bias.

*Test of a difference*: paired approximate randomisation (Noreen 1989; Riezler & Maxwell 2005):
the two systems' outputs are swapped dialogue by dialogue, which keeps the number of replies and so
suits every metric. Two-sided, p = (1 + extremer) / (1 + draws). SacreBLEU's paired bootstrap test
is not used: it rejects a true null hypothesis far too often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError
from harness.metrics.contract import Metric, Scored, Statistics, missing

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = [
    "MIN_CLUSTERS",
    "Difference",
    "bootstrap_weights",
    "cluster_codes",
    "compare",
    "holm",
    "interval",
    "ones",
    "subsample_weights",
    "swaps",
]

# Percentiles of fewer clusters say more about the clusters' number than about the metric.
MIN_CLUSTERS = 5
SUBSAMPLE = 0.8
# Weights held at once: 32 MB.
_BLOCK = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Metric of `a` minus metric of `b` on the same examples, in the metric's unit.

    `low` and `high` bound the 95 % interval (None below MIN_CLUSTERS dialogues); `p` is two-sided
    and not adjusted for other comparisons (see `holm`).
    """

    value: float
    low: float | None
    high: float | None
    p: float
    value_a: float
    value_b: float
    n: int
    clusters: int


def ones(size: int) -> FloatArray:
    """Every row once: (size,)."""
    return np.ones(size)


def cluster_codes(clusters: Sequence[str]) -> tuple[IntArray, int]:
    """Clusters as numbers in order of first appearance, (n,), and how many there are."""
    index: dict[str, int] = {}
    codes = [index.setdefault(cluster, len(index)) for cluster in clusters]
    return np.array(codes, dtype=np.int64), len(index)


def bootstrap_weights(size: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of rows of multinomial multiplicities, (≤ block, size), `draws` rows in all."""
    rng = np.random.default_rng(seed)
    for rows in _blocks(size, draws):
        picked = rng.integers(size, size=(rows, size)) + size * np.arange(rows)[:, None]
        counts = np.bincount(picked.ravel(), minlength=rows * size)
        yield counts.reshape(rows, size).astype(float)


def subsample_weights(size: int, kept: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of rows with `kept` ones and otherwise zeros, (≤ block, size)."""
    rng = np.random.default_rng(seed)
    base = (np.arange(size) < kept).astype(float)
    for rows in _blocks(size, draws):
        yield rng.permuted(np.broadcast_to(base, (rows, size)), axis=1)


def swaps(size: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Blocks of rows that say by 1 which clusters are swapped, by 0 which are not."""
    rng = np.random.default_rng(seed)
    for rows in _blocks(size, draws):
        yield rng.integers(2, size=(rows, size)).astype(float)


def _blocks(size: int, draws: int) -> Iterator[int]:
    step = max(1, _BLOCK // max(size, 1))
    for start in range(0, draws, step):
        yield min(step, draws - start)


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
    codes, count = cluster_codes(clusters)
    if count < MIN_CLUSTERS:
        return None
    grouped = rows.grouped(codes, count)
    bounds = _bounds(
        lambda weights: metric.score(grouped.aggregate(weights)),
        value=value,
        count=count,
        additive=rows.additive,
        seed=seed,
        resamples=resamples,
        level=level,
    )
    if bounds is None:
        return None
    return max(bounds[0], metric.range[0]), min(bounds[1], metric.range[1])


def _bounds(
    estimate: Callable[[FloatArray], FloatArray],
    *,
    value: float,
    count: int,
    additive: bool,
    seed: int,
    resamples: int,
    level: float,
) -> tuple[float, float] | None:
    """The interval of `estimate`, a function of cluster weights (..., C) → (...)."""
    if additive:
        blocks = bootstrap_weights(count, resamples, seed)
        centred = np.concatenate([estimate(weights) for weights in blocks])
    else:
        kept = min(round(SUBSAMPLE * count), count - 1)
        drawn = subsample_weights(count, kept, resamples, seed)
        values = np.concatenate([estimate(weights) for weights in drawn])
        centred = value + (values - values.mean()) * np.sqrt(kept / (count - kept))
    if not np.isfinite(centred).all():
        return None
    low, high = np.quantile(centred, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def compare(
    metric: Metric,
    a: Sequence[Scored],
    b: Sequence[Scored],
    *,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
) -> Difference:
    """The paired difference a − b of one metric, its interval and its p-value.

    Both intervals resample the same dialogues of both systems. Identical outputs give p = 1.

    Raises:
        InputError: the two are not on the same examples, or the metric has no value on one.
    """
    _check_paired(metric, a, b)
    codes, count = cluster_codes([item.cluster for item in a])
    # Rows 0 … C−1 are the dialogues as `a` answered them, C … 2C−1 as `b` did.
    both = metric.statistics([*a, *b]).grouped(np.concatenate([codes, codes + count]), 2 * count)

    def estimate(first: FloatArray, second: FloatArray) -> FloatArray:
        """The metric on `first` of a's dialogues and `second` of b's, weights (..., C)."""
        return metric.score(both.aggregate(np.concatenate([first, second], axis=-1)))

    all_, none = np.ones(count), np.zeros(count)
    value_a, value_b = float(estimate(all_, none)), float(estimate(none, all_))
    if not np.isfinite(value_a - value_b):
        raise InputError(f"{metric.name} cannot be compared: it is not a finite number on both")
    bounds = None
    if count >= MIN_CLUSTERS:
        bounds = _bounds(
            lambda w: estimate(w, np.zeros_like(w)) - estimate(np.zeros_like(w), w),
            value=value_a - value_b,
            count=count,
            additive=both.additive,
            seed=seed,
            resamples=resamples,
            level=level,
        )
    # Sums in another order differ in the last digits: a tie must count as one.
    reached = abs(value_a - value_b) - 1e-9 * max(abs(value_a), abs(value_b), 1e-9)
    extremer = sum(
        int((np.abs(estimate(1 - s, s) - estimate(s, 1 - s)) >= reached).sum())
        for s in swaps(count, resamples, seed)
    )
    return Difference(
        value=value_a - value_b,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        p=(1 + extremer) / (1 + resamples),
        value_a=value_a,
        value_b=value_b,
        n=len(a),
        clusters=count,
    )


def _check_paired(metric: Metric, a: Sequence[Scored], b: Sequence[Scored]) -> None:
    if [item.id for item in a] != [item.id for item in b]:
        raise InputError(
            f"the two systems answer different examples ({len(a)} and {len(b)}); "
            "only predictions for one example set can be compared"
        )
    for scored in (a, b):
        reason = missing(metric, scored)
        if reason:
            raise InputError(f"{metric.name} cannot be compared: {reason}")


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's (1979) adjusted p-values, in the order given: they control the family-wise error."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    reached = 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = reached
    return tuple(adjusted)
