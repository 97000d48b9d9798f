"""The difference of two systems on the same examples: interval and two tests.

*Interval*: both systems on the same resampled dialogues, symmetric around the difference (Hall
1988): the 95th percentile of |Δ* − Δ|, widened as for few dialogues it must be (Hesterberg 2015:
√(C/(C − 1)), and Student's quantile over the normal's).

*Randomisation test* (the default; Noreen 1989; Riezler & Maxwell 2005): the two systems' outputs
are swapped dialogue by dialogue, which keeps the number of replies and so suits every metric.
Two-sided, p = (1 + extremer)/(1 + draws).

*Bootstrap test*: how often the signed Δ*, moved to a true difference of nought, is as far from it
as Δ: the share of |Δ* − Δ| (widened as above) that reach |Δ|. It rejects at 5 % exactly where the
interval leaves out 0. SacreBLEU's paired bootstrap takes the absolute value first and centres
afterwards, which halves the spread it compares with: it rejects a true null far too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.errors import InputError
from harness.metrics.contract import Metric, Scored
from harness.statistics.intervals import MIN_CLUSTERS, widening
from harness.statistics.systems import Systems, systems

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["Difference", "Test", "compare", "differences", "paired_error"]

Test = Literal["randomisation", "bootstrap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Metric of `a` minus metric of `b` on the same examples, in the metric's unit.

    `low` and `high` bound the 95 % interval and `standard_error` is that of `value` (all None below
    MIN_CLUSTERS dialogues, or where a resample has no finite value); `p` is two-sided and not
    adjusted for other comparisons (see `harness.statistics.multiplicity`).
    """

    value: float
    low: float | None
    high: float | None
    p: float
    value_a: float
    value_b: float
    n: int
    clusters: int
    standard_error: float | None = None


def compare(
    metric: Metric,
    a: Sequence[Scored],
    b: Sequence[Scored],
    *,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
    test: Test = "randomisation",
) -> Difference:
    """The paired difference a − b of one metric, its interval and its p-value.

    Identical outputs give p = 1.

    Raises:
        InputError: the two are not on the same examples, or the metric has no value on one, or
            a bootstrap test of fewer than MIN_CLUSTERS dialogues.
    """
    (found,) = differences(
        systems(metric, [a, b]), [(0, 1)], seed=seed, resamples=resamples, level=level, test=test
    )
    return found


def differences(
    found: Systems,
    pairs: Sequence[tuple[int, int]],
    *,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
    test: Test = "randomisation",
    draws: FloatArray | None = None,
) -> list[Difference]:
    """First minus second of each pair of systems; `draws` as `found.draws` gives them.

    Raises:
        InputError: a bootstrap test of fewer than MIN_CLUSTERS dialogues.
    """
    if draws is None and found.count >= MIN_CLUSTERS:
        draws = found.draws(seed=seed, resamples=resamples)
    if test == "randomisation":
        ps = _randomisation(found, pairs, seed=seed, resamples=resamples)
    elif draws is None:
        raise InputError(
            f"a bootstrap test needs {MIN_CLUSTERS} dialogues, there are {found.count}: "
            "use the randomisation test"
        )
    else:
        ps = [_bootstrap(found, pair, draws, level=level) for pair in pairs]
    return [
        _difference(found, pair, draws, p, level=level) for pair, p in zip(pairs, ps, strict=True)
    ]


def paired_error(found: Systems, *, seed: int = 0, resamples: int = 2000) -> float:
    """The standard error of the second system's value minus the first's.

    Raises:
        InputError: some resamples have no finite value.
    """
    deviations = _deviations(found, (1, 0), found.draws(seed=seed, resamples=resamples))
    if not np.isfinite(deviations).all():
        raise InputError(
            f"{found.metric.name} has no spread here: it is not a finite number on some resamples"
        )
    return float(deviations.std(ddof=1))


def _difference(
    found: Systems, pair: tuple[int, int], draws: FloatArray | None, p: float, *, level: float
) -> Difference:
    a, b = pair
    value = float(found.values[a] - found.values[b])
    half = error = None
    if draws is not None:
        deviations = _deviations(found, pair, draws)
        if np.isfinite(deviations).all():
            half = float(np.quantile(np.abs(deviations), level)) * _student(found.count, level)
            error = float(deviations.std(ddof=1))
    return Difference(
        value=value,
        low=None if half is None else value - half,
        high=None if half is None else value + half,
        p=p,
        value_a=float(found.values[a]),
        value_b=float(found.values[b]),
        n=len(found.codes),
        clusters=found.count,
        standard_error=error,
    )


def _deviations(found: Systems, pair: tuple[int, int], draws: FloatArray) -> FloatArray:
    """(resamples,): by how much resampled differences miss the observed one, rightly scaled."""
    a, b = pair
    missed: FloatArray = (draws[:, a] - draws[:, b]) - (found.values[a] - found.values[b])
    missed *= widening(found.additive, found.count)
    return missed


def _student(count: int, level: float) -> float:
    """Student's quantile with count − 1 degrees of freedom over the normal's."""
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(count - 1, (1 + level) / 2) / ndtri((1 + level) / 2))


def _bootstrap(found: Systems, pair: tuple[int, int], draws: FloatArray, *, level: float) -> float:
    deviations = np.abs(_deviations(found, pair, draws)) * _student(found.count, level)
    return _share(deviations, _reached(found, pair))


def _randomisation(
    found: Systems, pairs: Sequence[tuple[int, int]], *, seed: int, resamples: int
) -> list[float]:
    reached = np.array([_reached(found, pair) for pair in pairs])
    extremer = np.zeros(len(pairs))
    for block in found.swapped(pairs, seed=seed, resamples=resamples):
        # A draw without a finite value speaks against the claim, never for it.
        extremer += (~(np.abs(block) < reached)).sum(axis=0)
    return [float(p) for p in (1 + extremer) / (1 + resamples)]


def _reached(found: Systems, pair: tuple[int, int]) -> float:
    """|Δ|, less the rounding by which sums in another order differ: a tie must count as one."""
    a, b = (float(found.values[system]) for system in pair)
    return abs(a - b) - 1e-9 * max(abs(a), abs(b), 1e-9)


def _share(sizes: FloatArray, reached: float) -> float:
    return float((1 + (~(sizes < reached)).sum()) / (1 + len(sizes)))
