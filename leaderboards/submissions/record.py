"""board.json: a board for programs, and what its next version is held against.

Every number of every table with its definition, and of every row the hash of the predictions that
it comes from: with these two, any change between two boards has a name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.results import Result
from leaderboards.columns import Column
from leaderboards.rows import Row
from leaderboards.table import Board, Table

__all__ = ["SCHEMA", "board_record", "places", "read_board"]

SCHEMA = "empathy-bench/board/1"
RANKED = ("model", "baseline")


def board_record(board: Board, results: Sequence[Result]) -> dict[str, Any]:
    """`board` as plain data; `results` are those it was built from. Equal boards, equal records."""
    by_id = {result.id: result for result in results}
    tables = [_table(table, by_id) for table in board.tables]
    return {"schema": SCHEMA, "title": board.title, "newest": board.newest, "tables": tables}


def read_board(path: Path) -> dict[str, Any]:
    """A board file, checked.

    Raises:
        InputError: missing, not JSON, another schema, or a field of the wrong kind.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a readable board file ({error})") from error
    found = value.get("schema") if isinstance(value, dict) else type(value).__name__
    if found != SCHEMA:
        raise InputError(
            f"{path}: schema {found!r} is not {SCHEMA!r}; "
            "give the .json that `leaderboard build` writes beside its page"
        )
    try:
        for table in value["tables"]:
            _check_table(table)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged board file: {error!r}") from error
    return dict(value)


def places(values: Mapping[str, float], direction: str) -> dict[str, int]:
    """Place of each name by value, 1 is best; equal values share the better place."""
    sign = -1.0 if direction == "lower" else 1.0
    return {
        name: 1 + sum(sign * other > sign * value for other in values.values())
        for name, value in values.items()
    }


def _table(table: Table, results: Mapping[str, Result]) -> dict[str, Any]:
    main = None if table.main is None else table.columns[table.main]
    rows = [_row(row, table.columns, results) for row in table.rows]
    if main is not None and main.direction != "none":
        ranked = {
            str(i): row["metrics"][main.name]["value"]
            for i, row in enumerate(rows)
            if row["kind"] in RANKED
            and row["metrics"].get(main.name, {}).get("value") is not None
            and row["metrics"][main.name]["signature"] == main.signature
        }
        for index, place in places(ranked, main.direction).items():
            rows[int(index)]["place"] = place
            standing = rows[int(index)]["metrics"][main.name]["standing"]
            if standing is not None:
                rows[int(index)]["rank"] = [standing["low"], standing["high"]]
    return {
        "task": table.task,
        "task_version": table.version,
        "example_set": table.example_set,
        "fingerprint": table.fingerprint,
        "size": table.size,
        "profile": table.profile,
        "sorted_by": None if main is None else main.name,
        "columns": [
            {
                "name": column.name,
                "direction": column.direction,
                "unit": column.unit,
                "signature": column.signature,
            }
            for column in table.columns
        ],
        "rows": rows,
        "reported": [_row(row, table.columns, results) for row in table.reported],
    }


def _row(row: Row, columns: Sequence[Column], results: Mapping[str, Result]) -> dict[str, Any]:
    result = results.get(row.id)
    files = result.files if result is not None else {}
    model = result.model if result is not None else {}
    return {
        "id": row.id,
        "name": row.name,
        "detail": row.detail,
        "kind": row.kind,
        "provenance": row.provenance,
        "revision": str(model.get("revision") or ""),
        "predictions": str(files.get("predictions", {}).get("sha256", "")),
        "n": row.n,
        "n_failed": row.n_failed,
        "place": None,
        "rank": None,
        "metrics": {
            column.name: {
                "value": cell.metric.value,
                "low": cell.metric.low,
                "high": cell.metric.high,
                "signature": cell.metric.signature,
                "standing": None if cell.standing is None else asdict(cell.standing),
            }
            for column, cell in zip(columns, row.cells, strict=True)
            if cell.metric is not None
        },
    }


def _check_table(table: Mapping[str, Any]) -> None:
    for key in ("task", "example_set", "fingerprint", "profile"):
        if not isinstance(table[key], str):
            raise TypeError(f"{key} is {table[key]!r}, not text")
    for row in table["rows"]:
        if not all(isinstance(row[key], str) for key in ("name", "detail", "kind", "predictions")):
            raise TypeError(f"a row of {table['task']} lacks its name")
        rank = row.get("rank")
        if rank is not None and [type(end) for end in rank] != [int, int]:
            raise TypeError(f"{row['name']}: rank {rank!r} is not two whole numbers")
        for metric in row["metrics"].values():
            value = metric["value"]
            if value is not None and not isinstance(value, int | float):
                raise TypeError(f"{row['name']}: {value!r} is not a number")
            if not isinstance(metric["signature"], str):
                raise TypeError(f"{row['name']}: a number without its signature")
