"""STRIDE-ED's runs against labels that ED itself lacks: the strategy of the person's own reply.

ED names emotions but no strategies. What stands for them is what an annotator (`stride annotate`)
says of the human replies of the held-out split: a silver label, whose annotator is named wherever a
number of it is shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.comparable import read_runs
from harness.comparison import Comparison, compare_runs
from harness.datasets.sets import ExampleSet
from harness.errors import InputError
from harness.metrics import choose_metrics, missing, score_metric
from stride_ed.metrics import METRICS
from stride_ed.records import read_annotations
from stride_ed.work import ANNOTATIONS

if TYPE_CHECKING:
    from harness.results import MetricResult

__all__ = ["REWARDS", "Scores", "relabelled", "score_runs"]

REWARDS = tuple(metric.name for metric in METRICS)


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics of each run in order, and each later run's paired difference to the first."""

    names: tuple[str, ...]
    metrics: tuple[tuple[MetricResult, ...], ...]
    differences: tuple[Comparison, ...]
    annotator: str | None

    def to_json(self) -> dict[str, Any]:
        return {
            "strategies_by": self.annotator,
            "systems": [
                {"name": name, "metrics": [dataclasses.asdict(metric) for metric in found]}
                for name, found in zip(self.names, self.metrics, strict=True)
            ],
            "differences": [item.to_json() for item in self.differences],
        }


def relabelled(annotations: Path) -> tuple[str, Callable[[ExampleSet], ExampleSet]]:
    """Who annotated, and what gives examples the strategies that stand in a folder.

    Raises:
        InputError: nothing is annotated there; later, that an example is not.
    """
    settings, found = read_annotations(annotations / ANNOTATIONS)

    def relabel(examples: ExampleSet) -> ExampleSet:
        lacking = [example.id for example in examples if example.id not in found]
        if lacking:
            raise InputError(
                f"{annotations}: says nothing of {len(lacking):,} of {len(examples):,} examples, "
                f"such as {lacking[0]}; annotate {examples.name} with `empathy-bench stride "
                f"annotate FOLDER --example-set {examples.name}`"
            )
        return dataclasses.replace(
            examples,
            examples=tuple(
                # Where the annotator failed there is no label, and nobody can name it.
                dataclasses.replace(example, strategy=trace.strategy if trace else "")
                for example in examples
                for trace in [found[example.id].trace]
            ),
        )

    return str(settings["annotator"].get("kind")), relabel


def score_runs(
    paths: Sequence[Path],
    *,
    data: str | None,
    annotations: Path | None,
    more: Sequence[str] = (),
    seed: int = 0,
) -> Scores:
    """The rewards' metrics, and `more` by name, of runs that answer the same examples.

    Without `annotations` there is nothing to say of strategies on ED.

    Raises:
        InputError: runs of different examples, or annotations of others.
        PredictionsError: a file is missing or damaged.
    """
    annotator, relabel = relabelled(annotations) if annotations else (None, _as_they_are)
    runs = read_runs(paths, data=data, relabel=relabel)
    kind = runs.task.kind
    chosen = choose_metrics(runs.scored[0], kind=kind, names=[*REWARDS, *more])
    chosen = tuple(m for m in chosen if not any(missing(m, rows) for rows in runs.scored))
    metrics = tuple(
        tuple(score_metric(metric, rows, seed=seed) for metric in chosen) for rows in runs.scored
    )
    differences: list[Comparison] = []
    if len(paths) > 1:
        names = [metric.name for metric in chosen if metric.direction != "none"]
        differences = compare_runs(paths, data=data, names=names, seed=seed, relabel=relabel)
    return Scores(runs.names, metrics, tuple(differences), annotator)


def _as_they_are(examples: ExampleSet) -> ExampleSet:
    return examples
