"""What every training keeps beside its weights: the curve, its picture, the card.

    record(step, values) ──▶ curve.jsonl, a line each ──▶ mirror(folder), such as MLflow
    finish(card, readme) ──▶ README.md, curve.png, card.json, in this order ──▶ mirror(folder)

curve.jsonl is only ever appended to; where a kill tore its last line, that line is dropped. A
resumed training calls `rewind` with the step it goes on from, since what was recorded after the
last checkpoint happens again. Record before the checkpoint is saved: a kill between the two then
repeats a row instead of losing one. Where card.json stands, the training has ended and all else
stands too; a training that is given more steps after its end loses its card with its first row,
since its weights may become others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from harness.errors import InputError, ModelError, StorageError, located
from harness.files import disk_errors, write_atomic

__all__ = ["CARD", "CURVE", "PICTURE", "README", "TrainingLog", "read_curve"]

CURVE = "curve.jsonl"
CARD = "card.json"
README = "README.md"
PICTURE = "curve.png"

_STEP = "step"


class TrainingLog:
    """The curve and the card of the training in `folder`, held by one process at a time.

    `mirror` is called with the folder after every row and at the end.
    """

    def __init__(self, folder: Path, *, mirror: Callable[[Path], None] | None = None) -> None:
        self._folder = folder
        self._mirror = mirror
        self._last: int | None = None

    def rewind(self, step: int) -> None:
        """Drop the rows beyond `step`, from which the training goes on; 0 drops all.

        Raises:
            StorageError: the file is damaged, or cannot be written.
        """
        rows, _ = _read(self._folder / CURVE)
        kept = [row for row in rows if row[_STEP] <= step]
        self._replace(kept)

    def record(
        self, step: int, values: Mapping[str, float] | None = None, /, **named: float
    ) -> None:
        """Append a row: `record(2000, {"train/loss": 1.2, "valid/ppl": 38.1})`.

        Rows of one step add up to one; a step before the last one is refused.

        Raises:
            InputError: no value, an unusable name, or a step before the last recorded one.
            ModelError: a value that is not finite.
            StorageError: the file is damaged, or the disk is full or may not be written.
        """
        row = _row(self._folder, step, {**(values or {}), **named})
        if self._last is None:
            self._recover()
        if self._last is not None and step < self._last:
            raise InputError(
                f"{self._folder / CURVE}: step {step} comes after step {self._last}; "
                "a resumed training calls rewind first"
            )
        with disk_errors(self._folder / CURVE):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / CARD).unlink(missing_ok=True)
            with (self._folder / CURVE).open("a", encoding="utf-8") as file:
                file.write(_line(row))
        self._last = step
        self._copy()

    def finish(self, card: Mapping[str, Any], readme: str) -> None:
        """Write README.md, curve.png and, last of all, card.json.

        Raises:
            ModelError: the card holds a number that is not finite.
            StorageError: the disk is full or may not be written.
        """
        try:
            text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        except ValueError as error:
            raise ModelError(
                f"{self._folder / CARD}: holds a number that is not finite ({error}); "
                "train again with a smaller learning rate"
            ) from error
        write_atomic(self._folder / README, readme)
        rows = read_curve(self._folder)
        if rows:
            from harness.training_plot import draw_curve

            title = str(card.get("name", self._folder.name))
            picture = draw_curve(rows, title=title, best_step=card.get("best_step"))
            write_atomic(self._folder / PICTURE, picture)
        write_atomic(self._folder / CARD, text)
        self._copy()

    def _recover(self) -> None:
        """Learn the last step of an earlier process, and drop the line it tore."""
        rows, whole = _read(self._folder / CURVE)
        if not whole:
            self._replace(rows)
        self._last = int(rows[-1][_STEP]) if rows else None

    def _replace(self, rows: list[dict[str, float]]) -> None:
        path = self._folder / CURVE
        if rows or path.exists():
            write_atomic(path, "".join(map(_line, rows)))
        self._last = int(rows[-1][_STEP]) if rows else None

    def _copy(self) -> None:
        if self._mirror is not None:
            self._mirror(self._folder)


def read_curve(folder: Path) -> list[dict[str, float]]:
    """One row per recorded step, rising: {"step": …, name: value}; [] where nothing was recorded.

    A torn last line is left out. Of a value recorded twice for a step the later one counts.

    Raises:
        StorageError: a line other than the last is damaged.
    """
    merged: dict[float, dict[str, float]] = {}
    for row in _read(folder / CURVE)[0]:
        merged.setdefault(row[_STEP], {}).update(row)
    return [merged[step] for step in sorted(merged)]


def _row(folder: Path, step: int, values: Mapping[str, float]) -> dict[str, float]:
    if not values:
        raise InputError(f"{folder / CURVE}: nothing to record at step {step}")
    row: dict[str, float] = {_STEP: int(step)}
    for name, value in values.items():
        if not name.strip("/ ") or name == _STEP:
            raise InputError(f"{folder / CURVE}: a value may not be called {name!r}")
        row[name] = float(value)
        if not math.isfinite(row[name]):
            raise ModelError(
                f"{name} is {value} at step {step}; the last good state is in {folder}: "
                "train into another folder with a smaller learning rate"
            )
    return row


def _line(row: Mapping[str, float]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _read(path: Path) -> tuple[list[dict[str, float]], bool]:
    """The rows as written, and whether the last line is whole."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return [], True
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    *lines, rest = data.split(b"\n")
    rows: list[dict[str, float]] = []
    for number, line in enumerate(lines, start=1):
        row = _parsed(line)
        if row is None:
            if number == len(lines) and not rest:
                return rows, False
            raise StorageError(located(path, number, "damaged row; delete that line and resume"))
        rows.append(row)
    # A line without its end may be half a number: 1.25 torn is 1.2.
    return rows, not rest


def _parsed(line: bytes) -> dict[str, float] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or not isinstance(row.get(_STEP), int):
        return None
    usable = all(
        isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
        for v in row.values()
    )
    return row if usable else None
