"""What the example browser shows of one table: who answered what, how each answer scores alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.results import Result
from leaderboards.examples.verdicts import Verdicts
from leaderboards.rows import Row, row_kind
from leaderboards.table import Table

if TYPE_CHECKING:
    from harness.comparable import Runs
    from harness.comparison import Comparison
    from harness.metrics.contract import Metric

__all__ = ["Answers", "Browser", "Claim", "gather"]

_METRICS = 5
# So many systems are compared in pairs; each pair costs a test for each metric.
_COMPARED = 12
_ORDER = {"model": 0, "baseline": 0, "floor": 1, "human": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One system's answers in the order of the examples, None where it gave none.

    `id` is its result's. `extras` holds, by position, what else there is: why it failed, the
    unparsed text, the trace, what judges said. `values` has a row for each metric of the browser,
    of n values or None.
    """

    id: str
    name: str
    kind: str
    detail: str
    replies: tuple[str | None, ...]
    extras: Mapping[int, Mapping[str, Any]]
    values: tuple[tuple[float | None, ...] | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What may be said of system `a` against system `b` (positions) on one metric."""

    a: int
    b: int
    metric: str
    difference: float
    low: float | None
    high: float | None
    verdict: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """One table's examples: `examples` in order, `systems`, `metrics` as (name, direction)."""

    title: str
    slug: str
    example_set: str
    examples: tuple[Mapping[str, Any], ...]
    systems: tuple[Answers, ...]
    metrics: tuple[tuple[str, str], ...]
    claims: tuple[Claim, ...]


def gather(
    table: Table,
    results: Sequence[Result],
    answers: Mapping[str, Path],
    *,
    verdicts: Verdicts,
    data: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Browser:
    """The browser of `table`; `results` are the board's, `answers` their predictions by id.

    Models come first, in the table's order, then floors and people. `verdicts` name systems, not
    files: of two runs of one name neither has any.

    Raises:
        InputError: no row of the table has its predictions at hand.
        DataError: the examples are not found.
    """
    from harness.comparable import read_runs

    by_id = {result.id: result for result in results}
    rows = [row for row in table.rows if row.id in answers and row.id in by_id]
    rows.sort(key=lambda row: _ORDER[row_kind(by_id[row.id])])
    if not rows:
        raise InputError(f"{table.label}: no predictions at hand to browse")
    paths = [answers[row.id] for row in rows]
    runs = read_runs(paths, data=data)
    metrics = _metrics(table, runs)
    models = [i for i, row in enumerate(rows) if row.kind in ("model", "baseline")][:_COMPARED]
    return Browser(
        title=table.title,
        slug=table.slug,
        example_set=table.example_set,
        examples=tuple(map(_example, runs.examples)),
        systems=tuple(_answers(runs, i, row, metrics, verdicts) for i, row in enumerate(rows)),
        metrics=tuple((metric.name, metric.direction) for metric in metrics),
        claims=_claims([paths[i] for i in models], models, metrics, table, data, progress),
    )


def _metrics(table: Table, runs: Runs) -> list[Metric]:
    """The table's metrics that say something of a single example, decisive columns first."""
    from harness.errors import UnknownNameError
    from harness.metrics import get_metric, missing

    found = []
    for column in sorted(table.columns, key=lambda column: not column.decisive):
        try:
            metric = get_metric(column.name, profile=table.profile)
        except UnknownNameError:
            continue
        if metric.per_example and not all(missing(metric, scored) for scored in runs.scored):
            found.append(metric)
    return found[:_METRICS]


def _example(example: Any) -> dict[str, Any]:
    shown = {
        "id": example.id,
        "context": [[turn.role, turn.text] for turn in example.context],
        "reference": example.reference,
        "emotion": example.emotion,
        "strategy": example.strategy,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _answers(
    runs: Runs, index: int, row: Row, metrics: Sequence[Metric], verdicts: Verdicts
) -> Answers:
    from harness.metrics import example_values

    said = {prediction.id: prediction for prediction in runs.predictions[index]}
    ordered = [said[example.id] for example in runs.examples]
    values = []
    for metric in metrics:
        found = example_values(metric, runs.scored[index])
        values.append(None if found is None else tuple(map(_finite, found.tolist())))
    return Answers(
        id=row.id,
        name=runs.names[index],
        kind=row.kind,
        detail=row.detail,
        replies=tuple(map(_reply, ordered)),
        extras={
            i: extra
            for i, p in enumerate(ordered)
            if (extra := _extra(p, verdicts.get((runs.names[index], p.id), ())))
        },
        values=tuple(values),
    )


def _reply(prediction: Any) -> str | None:
    labels = [label for label in (prediction.emotion, prediction.strategy) if label]
    if prediction.response is None:
        return " · ".join(labels) or None
    return prediction.response if not labels else f"[{' · '.join(labels)}] {prediction.response}"


def _extra(prediction: Any, verdicts: Sequence[str]) -> dict[str, Any]:
    found = {
        "error": prediction.error,
        "raw": prediction.raw,
        "trace": prediction.trace,
        "verdicts": "\n".join(verdicts) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _finite(value: float) -> float | None:
    return round(value, 2) if abs(value) < float("inf") else None


def _claims(
    paths: Sequence[Path],
    places: Sequence[int],
    metrics: Sequence[Metric],
    table: Table,
    data: str | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[Claim, ...]:
    """Every pair of the models at `places` on every metric that has a better direction."""
    from itertools import combinations

    from harness.comparison import compare_runs

    names = [metric.name for metric in metrics if metric.direction != "none"]
    if len(paths) < 2 or not names:
        return ()
    try:
        found = compare_runs(
            paths, data=data, names=names, profile=table.profile, all_pairs=True, progress=progress
        )
    except InputError:  # a metric that one of them has no value for: nothing is claimed
        return ()
    pairs = list(combinations(range(len(paths)), 2))
    return tuple(
        _claim(item, places[b], places[a])
        for (a, b), items in zip(pairs, _chunks(found, len(names)), strict=True)
        for item in items
    )


def _chunks(items: Sequence[Comparison], size: int) -> list[Sequence[Comparison]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _claim(item: Comparison, a: int, b: int) -> Claim:
    return Claim(
        a=a,
        b=b,
        metric=item.metric,
        difference=item.difference,
        low=item.low,
        high=item.high,
        verdict=item.verdict,
        sentence=item.claim,
    )
