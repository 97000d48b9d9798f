"""Printed numbers beside measured ones: which rows of which papers belong to a table.

Rows are found through the entry-point group `empathy_bench.reported`: functions that return
results of provenance "reported". They stand beside full test sets only, in a block of their own,
and nothing is compared with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points

from harness.errors import InputError
from harness.results import Result
from harness.tasks import TASKS
from leaderboards.words import example_set_words

__all__ = ["reported_rows", "with_reported"]

GROUP = "empathy_bench.reported"
_LABELS = ("emotion", "strategy")


def reported_rows() -> list[Result]:
    """Every printed row that is installed.

    Raises:
        InputError: a package's rows cannot be loaded.
    """
    found: list[Result] = []
    for point in entry_points(group=GROUP):
        try:
            found += point.load()()
        except Exception as error:
            raise InputError(f"reported rows of {point.value} cannot be loaded: {error}") from error
    return found


def with_reported(measured: Sequence[Result], reported: Sequence[Result]) -> list[Result]:
    """The results of one table, and behind them the printed rows of its data set."""
    first = measured[0]
    task = TASKS.get(first.task)
    size = first.protocol.get("size")
    if task is None or size != example_set_words(str(first.protocol.get("example_set"))).size:
        return list(measured)
    known = {metric.name for result in measured for metric in result.metrics}
    added = []
    for row in reported:
        metrics = tuple(m for m in row.metrics if _belongs(m.name, task.kind, known))
        if metrics and TASKS[row.task].dataset == task.dataset:
            own = str(row.protocol.get("example_set"))
            other = "" if own == first.protocol.get("example_set") else own
            added.append(
                replace(
                    row,
                    task=first.task,
                    task_version=first.task_version,
                    model={**row.model, "test_set": other},
                    protocol={**first.protocol, **row.protocol},
                    metrics=metrics,
                )
            )
    return [*measured, *added]


def _belongs(name: str, kind: str, known: set[str]) -> bool:
    """Label columns stand in tables of that label, and where measured rows have them."""
    label = next((label for label in _LABELS if name.startswith(f"{label}_")), None)
    return name in known if label else kind == "response"
