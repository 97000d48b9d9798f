"""compare: paired differences of several runs, and what may be said of them.

All p-values of one call (pairs × metrics) are adjusted together. One seed gives every metric and
every system the same resamples of the dialogues, so that differences are paired and ranks joint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.comparable import Relabel, common_metrics, read_runs
from harness.errors import InputError
from harness.metrics.contract import Metric, Scored, signed

if TYPE_CHECKING:
    from harness.statistics import Correction, Difference, Rank, Test

__all__ = ["RESAMPLES", "Comparison", "compare_runs"]

Progress = Callable[[int, int], None]
RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of one system against another; `difference` is system − baseline.

    `low` and `high` bound its 95 % interval (None with too few dialogues), `p` is two-sided by
    `test`, `p_adjusted` is it after `correction` over `comparisons`. `detectable` is the smallest
    difference that would have been seen with 80 % probability at a level of .05, were this the
    only comparison; `detectable_adjusted` at the strictest level the correction asks for. The
    ranks (of three systems or more) are among all systems of the call. `verdict` says in a word,
    `claim` in a sentence what may be claimed.
    """

    metric: str
    direction: str
    baseline: str
    system: str
    baseline_value: float
    system_value: float
    difference: float
    low: float | None
    high: float | None
    p: float
    p_adjusted: float
    n: int
    dialogues: int
    verdict: str
    unit: str
    signature: str
    test: str
    correction: str
    comparisons: int
    standard_error: float | None
    detectable: float | None
    detectable_adjusted: float | None
    baseline_rank: Rank | None
    system_rank: Rank | None
    claim: str

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def compare_runs(
    paths: Sequence[Path],
    *,
    data: str | None = None,
    names: Sequence[str] | None = None,
    profile: str = "harness",
    seed: int = 0,
    resamples: int | None = None,
    test: Test = "randomisation",
    correction: Correction = "holm",
    all_pairs: bool = False,
    relabel: Relabel = lambda examples: examples,
    progress: Progress | None = None,
) -> list[Comparison]:
    """Compare run folders (or predictions.jsonl files) to the first one, or each to each.

    `relabel` gives the examples other gold labels. `resamples` is 2,000 by default, or as many as
    the number of comparisons makes necessary.

    Raises:
        InputError: fewer than two runs, runs of different tasks or examples, too few resamples
            for so many comparisons.
        PredictionsError: a file is missing, damaged, or has no header.
    """
    from harness.statistics import adjust

    if len(paths) < 2:
        raise InputError("compare needs two runs or more: the baseline first, then the others")
    runs = read_runs(paths, data=data, relabel=relabel)
    metrics = common_metrics(runs, names=names, profile=profile)
    count = len(paths)
    pairs = (
        [(b, a) for a, b in combinations(range(count), 2)]
        if all_pairs
        else [(other, 0) for other in range(1, count)]
    )
    total = len(pairs) * len(metrics)
    options = _Options(seed, _enough(resamples, total, correction), test, correction, total)
    found = []
    for done, metric in enumerate(metrics):
        if progress:
            progress(done, len(metrics))
        found += _one_metric(metric, runs.scored, pairs, options)
    if progress:
        progress(len(metrics), len(metrics))
    found.sort(key=lambda item: pairs.index(item.pair))
    adjusted = adjust([item.difference.p for item in found], correction)
    return [
        _comparison(item, runs.names, p, options) for item, p in zip(found, adjusted, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Options:
    seed: int
    resamples: int
    test: Test
    correction: Correction
    comparisons: int


@dataclass(frozen=True, slots=True)
class _Found:
    metric: Metric
    signature: str
    pair: tuple[int, int]
    difference: Difference
    ranks: list[Rank] | None


def _one_metric(
    metric: Metric,
    scored: Sequence[Sequence[Scored]],
    pairs: Sequence[tuple[int, int]],
    options: _Options,
) -> list[_Found]:
    from harness.statistics import MIN_CLUSTERS, differences, ranks, systems

    found = systems(metric, scored)
    seed, resamples = options.seed, options.resamples
    draws = found.draws(seed=seed, resamples=resamples) if found.count >= MIN_CLUSTERS else None
    measured = differences(
        found, pairs, seed=seed, resamples=resamples, test=options.test, draws=draws
    )
    places = ranks(found, draws=draws) if len(scored) > 2 and draws is not None else None
    return [
        _Found(metric, signed(metric, scored[0]), pair_, difference, places)
        for pair_, difference in zip(pairs, measured, strict=True)
    ]


def _enough(resamples: int | None, comparisons: int, correction: Correction) -> int:
    """So many that the smallest possible p-value can still be small after its correction."""
    from harness.statistics.claims import ALPHA

    if resamples is None:
        return max(RESAMPLES, round(2 * comparisons / ALPHA))
    if correction == "holm" and comparisons / (resamples + 1) > ALPHA:
        raise InputError(
            f"{comparisons} comparisons on {resamples} resamples: no p-value could fall below "
            f"{ALPHA} after Holm; give --resamples {round(2 * comparisons / ALPHA)} or more, or "
            "fewer --metrics"
        )
    return resamples


def _comparison(
    item: _Found, names: Sequence[str], p_adjusted: float, options: _Options
) -> Comparison:
    from harness.statistics import claims, detectable

    metric, found = item.metric, item.difference
    system, baseline = item.pair
    # Systems that differ nowhere show nothing of how much they could.
    error = found.standard_error or None
    strict = claims.ALPHA / options.comparisons
    seen = detectable(error, alpha=strict, power=claims.POWER) if error else None
    return Comparison(
        metric=metric.name,
        direction=metric.direction,
        baseline=names[baseline],
        system=names[system],
        baseline_value=found.value_b,
        system_value=found.value_a,
        difference=found.value,
        low=found.low,
        high=found.high,
        p=found.p,
        p_adjusted=p_adjusted,
        n=found.n,
        dialogues=found.clusters,
        verdict=claims.verdict(metric.direction, found.value, p_adjusted),
        unit=metric.unit,
        signature=item.signature,
        test=options.test,
        correction=options.correction,
        comparisons=options.comparisons,
        standard_error=found.standard_error,
        detectable=detectable(error, alpha=claims.ALPHA, power=claims.POWER) if error else None,
        detectable_adjusted=seen,
        baseline_rank=item.ranks[baseline] if item.ranks else None,
        system_rank=item.ranks[system] if item.ranks else None,
        claim=claims.claim(
            found,
            metric=metric.name,
            direction=metric.direction,
            system=names[system],
            baseline=names[baseline],
            p_adjusted=p_adjusted,
            correction=options.correction,
            comparisons=options.comparisons,
            detectable=seen,
            least_p=1 / (1 + options.resamples),
        ),
    )
