"""Tables that strangers wrote: rows with their line, cells with their type, errors in words."""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import DataError, located

__all__ = ["Row", "number", "read_rows", "text"]

Row = Mapping[str, str]


def read_rows(path: Path, needed: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Line and row of a CSV file with a header that has the columns `needed`.

    Raises:
        DataError: no such file, not UTF-8, no rows, a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            lacking = [name for name in needed if name not in (reader.fieldnames or [])]
            if lacking:
                raise DataError(
                    f"{path}: has no column {', '.join(lacking)}; "
                    f"found {', '.join(reader.fieldnames or ['nothing'])}"
                )
            empty = True
            for row in reader:
                empty = False
                if any(row[name] is None for name in needed):
                    raise DataError(located(path, reader.line_num, "has too few cells"))
                yield reader.line_num, row
            if empty:
                raise DataError(f"{path}: holds no row")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def number(path: Path, line: int, row: Row, column: str) -> float:
    """A cell as a number.

    Raises:
        DataError: it is none, or not finite.
    """
    with contextlib.suppress(ValueError):
        if math.isfinite(found := float(row[column])):
            return found
    raise DataError(located(path, line, f'"{column}" must be a number, found {row[column][:40]!r}'))


def text(path: Path, line: int, row: Row, column: str) -> str:
    """A cell's words, single blanks between them.

    Raises:
        DataError: it is blank.
    """
    found = " ".join(row[column].split())
    if not found:
        raise DataError(located(path, line, f'"{column}" is blank'))
    return found
