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

from harness.datasets.sets import ExampleSet
from harness.errors import InputError
from harness.metrics import choose_metrics, missing, pair
from harness.metrics.contract import Metric, Scored, signed
from harness.predictions import FILE_NAME as PREDICTIONS
from harness.predictions import Header, Prediction, read_predictions
from harness.run import Plan
from harness.score import check_header
from harness.tasks import Task

if TYPE_CHECKING:
    from harness.statistics import Correction, Difference, Rank, Test

__all__ = ["Comparison", "Pilot", "compare_runs", "measure_spread"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What two runs teach about a comparison still to be made, on one metric.

    `standard_error` is that of the paired difference on these `dialogues`; `design_effect` by how
    much it exceeds (squared) that of as many independent examples, None where they are.
    """

    metric: str
    signature: str
    unit: str
    baseline: str
    system: str
    difference: float
    standard_error: float
    examples: int
    dialogues: int
    design_effect: float | None
    additive: bool


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    header: Header
    predictions: Sequence[Prediction]
    path: Path


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
    progress: Progress | None = None,
) -> list[Comparison]:
    """Compare run folders (or predictions.jsonl files) to the first one, or each to each.

    `resamples` is 2,000 by default, or as many as the number of comparisons makes necessary.

    Raises:
        InputError: fewer than two runs, runs of different tasks or examples, too few resamples
            for so many comparisons.
        PredictionsError: a file is missing, damaged, or has no header.
    """
    from harness.statistics import adjust

    if len(paths) < 2:
        raise InputError("compare needs two runs or more: the baseline first, then the others")
    runs = [_read(path) for path in paths]
    task, examples = _common(runs, data)
    scored = [pair(examples, run.predictions) for run in runs]
    metrics = _metrics(task, scored, names, profile)
    if not metrics:
        raise InputError("these runs have no metric in common that both have a value for")
    count = len(runs)
    pairs = (
        [(b, a) for a, b in combinations(range(count), 2)]
        if all_pairs
        else [(other, 0) for other in range(1, count)]
    )
    total = len(pairs) * len(metrics)
    options = _Options(seed, _enough(resamples, total, correction), test)
    found = []
    for done, metric in enumerate(metrics):
        if progress:
            progress(done, len(metrics))
        found += _one_metric(metric, scored, pairs, options)
    if progress:
        progress(len(metrics), len(metrics))
    found.sort(key=lambda item: pairs.index(item.pair))
    adjusted = adjust([item.difference.p for item in found], correction)
    shown = _distinct_names(runs)
    return [
        _comparison(item, shown, p, test=test, correction=correction, comparisons=total)
        for item, p in zip(found, adjusted, strict=True)
    ]


def measure_spread(
    paths: Sequence[Path],
    *,
    data: str | None = None,
    names: Sequence[str] | None = None,
    profile: str = "harness",
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> list[Pilot]:
    """How much the paired difference of two runs varies, metric by metric.

    Raises:
        InputError: not two runs, runs of different tasks or examples, or too few dialogues.
        PredictionsError: a file is missing, damaged, or has no header.
    """
    from harness.statistics import MIN_CLUSTERS

    if len(paths) != 2:
        raise InputError(f"a pilot is two runs on the same examples; {len(paths)} given")
    runs = [_read(path) for path in paths]
    task, examples = _common(runs, data)
    scored = [pair(examples, run.predictions) for run in runs]
    dialogues = len({item.cluster for item in scored[0]})
    if dialogues < MIN_CLUSTERS:
        raise InputError(
            f"{runs[0].path} has {dialogues} dialogues: a spread needs {MIN_CLUSTERS} or more"
        )
    metrics = _metrics(task, scored, names, profile)
    pilots = []
    for done, metric in enumerate(metrics):
        if progress:
            progress(done, len(metrics))
        pilots.append(_pilot(metric, scored, _distinct_names(runs), seed, resamples))
    if progress:
        progress(len(metrics), len(metrics))
    return pilots


@dataclass(frozen=True, slots=True)
class _Options:
    seed: int
    resamples: int
    test: Test


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


def _pilot(
    metric: Metric,
    scored: Sequence[Sequence[Scored]],
    names: Sequence[str],
    seed: int,
    resamples: int,
) -> Pilot:
    from harness.statistics import paired_error, systems

    found = systems(metric, scored)
    error = paired_error(found, seed=seed, resamples=resamples)
    design = None
    if found.count < len(found.codes):
        alone = paired_error(found.ungrouped(), seed=seed, resamples=resamples)
        design = (error / alone) ** 2 if alone else None
    return Pilot(
        metric=metric.name,
        signature=signed(metric, scored[0]),
        unit=metric.unit,
        baseline=names[0],
        system=names[1],
        difference=float(found.values[1] - found.values[0]),
        standard_error=error,
        examples=len(found.codes),
        dialogues=found.count,
        design_effect=design,
        additive=found.additive,
    )


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


def _read(path: Path) -> _Run:
    file = path / PREDICTIONS if path.is_dir() else path
    header, predictions = read_predictions(file)
    if header is None:
        raise InputError(
            f"{file} has no header; make it a run first: "
            f"empathy-bench score --predictions {file} --task … --output runs"
        )
    return _Run(str(header.model.get("name", path.name)), header, predictions, file)


def _common(runs: Sequence[_Run], data: str | None) -> tuple[Task, ExampleSet]:
    first = runs[0]
    for run in runs[1:]:
        if (run.header.task, run.header.fingerprint) != (
            first.header.task,
            first.header.fingerprint,
        ):
            raise InputError(
                f"{run.path} answers {run.header.size} examples of {run.header.task} on "
                f"{run.header.example_set}, {first.path} {first.header.size} of "
                f"{first.header.task} on {first.header.example_set}: not the same questions"
            )
    plan = Plan.of(first.header, data)
    check_header(first.header, plan.task, plan.examples, first.path)
    return plan.task, plan.examples


def _metrics(
    task: Task,
    scored: Sequence[Sequence[Scored]],
    names: Sequence[str] | None,
    profile: str,
) -> list[Metric]:
    """The wanted metrics; unasked, those that every run has a value for and that have a better."""
    chosen = choose_metrics(scored[0], kind=task.kind, profile=profile, names=names)
    if names is not None:
        return list(chosen)
    return [
        metric
        for metric in chosen
        if metric.direction != "none" and not any(missing(metric, rows) for rows in scored)
    ]


def _distinct_names(runs: Sequence[_Run]) -> list[str]:
    names = [run.name for run in runs]
    return [
        name if names.count(name) == 1 else f"{name} ({run.path.parent.name})"
        for name, run in zip(names, runs, strict=True)
    ]


def _comparison(
    item: _Found,
    names: Sequence[str],
    p_adjusted: float,
    *,
    test: Test,
    correction: Correction,
    comparisons: int,
) -> Comparison:
    from harness.statistics import claims, detectable

    metric, found = item.metric, item.difference
    system, baseline = item.pair
    error = found.standard_error
    strict = claims.ALPHA / comparisons
    seen = None if error is None else detectable(error, alpha=strict, power=claims.POWER)
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
        test=test,
        correction=correction,
        comparisons=comparisons,
        standard_error=error,
        detectable=None if error is None else detectable(error, alpha=claims.ALPHA),
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
            correction=correction,
            comparisons=comparisons,
            detectable=seen,
        ),
    )
