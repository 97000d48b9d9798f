"""Training seeds of one model, summed up: mean and standard deviation over seeds.

Nothing is ranked by it: a table's rows stay single runs, whose intervals speak of the choice of
test dialogues. How far seeds scatter is another question, and this is its answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from harness.results import MetricResult
from leaderboards.columns import Column
from leaderboards.rows import Row

__all__ = ["Runs", "SeedSummary", "runs_by_system", "seed_summaries"]


@dataclass(frozen=True, slots=True)
class Runs:
    """One model with one way of decoding, trained with each of `seeds`; a row per seed.

    A model of no known seed has one row and no seeds.
    """

    name: str
    detail: str
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]

    def metrics(self, column: int) -> list[MetricResult]:
        """The rows' numbers in a column; [] unless every row has one, all of one definition."""
        found = [row.cells[column].metric for row in self.rows]
        known = [metric for metric in found if metric is not None and metric.value is not None]
        same = len({metric.signature for metric in known}) == 1
        return known if same and len(known) == len(self.rows) else []


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """`name` over `seeds`; per column "mean ± s.d.", or "–" where not every seed has a value."""

    name: str
    detail: str
    system: str
    seeds: tuple[int, ...]
    cells: tuple[str, ...]


def runs_by_system(rows: Sequence[Row]) -> dict[str, list[Runs]]:
    """System key → its models as they were run here; floors, people and printed rows are left out.

    Of two rows with one seed the newer one counts.
    """
    grouped: dict[tuple[str, str, str], dict[int | None, Row]] = {}
    for row in sorted(rows, key=lambda row: (row.created, row.id)):
        if row.kind in ("model", "baseline"):
            grouped.setdefault((row.system, row.variant, row.detail), {})[row.seed] = row
    found: dict[str, list[Runs]] = {}
    for (system, variant, detail), by_seed in sorted(grouped.items()):
        unseeded = by_seed.pop(None, None)
        if unseeded is not None:
            found.setdefault(system, []).append(Runs(variant, detail, (), (unseeded,)))
        if by_seed:
            seeds = tuple(sorted(seed for seed in by_seed if seed is not None))
            trained = tuple(by_seed[seed] for seed in seeds)
            found.setdefault(system, []).append(Runs(variant, detail, seeds, trained))
    return found


def seed_summaries(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[SeedSummary, ...]:
    """One summary for each model that stands in `rows` with two seeds or more."""
    return tuple(
        SeedSummary(
            name=runs.name,
            detail=runs.detail,
            system=runs.rows[0].system,
            seeds=runs.seeds,
            cells=tuple(_text(column, runs.metrics(i)) for i, column in enumerate(columns)),
        )
        for several in runs_by_system(rows).values()
        for runs in several
        if len(runs.seeds) > 1
    )


def _text(column: Column, metrics: Sequence[MetricResult]) -> str:
    values = [metric.value for metric in metrics if metric.value is not None]
    if not values:
        return "–"
    spread = stdev(values)
    if not math.isfinite(spread):
        return "–"
    return f"{column.text(fmean(values))} ± {column.text(spread)}"
