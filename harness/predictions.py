"""predictions.jsonl: what one model said for one example set, one JSON object a line.

The first line is the header (what was asked, of whom, under which settings); every other line is
one prediction. The file is append-only and flushed per batch. A prediction that failed is a row
with an `error`, never a missing row. Nothing that differs between two equal runs (times, host
names, speeds) is written here, so that a resumed file equals an uninterrupted one byte for byte.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import PredictionsError, located
from harness.files import canonical_json
from harness.jsonl import AppendOnly, brief, read_lines

__all__ = ["SCHEMA", "Header", "Prediction", "PredictionWriter", "read_predictions"]

SCHEMA = "empathy-bench/predictions/1"
FILE_NAME = "predictions.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the rows of a file have in common, and all that their values depend on.

    `fingerprint` and `size` are those of the example set asked for, after `limit`.
    `model` is the model card, `generation` its decoding settings, `prompt` the prompt's name,
    version, few-shot count, chat-template switch and hash.
    """

    task: str
    task_version: int
    example_set: str
    fingerprint: str
    size: int
    limit: int | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    generation: Mapping[str, Any] = field(default_factory=dict)
    prompt: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    harness_version: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    def differences(self, other: Header) -> list[str]:
        """The fields in which the two headers differ, as `name: mine ≠ theirs`."""
        mine, theirs = self.to_json(), other.to_json()
        return [
            f"{key}: {brief(mine[key])} ≠ {brief(theirs[key])}"
            for key in mine
            if canonical_json(mine[key]) != canonical_json(theirs[key])
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model said for one example.

    `response`, `emotion`, `strategy`: the parsed answer, each where the task asks for it.
    `emotion_scores`, `strategy_scores`: log-probability per label, summed over its tokens, nats.
    `raw`: the unparsed reply, where parsing changed it. `error`: why there is no answer.
    `reference_nll`: -ln p(reference | context) under the model, nats, summed over its tokens;
    `reference_tokens`, `reference_words`: the reference's length in model tokens and in words.
    `reference_surcharge`: the part of `reference_nll` that spells words which the model's closed
    vocabulary lacks; absent where the vocabulary is open.
    `file_reference`, `file_emotion`: reference and gold label as an imported file prints them;
    legacy profiles score on them.
    """

    id: str
    response: str | None = None
    emotion: str | None = None
    emotion_scores: Mapping[str, float] | None = None
    strategy: str | None = None
    strategy_scores: Mapping[str, float] | None = None
    trace: Mapping[str, Any] | None = None
    raw: str | None = None
    error: str | None = None
    reference_nll: float | None = None
    reference_tokens: int | None = None
    reference_words: int | None = None
    reference_surcharge: float | None = None
    file_reference: str | None = None
    file_emotion: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The row without its empty fields."""
        row = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {key: value for key, value in row.items() if value is not None}


_HEADER_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("task", "example_set", "fingerprint", "harness_version"), (str,)),
    **dict.fromkeys(("task_version", "size", "seed"), (int,)),
    **dict.fromkeys(("model", "generation", "prompt"), (dict,)),
    "limit": (int, type(None)),
}
_TEXT = {"response", "emotion", "strategy", "raw", "error", "file_reference", "file_emotion"}
_SCORES = {"emotion_scores", "strategy_scores"}
_COUNTS = {"reference_tokens", "reference_words"}
_NATS = {"reference_nll", "reference_surcharge"}
_KNOWN = {f.name for f in dataclasses.fields(Prediction)}


def parse_prediction(row: object, place: str) -> Prediction:
    """Check one decoded row against the schema; unknown keys are ignored.

    Raises:
        PredictionsError: naming `place`, the key, the value found and the type expected.
    """
    if not isinstance(row, dict):
        raise PredictionsError(f"{place}: expected a JSON object, found {brief(row)}")
    if not isinstance(row.get("id"), str) or not row["id"]:
        raise PredictionsError(f'{place}: needs an "id" (text), found {brief(row.get("id"))}')
    kept = {key: value for key, value in row.items() if key in _KNOWN and value is not None}
    for key, value in kept.items():
        wanted = _wanted(key, value)
        if wanted:
            raise PredictionsError(f'{place}: "{key}" must be {wanted}, found {brief(value)}')
    if not kept.keys() & {"response", "emotion", "strategy", "error", "trace"}:
        raise PredictionsError(
            f'{place}: needs one of "response", "emotion", "strategy" or "error"; '
            f"found the keys {', '.join(sorted(map(str, row)))}"
        )
    return Prediction(**kept)


