"""What a judge's grades say about the judge, and the systems' means with what failures leave open.

For one judge on one criterion:

    means          each system's mean, with an interval over resampled dialogues and the bounds of
                   its failures on the criterion's scale; repeats are one vote each
    repeated       share of repeats of a grade, two by two, that are equal (to the nearest integer)
    single         ICC(1,1) of repeats: how far one grade could stand for the judge's mean
    length         Spearman's ρ of a reply's grade and its length in words
    length_within  the same with each system's mean taken from both: long-winded systems may be
                   worse or better for other reasons than length
    mass           mean probability that fell on valid score tokens
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import InputError
from harness.judges.agreement import Estimate, Icc, icc, within
from harness.judges.controls import agreement_of_repeats, mean_mass
from harness.judges.means import Mean, cluster_numbers, mean_of, outward
from harness.judges.pairs import Coverage, coverage
from harness.judges.verdicts import Grade
from harness.statistics import MIN_CLUSTERS, bootstrap_weights

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["GradeControls", "grade_controls", "spearman_draws"]

# Resamples × replies at once: 2**20 of 8 bytes.
_BLOCK = 2**20
_LEAST_RANKED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeControls:
    """See the module's head; what cannot be said is None."""

    judge: str
    criterion: str
    scale: tuple[float, float]
    coverage: Coverage
    means: Mapping[str, Mean]
    repeated: Mean | None
    single: Icc | None
    length: Estimate | None
    length_within: Estimate | None
    mass: Mean | None


def grade_controls(
    grades: Iterable[Grade],
    scales: Mapping[str, tuple[float, float]],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[GradeControls, ...]:
    """One report for each judge and criterion; `scales` has each criterion's lowest and highest.

    Raises:
        InputError: a criterion has no scale, a grade is not on it, or stands twice.
    """
    groups: dict[tuple[str, str], list[Grade]] = {}
    for grade in grades:
        groups.setdefault((grade.judge, grade.criterion), []).append(grade)
    found = []
    for (judge, criterion), rows in sorted(groups.items()):
        if criterion not in scales:
            raise InputError(f"the criterion {criterion} has no scale: {', '.join(scales)} have")
        ordered = sorted(rows, key=lambda g: (g.item, g.system, g.repeat))
        _check(ordered)
        options = {"seed": seed, "resamples": resamples}
        found.append(_report(judge, criterion, ordered, scales[criterion], options))
    return tuple(found)


def _check(grades: Sequence[Grade]) -> None:
    for one, other in pairwise(grades):
        if (one.item, one.system, one.repeat) == (other.item, other.system, other.repeat):
            raise InputError(
                f"{one.judge} graded {one.system} on {one.item} twice as repeat {one.repeat} "
                f"({one.criterion}); number repeats apart"
            )


def _report(
    judge: str,
    criterion: str,
    grades: Sequence[Grade],
    scale: tuple[float, float],
    options: Mapping[str, Any],
) -> GradeControls:
    values = [_value(grade) for grade in grades]
    means = {}
    for system in sorted({grade.system for grade in grades}):
        rows = [row for row, grade in enumerate(grades) if grade.system == system]
        means[system] = mean_of(
            [values[row] for row in rows],
            [grades[row].cluster for row in rows],
            scale=scale,
            **options,
        )
    plain, inner = _lengths(grades, values, options)
    return GradeControls(
        judge=judge,
        criterion=criterion,
        scale=scale,
        coverage=coverage(grades),
        means=means,
        repeated=agreement_of_repeats(
            [(grade.item, grade.system) for grade in grades],
            # Half-way grades go up, whatever their parity.
            [None if value is None else float(np.floor(value + 0.5)) for value in values],
            [grade.cluster for grade in grades],
            **options,
        ),
        single=_single(grades, values),
        length=plain,
        length_within=inner,
        mass=mean_mass(grades, **options),
    )


def _value(grade: Grade) -> float | None:
    return None if grade.failure is not None else grade.value


def _single(grades: Sequence[Grade], values: Sequence[float | None]) -> Icc | None:
    replies: dict[str, dict[str, float]] = {}
    for grade, value in zip(grades, values, strict=True):
        if value is not None:
            replies.setdefault(f"{grade.item}/{grade.system}", {})[str(grade.repeat)] = value
    return icc(replies)


def _lengths(
    grades: Sequence[Grade], values: Sequence[float | None], options: Mapping[str, Any]
) -> tuple[Estimate | None, Estimate | None]:
    """ρ of mean grade and length over replies, plain and within systems."""
    said: dict[tuple[str, str], list[float]] = {}
    kept: dict[tuple[str, str], Grade] = {}
    for grade, value in zip(grades, values, strict=True):
        if value is not None:
            said.setdefault((grade.item, grade.system), []).append(value)
            kept[grade.item, grade.system] = grade
    if len(kept) < _LEAST_RANKED:
        return None, None
    replies = list(kept.values())
    systems = [grade.system for grade in replies]
    mean = np.array([sum(v) / len(v) for v in said.values()])
    words = np.array([float(grade.words) for grade in replies])
    clusters = [grade.cluster for grade in replies]
    plain = _rho(mean, words, clusters, **options)
    if len(set(systems)) == 1:
        return plain, None
    return plain, _rho(within(mean, systems), within(words, systems), clusters, **options)


def _rho(
    x: FloatArray, y: FloatArray, clusters: Sequence[str], *, seed: int, resamples: int
) -> Estimate | None:
    """ρ with its interval over resampled dialogues; None where one of the two never varies."""
    value = float(spearman_draws(x, y, np.ones((1, len(x))))[0])
    if not np.isfinite(value):
        return None
    codes, count = cluster_numbers(clusters)
    if count < MIN_CLUSTERS:
        return Estimate(value, None, None, len(x))
    # Blocks of the games' weights are n / C times as large as those of the dialogues.
    step = max(1, _BLOCK // len(x))
    draws = np.concatenate(
        [
            spearman_draws(x, y, weights[begin : begin + step, codes])
            for weights in bootstrap_weights(count, resamples, seed)
            for begin in range(0, len(weights), step)
        ]
    )
    known = draws[np.isfinite(draws)]
    if len(known) < 0.9 * len(draws):
        return Estimate(value, None, None, len(x))
    low, high = np.quantile(known, outward(count))
    return Estimate(value, float(low), float(high), len(x))


def spearman_draws(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """(R,): Spearman's ρ of x and y (n,), row i standing there weights[r, i] times.

    Mean ranks of equals are the weight before them and half of their own. NaN where one of the two
    never varies.
    """
    total = weights.sum(1, keepdims=True)
    ranks = []
    for values in (x, y):
        _, group = np.unique(values, return_inverse=True)
        order = np.argsort(group, kind="stable")
        starts = np.flatnonzero(np.diff(group[order], prepend=-1))
        size = np.add.reduceat(weights[:, order], starts, axis=1)
        rank = (np.cumsum(size, axis=1) - size / 2)[:, group]
        ranks.append(rank - (weights * rank).sum(1, keepdims=True) / total)
    both, one, other = ((weights * ranks[i] * ranks[j]).sum(1) for i, j in ((0, 1), (0, 0), (1, 1)))
    # Rounding leaves less than this of a variance that is nought.
    flat = np.minimum(one, other) <= 1e-12 * total[:, 0] ** 3
    with np.errstate(invalid="ignore", divide="ignore"):
        found: FloatArray = np.where(flat, np.nan, both / np.sqrt(one * other))
    return found
