"""A mean of verdicts: its interval over dialogues, and what its failures could make of it.

    value      Σ_s w_s · (mean of what is known in stratum s), such as both orders of a pair
    low, high  from dialogues drawn with replacement, the percentiles moved outwards as for few
               dialogues they must be (Hesterberg 2015: √(C/(C − 1)), Student's quantile)
    least      the same if every failure had been the scale's lowest value, `most` its highest

Between `least` and `most` lies the mean that would have been found without failures, whatever they
depend on (Manski 1990). Where all dialogues say the same, resampling knows no spread: there, with C
dialogues alike, a share of at most 1 − .025^{1/C} others (Clopper & Pearson 1934) bounds the mean.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError
from harness.statistics import MIN_CLUSTERS, bootstrap_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["Mean", "cluster_numbers", "mean_of", "outward"]

_ALPHA = 0.05
# Resamples without a value say nothing; with more of them than this there is no interval.
_LOST = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """See the module's head; `n` verdicts known of `asked`, in `clusters` dialogues.

    `value` is None where a stratum has no known verdict, `low` and `high` also below MIN_CLUSTERS
    dialogues, `least` and `most` where nothing was asked.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    asked: int
    clusters: int
    least: float | None
    most: float | None

    def mirrored(self, total: float = 1.0) -> Mean:
        """Of `total` − value: the other side's share."""

        def flip(value: float | None) -> float | None:
            return None if value is None else total - value

        return replace(
            self,
            value=flip(self.value),
            low=flip(self.high),
            high=flip(self.low),
            least=flip(self.most),
            most=flip(self.least),
        )


def mean_of(
    values: Sequence[float | None],
    clusters: Sequence[str],
    *,
    scale: tuple[float, float] = (0.0, 1.0),
    strata: Sequence[Hashable] | None = None,
    weights: Mapping[Hashable, float] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Mean:
    """The mean of `values` (n), None where the judge failed, on `scale`.

    `strata` (n) are averaged one by one, then with `weights` (all alike if None).

    Raises:
        InputError: a value is not on the scale.
    """
    known = np.array([math.nan if value is None else value for value in values], dtype=float)
    failed = np.array([value is None for value in values], dtype=bool)
    low, high = scale
    off = ~failed & ~((known >= low - 1e-9) & (known <= high + 1e-9))
    if off.any():
        found = values[int(off.argmax())]
        raise InputError(f"a verdict is {found}: expected a number from {low:g} to {high:g}")
    codes, count = cluster_numbers(clusters)
    groups, shares = _strata(strata, weights, len(known))
    sums = _sums(np.where(failed, 0.0, known), codes, count, groups, len(shares))
    numbers = _sums((~failed).astype(float), codes, count, groups, len(shares))
    asked = np.bincount(groups, minlength=len(shares)).astype(float)
    value = float(_weighted(sums.sum(0), numbers.sum(0), shares))
    bounds: tuple[float | None, float | None] = (None, None)
    if len(known) and asked.all():
        lost = asked - numbers.sum(0)
        least, most = (float(shares @ ((sums.sum(0) + lost * end) / asked)) for end in scale)
        bounds = (least, most)
    interval = None
    if count >= MIN_CLUSTERS and math.isfinite(value):
        interval = _interval(value, sums, numbers, shares, scale, seed, resamples)
    return Mean(
        value=value if math.isfinite(value) else None,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        n=int((~failed).sum()),
        asked=len(known),
        clusters=count,
        least=bounds[0],
        most=bounds[1],
    )


def cluster_numbers(clusters: Sequence[str]) -> tuple[IntArray, int]:
    """Clusters as numbers in order of their names, (n,), and how many there are.

    By name, not by appearance: the order of rows must not change the draws.
    """
    index = {name: number for number, name in enumerate(sorted(set(clusters)))}
    return np.array([index[name] for name in clusters], dtype=np.int64), len(index)


def outward(count: int) -> tuple[float, float]:
    """The two percentiles, as shares, of resamples of `count` clusters that make 95 %."""
    from scipy.special import ndtr, stdtrit

    reach = float(stdtrit(count - 1, 1 - _ALPHA / 2)) * math.sqrt(count / (count - 1))
    return float(ndtr(-reach)), float(ndtr(reach))


def _strata(
    strata: Sequence[Hashable] | None, weights: Mapping[Hashable, float] | None, size: int
) -> tuple[IntArray, FloatArray]:
    """Each row's stratum as a number (n,), and the strata's weights (S,), summing to 1."""
    if strata is None:
        return np.zeros(size, dtype=np.int64), np.ones(1)
    # By their text: the order of rows must not change the order of sums.
    names = sorted(set(strata), key=repr)
    index = {name: number for number, name in enumerate(names)}
    shares = np.array([1.0 if weights is None else weights[name] for name in names], dtype=float)
    groups = np.array([index[name] for name in strata], dtype=np.int64)
    return groups, shares / shares.sum() if len(shares) else np.ones(1)


def _sums(
    values: FloatArray, codes: IntArray, count: int, groups: IntArray, strata: int
) -> FloatArray:
    """(clusters, strata)."""
    flat = np.bincount(codes * strata + groups, weights=values, minlength=count * strata)
    return flat.astype(float).reshape(count, strata)


def _weighted(sums: FloatArray, numbers: FloatArray, shares: FloatArray) -> NDArray[np.float64]:
    """(..., S), (..., S) → (...): NaN where a stratum that counts has nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(shares > 0, sums / numbers, 0.0)
    found: NDArray[np.float64] = means @ shares
    return found


def _interval(
    value: float,
    sums: FloatArray,
    numbers: FloatArray,
    shares: FloatArray,
    scale: tuple[float, float],
    seed: int,
    resamples: int,
) -> tuple[float, float] | None:
    count = len(sums)
    both = np.concatenate([sums, numbers], axis=1)
    drawn = np.concatenate([w @ both for w in bootstrap_weights(count, resamples, seed)])
    draws = _weighted(drawn[:, : len(shares)], drawn[:, len(shares) :], shares)
    finite = draws[np.isfinite(draws)]
    if len(finite) < (1 - _LOST) * resamples:
        return None
    if np.ptp(finite) < 1e-12:
        others = 1 - (_ALPHA / 2) ** (1 / count)
        return value - others * (value - scale[0]), value + others * (scale[1] - value)
    low, high = np.quantile(finite, outward(count))
    return max(float(low), scale[0]), min(float(high), scale[1])