def _wanted(key: str, value: object) -> str | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if key in _TEXT and not isinstance(value, str):
        return "text"
    if key in _SCORES and not (
        isinstance(value, dict)
        and all(isinstance(v, (int, float)) and v == v for v in value.values())
    ):
        return "an object of label: number"
    if key == "trace" and not isinstance(value, dict):
        return "an object"
    if key in _NATS and not (number and 0 <= value < float("inf")):  # type: ignore[operator]
        return "a number of at least 0"
    if key in _COUNTS and not (number and isinstance(value, int) and value >= 0):
        return "a whole number of at least 0"
    return None


def read_predictions(path: Path) -> tuple[Header | None, list[Prediction]]:
    """The header (None for a plain `{"id", "response"}` file) and the rows, in file order.

    Raises:
        PredictionsError: missing or empty file, torn or malformed line, duplicate id.
    """
    if not path.is_file():
        raise PredictionsError(f"{path}: no such predictions file")
    header: Header | None = None
    rows: list[Prediction] = []
    seen: dict[str, int] = {}
    for number, value in read_lines(path, error=PredictionsError):
        if number == 1 and isinstance(value, dict) and "schema" in value:
            header = parse_header(value, located(path, 1, "header"))
            continue
        row = parse_prediction(value, f"{path}:{number}")
        if row.id in seen:
            raise PredictionsError(
                located(path, number, f"id {row.id!r} stands already on line {seen[row.id]}")
            )
        seen[row.id] = number
        rows.append(row)
    if not rows:
        raise PredictionsError(f"{path}: holds no prediction")
    return header, rows


def parse_header(value: Mapping[str, Any], place: str) -> Header:
    """Check a decoded first line.

    Raises:
        PredictionsError: another schema version, or a missing field.
    """
    if value.get("schema") != SCHEMA:
        raise PredictionsError(
            f"{place}: schema {brief(value.get('schema'))} is not {SCHEMA!r}; "
            "score the file with the version that wrote it, or remove its first line"
        )
    fields = {f.name: f for f in dataclasses.fields(Header)}
    missing = [name for name in ("task", "task_version", "fingerprint") if name not in value]
    if missing:
        raise PredictionsError(f"{place}: lacks {', '.join(missing)}")
    kept = {key: item for key, item in value.items() if key in fields}
    for key, item in kept.items():
        if not isinstance(item, _HEADER_TYPES[key]) or isinstance(item, bool):
            raise PredictionsError(f"{place}: {key} cannot be {brief(item)}")
    fields_found: dict[str, Any] = {"example_set": "", "size": 0} | kept
    return Header(**fields_found)


class PredictionWriter:
    """The append-only store behind one predictions.jsonl; a context manager.

    Opening takes an exclusive lock, so that two processes never write one file. With `resume`, a
    torn last line is cut off and `done` holds the rows already there.

    Raises:
        PredictionsError: the file exists and `resume` is off, or its header differs.
        StorageError: the file is locked by another process, or the disk refuses.
    """

    def __init__(self, path: Path, header: Header, *, resume: bool = False) -> None:
        self.path = path
        self.header = header
        self.done: dict[str, Prediction] = {}
        self._file = AppendOnly(path, resume=resume, error=PredictionsError)

    def __enter__(self) -> PredictionWriter:
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(self._file)
            if file.empty:
                file.append([self.header.to_json()])
            else:
                self._adopt()
            opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def append(self, rows: Iterable[Prediction]) -> None:
        """Write rows and wait until the disk has them."""
        self._file.append([row.to_json() for row in rows])

    def _adopt(self) -> None:
        """Take over what an earlier run left."""
        header, rows = _read_or_empty(self.path)
        if header is None:
            raise PredictionsError(f"{self.path} has no header, so it cannot be resumed")
        differing = self.header.differences(header)
        if differing:
            raise PredictionsError(
                f"{self.path} was made by another run ({'; '.join(differing)}); "
                "repeat that run's settings or choose another --output"
            )
        self.done = {row.id: row for row in rows}


def _read_or_empty(path: Path) -> tuple[Header | None, list[Prediction]]:
    with path.open("rb") as file:
        first = file.readline()
        if not file.readline():
            return parse_header(json.loads(first), f"{path}:1"), []
    return read_predictions(path)
