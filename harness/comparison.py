"""compare: paired differences of several runs to the first of them, and what may be said.

All p-values of one call (systems × metrics) are adjusted together by Holm's method.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.datasets.sets import ExampleSet
from harness.errors import InputError
from harness.metrics import choose_metrics, missing, pair
from harness.metrics.contract import Metric, Scored
from harness.predictions import FILE_NAME as PREDICTIONS
from harness.predictions import Header, Prediction, read_predictions
from harness.run import Plan
from harness.score import check_header
from harness.tasks import Task

__all__ = ["Comparison", "compare_runs"]

ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One metric of one system against the baseline; `difference` is system − baseline.

    `low` and `high` bound its 95 % interval (None with too few dialogues), `p_adjusted` is
    two-sided approximate randomisation after Holm. `verdict` says in words what may be claimed.
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

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


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
    seed: int = 0,
    resamples: int = 2000,
    progress: Callable[[int, int], None] | None = None,
) -> list[Comparison]:
    """Compare run folders (or predictions.jsonl files) to the first one.

    Raises:
        InputError: fewer than two runs, or runs of different tasks or examples.
        PredictionsError: a file is missing, damaged, or has no header.
    """
    from harness.statistics import Difference, compare, holm

    if len(paths) < 2:
        raise InputError("compare needs two runs or more: the baseline first, then the others")
    runs = [_read(path) for path in paths]
    task, examples = _common(runs, data)
    scored = [pair(examples, run.predictions) for run in runs]
    metrics = _metrics(task, scored, names)
    if not metrics:
        raise InputError("these runs have no metric in common that both have a value for")
    found: list[tuple[Metric, int, Difference]] = []
    steps = [(other, metric) for other in range(1, len(runs)) for metric in metrics]
    for done, (other, metric) in enumerate(steps):
        if progress:
            progress(done, len(steps))
        difference = compare(metric, scored[other], scored[0], seed=seed, resamples=resamples)
        found.append((metric, other, difference))
    if progress:
        progress(len(steps), len(steps))
    adjusted = holm([difference.p for _, _, difference in found])
    names_shown = _distinct_names(runs)
    return [
        _comparison(metric, names_shown[0], names_shown[other], difference, p)
        for (metric, other, difference), p in zip(found, adjusted, strict=True)
    ]


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
    task: Task, scored: Sequence[Sequence[Scored]], names: Sequence[str] | None
) -> list[Metric]:
    """The wanted metrics; unasked, those that every run has a value for and that have a better."""
    chosen = choose_metrics(scored[0], kind=task.kind, names=names)
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
    metric: Metric, baseline: str, system: str, difference: Any, p_adjusted: float
) -> Comparison:
    return Comparison(
        metric=metric.name,
        direction=metric.direction,
        baseline=baseline,
        system=system,
        baseline_value=difference.value_b,
        system_value=difference.value_a,
        difference=difference.value,
        low=difference.low,
        high=difference.high,
        p=difference.p,
        p_adjusted=p_adjusted,
        n=difference.n,
        dialogues=difference.clusters,
        verdict=verdict(metric.direction, difference.value, p_adjusted),
    )


def verdict(direction: str, difference: float, p_adjusted: float) -> str:
    """What a difference of this size and p-value supports."""
    if difference == 0:
        return "equal"
    if p_adjusted > ALPHA:
        return "no difference shown"
    if direction == "none":
        return "larger" if difference > 0 else "smaller"
    return "better" if (difference > 0) == (direction == "higher") else "worse"
