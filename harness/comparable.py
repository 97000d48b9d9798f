"""Runs that answer the same questions: what `compare` and `power` start from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.datasets.sets import ExampleSet
from harness.errors import InputError
from harness.metrics import choose_metrics, missing, pair
from harness.metrics.contract import Metric, Scored
from harness.predictions import FILE_NAME as PREDICTIONS
from harness.predictions import Header, Prediction, read_predictions
from harness.run import Plan
from harness.score import check_header
from harness.tasks import Task

__all__ = ["Relabel", "Runs", "common_metrics", "read_runs"]

# Gives examples gold labels of one's own; what was asked and the references stay as they are.
Relabel = Callable[[ExampleSet], ExampleSet]


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs on one example set: their names, all different, what they said, and that scored."""

    task: Task
    examples: ExampleSet
    names: tuple[str, ...]
    headers: tuple[Header, ...]
    predictions: tuple[Sequence[Prediction], ...]
    scored: tuple[Sequence[Scored], ...]


@dataclass(frozen=True, slots=True)
class _Run:
    name: str
    header: Header
    predictions: Sequence[Prediction]
    path: Path


def read_runs(
    paths: Sequence[Path],
    *,
    data: str | None = None,
    relabel: Relabel = lambda examples: examples,
) -> Runs:
    """Read run folders (or predictions.jsonl files) and the examples that they answer.

    Raises:
        InputError: runs of different tasks or examples.
        PredictionsError: a file is missing, damaged, or has no header.
    """
    runs = [_read(path) for path in paths]
    task, examples = _common(runs, data)
    labelled = relabel(examples)
    scored = tuple(pair(labelled, run.predictions) for run in runs)
    return Runs(
        task=task,
        examples=labelled,
        names=tuple(_distinct_names(runs)),
        headers=tuple(run.header for run in runs),
        predictions=tuple(run.predictions for run in runs),
        scored=scored,
    )


def common_metrics(
    runs: Runs, *, names: Sequence[str] | None = None, profile: str = "harness"
) -> list[Metric]:
    """The wanted metrics; unasked, those that every run has a value for and that have a better.

    Raises:
        UnknownNameError: no such metric or profile.
        InputError: there is no metric that all of them have.
    """
    chosen = [
        choose_metrics(rows, kind=runs.task.kind, profile=profile, names=names)
        for rows in (runs.scored if names is None else runs.scored[:1])
    ]
    if names is not None:
        return list(chosen[0])
    # A run that gives no emotion, say, is not one that gives wrong emotions.
    shown = set.intersection(*({metric.name for metric in found} for found in chosen))
    common = [
        metric
        for metric in chosen[0]
        if metric.name in shown
        and metric.direction != "none"
        and not any(missing(metric, rows) for rows in runs.scored)
    ]
    if not common:
        raise InputError("these runs have no metric in common that both have a value for")
    return common


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


def _distinct_names(runs: Sequence[_Run]) -> list[str]:
    names = _told_apart([run.name for run in runs], [run.path.parent.name for run in runs])
    return _told_apart(names, [str(number) for number in range(1, len(runs) + 1)])


def _told_apart(names: Sequence[str], marks: Sequence[str]) -> list[str]:
    return [
        name if names.count(name) == 1 else f"{name} ({mark})"
        for name, mark in zip(names, marks, strict=True)
    ]
