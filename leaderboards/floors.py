"""Floor and human rows for tables whose runs brought none: every result carries their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.floors import HUMAN_NAME
from harness.results import Result
from leaderboards.rows import row_kind

__all__ = ["with_floor_rows"]


def with_floor_rows(results: Sequence[Result]) -> list[Result]:
    """`results` of one table, and a row per floor (and for people) that is not among them.

    The values come from the newest result that has them; there are no intervals.
    """
    standing = {str(result.model["name"]) for result in results}
    people = any(row_kind(result) == "human" for result in results)
    added: list[Result] = []
    for source in sorted(results, key=lambda result: (result.created, result.id), reverse=True):
        if source.provenance == "reported":
            continue
        names = [name for metric in source.metrics for name in metric.floors]
        for name in dict.fromkeys(names):
            if name not in standing:
                standing.add(name)
                added.append(_row(source, name, "floor"))
        if not people and any(metric.human is not None for metric in source.metrics):
            people = True
            added.append(_row(source, HUMAN_NAME, "human"))
    return [*results, *added]


def _row(source: Result, name: str, kind: str) -> Result:
    """The floor `name` as if it had been run and scored where `source` was."""
    values = {
        metric.name: metric.human if kind == "human" else metric.floors.get(name)
        for metric in source.metrics
    }
    return replace(
        source,
        model={"name": name, "kind": kind},
        provenance="re-measured",
        files={},
        metrics=tuple(
            replace(
                metric,
                value=values[metric.name],
                low=None,
                high=None,
                n_failed=0,
                note="scored beside the runs, without an interval",
                floors={},
                human=None,
            )
            for metric in source.metrics
            if values[metric.name] is not None
        ),
    )
