"""Somebody's output file → predictions of one example set.

Files with ids are checked against the example set; files without are aligned to it, and the
alignment is verified where the file prints its references. Nothing is guessed in silence: what was
assumed is said in `Imported.notes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.datasets.sets import ExampleSet
from harness.errors import PredictionsError, UnknownNameError, located
from harness.imports.alignment import align
from harness.imports.identified import read_identified
from harness.imports.layouts import LAYOUTS, Record, choose_system
from harness.predictions import Header, Prediction

__all__ = ["FORMATS", "Imported", "read_outputs"]

PREDICTIONS = "predictions"
FORMATS = {PREDICTIONS: "Our predictions.jsonl, or plain {id, response} lines."} | {
    layout.name: layout.description for layout in LAYOUTS.values()
}

_MAX_LINE = 1_000_000  # characters
_MAX_FILE = 1_000_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Imported:
    """Predictions, the header where the file had one, and what to tell the user.

    Predictions stand in the file's order where it gives ids, else in the example set's.
    """

    header: Header | None
    predictions: tuple[Prediction, ...]
    format: str
    system: str | None
    notes: tuple[str, ...] = ()


def read_outputs(
    path: Path, examples: ExampleSet, *, format: str = "auto", system: str | None = None
) -> Imported:
    """Read `path` as answers to `examples`.

    Raises:
        PredictionsError: missing, empty, binary or damaged file; a header of other examples;
            unknown, doubled or missing id; another number of rows than examples; printed
            references that are not those of the examples; a system that must be named, or not.
        UnknownNameError: no such format or system.
    """
    if format not in {"auto", *FORMATS}:
        raise UnknownNameError("format", format, ["auto", *FORMATS])
    text = _decode(path, _read(path))
    chosen = _detect(path, text) if format == "auto" else format
    if chosen == PREDICTIONS:
        if system is not None:
            raise PredictionsError(f"{path}: ids name no system; leave out --system {system}")
        header, predictions, notes = read_identified(path, text, examples)
        return Imported(header, predictions, PREDICTIONS, None, notes)
    layout = LAYOUTS[chosen]
    system = choose_system(layout, system)
    records, notes = align(path, layout.read(text, system, str(path)), examples, layout)
    rows = [_prediction(r, e.id) for r, e in zip(records, examples, strict=True)]
    return Imported(None, tuple(rows), chosen, system, notes)


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise PredictionsError(f"{path}: is a folder; name the file of predictions in it")
        if not path.is_file():
            raise PredictionsError(f"{path}: no such predictions file")
        size = path.stat().st_size
        if size > _MAX_FILE:
            raise PredictionsError(f"{path}: {size:,} bytes, more than {_MAX_FILE:,}; split it")
        return path.read_bytes()
    except OSError as error:
        raise PredictionsError(f"{path}: cannot be read ({error.strerror or error})") from error


def _decode(path: Path, data: bytes) -> str:
    if not data.strip():
        raise PredictionsError(f"{path}: holds no prediction")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PredictionsError(
            located(path, line, "not UTF-8 text; save the file as UTF-8")
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise PredictionsError(located(path, line, "binary data, text was expected"))
    for number, content in enumerate(text.split("\n"), 1):
        if len(content) > _MAX_LINE:
            raise PredictionsError(located(path, number, f"longer than {_MAX_LINE} characters"))
    return text


def _detect(path: Path, text: str) -> str:
    head = text.lstrip()[:20_000]
    if head.startswith("{"):
        return PREDICTIONS
    for layout in LAYOUTS.values():
        if layout.detect is not None and layout.detect(head):
            return layout.name
    if head.startswith("[") and head[1:].lstrip().startswith("{"):
        raise PredictionsError(
            f'{path}: a JSON list of no known layout; write one {{"id", "response"}} object a line'
        )
    return "lines"


def _prediction(record: Record, identifier: str) -> Prediction:
    answered = record.response or record.emotion or record.strategy
    return Prediction(
        id=identifier,
        response=record.response or None,
        emotion=record.emotion,
        strategy=record.strategy,
        raw=record.raw,
        error=None if answered else "empty reply",
        file_reference=record.reference,
        file_emotion=record.gold,
    )
