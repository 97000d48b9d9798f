"""What the page's plots of any two metrics, of cost, and of paired differences are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.results import Result
from leaderboards.columns import Column
from leaderboards.rows import Cell, Row
from leaderboards.table import Table

__all__ = ["plot_points"]

_COSTS = (
    ("parameters", "Parameters"),
    ("seconds", "Seconds an example"),
)
_UNITS = {"parameters": "", "seconds": "s, on the machine it ran on"}


def plot_points(table: Table, results: Mapping[str, Result]) -> dict[str, Any] | None:
    """Axes and measured rows of one table; None for fewer than two of either.

    A row has, for each axis, [value, low, high] (low and high None without an interval) or None
    where it has no value in the column's own definition; and for each metric with ranks,
    `behind`: its paired difference to the best as [value, low, high], "best", or None.
    """
    rows = [row for row in table.rows if row.id in results]
    costs = [
        (name, label, [_cost(name, results[row.id]) for row in rows]) for name, label in _COSTS
    ]
    costs = [cost for cost in costs if sum(value is not None for value in cost[2]) > 1]
    metrics = [
        (i, column)
        for i, column in enumerate(table.columns)
        if sum(_value(row.cells[i], column) is not None for row in rows) > 1
    ]
    if len(rows) < 2 or len(metrics) + len(costs) < 2 or not metrics:
        return None
    return {
        "axes": [
            *(_axis(column) for _, column in metrics),
            *(
                {"name": name, "label": label, "unit": _UNITS[name], "cost": True}
                for name, label, _ in costs
            ),
        ],
        "rows": [
            {
                "name": row.name,
                "kind": row.kind,
                "at": [
                    *(_value(row.cells[i], column) for i, column in metrics),
                    *(None if v[n] is None else [v[n], None, None] for _, _, v in costs),
                ],
                "behind": [_behind(row, row.cells[i]) for i, _ in metrics],
            }
            for n, row in enumerate(rows)
        ],
    }


def _axis(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "label": column.label,
        "unit": column.unit,
        "better": column.better if column.arrow else "",
        "arrow": column.arrow,
        "decimals": column.places,
    }


def _value(cell: Cell, column: Column) -> list[float | None] | None:
    metric = cell.metric
    if metric is None or metric.value is None or metric.signature != column.signature:
        return None
    return [metric.value, metric.low, metric.high]


def _behind(row: Row, cell: Cell) -> list[float] | str | None:
    if cell.standing is None:
        return None
    if cell.standing.best == row.id:
        return "best"
    return None if cell.standing.behind is None else list(cell.standing.behind)


def _cost(name: str, result: Result) -> float | None:
    if name == "parameters":
        value = result.model.get("parameters")
        return float(value) if isinstance(value, int) and value > 1 else None
    try:
        seconds = float(result.environment.get("model_seconds", ""))
    except ValueError:
        return None
    examples = max((metric.n for metric in result.metrics), default=0)
    # A floor takes no time worth the name, and has no place on a logarithmic axis.
    return seconds / examples if examples and seconds >= 1 else None
