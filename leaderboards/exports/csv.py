"""Results → CSV: a row for each number, with all that it takes to read it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from harness.results import Result
from leaderboards.rows import row_kind

__all__ = ["COLUMNS", "render_csv"]

COLUMNS = (
    "task",
    "task_version",
    "example_set",
    "fingerprint",
    "profile",
    "model",
    "kind",
    "provenance",
    "metric",
    "value",
    "low",
    "high",
    "unit",
    "direction",
    "n",
    "n_failed",
    "signature",
    "result",
)
# A spreadsheet would run a text that begins like this (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def render_csv(results: Sequence[Result]) -> str:
    """Every number of `results` as RFC 4180 CSV, in the order of task, model and metric.

    `low` and `high` bound the 95 % interval. Numbers are written in full; what there is not is
    empty. A text that a spreadsheet would take for a formula has an apostrophe before it.
    """
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(COLUMNS)
    for result in sorted(results, key=lambda r: (r.comparable_key, str(r.model["name"]), r.id)):
        protocol = result.protocol
        head = [
            result.task,
            result.task_version,
            protocol.get("example_set"),
            protocol.get("fingerprint"),
            protocol.get("profile"),
            result.model["name"],
            row_kind(result),
            result.provenance,
        ]
        for m in result.metrics:
            numbers = [m.name, m.value, m.low, m.high, m.unit, m.direction, m.n, m.n_failed]
            writer.writerow(map(_field, [*head, *numbers, m.signature, result.id]))
    return target.getvalue()


def _field(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return "" if value is None else value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
