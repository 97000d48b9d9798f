"""What annotators and evaluators said, one append-only file each.

    annotations.jsonl        header, then {"id", "trace" | "error", "mended"}
    scores/NAME.jsonl        header, then {"id", "values" | "error"}

The header holds everything that the rows depend on, and a file is only gone on with under an equal
one. A failure is a row with its reason, never a missing row; it is tried again by a new file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from harness.errors import InputError, located
from harness.files import canonical_json
from harness.jsonl import AppendOnly, brief, read_lines
from stride_ed.rubric import DIMENSIONS
from stride_ed.trace import Trace

__all__ = [
    "Annotation",
    "RecordFile",
    "Score",
    "annotation_file",
    "read_annotations",
    "read_scores",
    "score_file",
]

_SCHEMAS = {
    "annotations": "empathy-bench/stride-annotations/1",
    "scores": "empathy-bench/stride-scores/1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A trace of example `id`, or why there is none; `mended` names what was repaired."""

    id: str
    trace: Trace | None = None
    error: str | None = None
    mended: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"id": self.id}
        if self.trace is not None:
            found["trace"] = self.trace.to_json()
        else:
            found["error"] = self.error or "no trace"
        return found | ({"mended": list(self.mended)} if self.mended else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """An evaluator's grades of example `id`, 1 to 5 by dimension, or why there are none.

    A dimension that the evaluator does not judge is absent.
    """

    id: str
    values: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        if self.values:
            return {"id": self.id, "values": dict(self.values)}
        return {"id": self.id, "error": self.error or "no grade"}


class _Record(Protocol):
    @property
    def id(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...


R = TypeVar("R", bound=_Record)


class RecordFile(Generic[R]):
    """Appends records of one kind; a context manager. `done` holds the records there already.

    Raises:
        InputError: the file is there and `resume` is off, its header differs, or a row is damaged.
        StorageError: another process writes it, or the disk refuses.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        settings: Mapping[str, Any],
        parse: Callable[[Mapping[str, Any], str], R],
        *,
        resume: bool = False,
    ) -> None:
        self.path = path
        self.done: dict[str, R] = {}
        self._kind = kind
        self._settings = settings
        self._parse = parse
        self._file = AppendOnly(path, resume=resume)

    def __enter__(self) -> Self:
        self._file.__enter__()
        try:
            if self._file.empty:
                self._file.append([{"schema": _SCHEMAS[self._kind], "settings": self._settings}])
            else:
                settings, self.done = _read(self.path, self._kind, self._parse)
                _same(self.path, self._settings, settings)
        except BaseException:
            self._file.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def append(self, records: Iterable[R]) -> None:
        """Write records and wait until the disk has them."""
        new = list(records)
        self._file.append([record.to_json() for record in new])
        self.done |= {record.id: record for record in new}


def annotation_file(
    path: Path, settings: Mapping[str, Any], *, resume: bool
) -> RecordFile[Annotation]:
    """The store of one annotator's traces."""
    return RecordFile(path, "annotations", settings, _annotation, resume=resume)


def score_file(path: Path, settings: Mapping[str, Any], *, resume: bool) -> RecordFile[Score]:
    """The store of one evaluator's grades."""
    return RecordFile(path, "scores", settings, _score, resume=resume)


def read_annotations(path: Path) -> tuple[dict[str, Any], dict[str, Annotation]]:
    """Settings and annotations by id, in file order.

    Raises:
        InputError: no such file, another schema, a damaged row, an id twice.
    """
    return _read(path, "annotations", _annotation)


def read_scores(path: Path) -> tuple[dict[str, Any], dict[str, Score]]:
    """Settings and scores by id, in file order.

    Raises:
        InputError: no such file, another schema, a damaged row, an id twice.
    """
    return _read(path, "scores", _score)


def _read(
    path: Path, kind: str, parse: Callable[[Mapping[str, Any], str], R]
) -> tuple[dict[str, Any], dict[str, R]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; `empathy-bench stride --help` names the order")
    settings: dict[str, Any] | None = None
    found: dict[str, R] = {}
    for number, value in read_lines(path):
        if not isinstance(value, dict):
            raise InputError(located(path, number, f"expected an object, found {brief(value)}"))
        if settings is None:
            if value.get("schema") != _SCHEMAS[kind] or not isinstance(value.get("settings"), dict):
                raise InputError(
                    located(path, number, f"is no header of {_SCHEMAS[kind]}: {brief(value)}")
                )
            settings = value["settings"]
            continue
        if not isinstance(value.get("id"), str) or not value["id"]:
            raise InputError(located(path, number, f"needs an id, found {brief(value.get('id'))}"))
        record = parse(value, f"{path}:{number}")
        if record.id in found:
            raise InputError(located(path, number, f"id {record.id!r} stands here twice"))
        found[record.id] = record
    if settings is None:
        raise InputError(f"{path}: is empty")
    return settings, found


def _same(path: Path, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    differing = [
        f"{key}: {brief(mine.get(key))} ≠ {brief(theirs.get(key))}"
        for key in sorted(mine.keys() | theirs.keys())
        if canonical_json(mine.get(key)) != canonical_json(theirs.get(key))
    ]
    if differing:
        raise InputError(
            f"{path} was made by another run ({'; '.join(differing)}); "
            "repeat that run's settings or choose another folder"
        )


def _annotation(row: Mapping[str, Any], place: str) -> Annotation:
    trace, error = row.get("trace"), row.get("error")
    mended = row.get("mended", [])
    if not isinstance(mended, list) or not all(isinstance(name, str) for name in mended):
        raise InputError(f'{place}: "mended" must be a list of names, found {brief(mended)}')
    if isinstance(error, str) and trace is None:
        return Annotation(id=row["id"], error=error, mended=tuple(mended))
    try:
        made = Trace(**trace)  # type: ignore[arg-type]
    except (TypeError, ValueError, AttributeError) as bad:
        raise InputError(f"{place}: needs a trace or an error ({brief(str(bad))})") from bad
    return Annotation(id=row["id"], trace=made, mended=tuple(mended))


def _score(row: Mapping[str, Any], place: str) -> Score:
    values, error = row.get("values"), row.get("error")
    if isinstance(error, str) and values is None:
        return Score(id=row["id"], error=error)
    good = (
        isinstance(values, dict)
        and values
        and all(
            name in DIMENSIONS
            and isinstance(value, (int, float))
            and not isinstance(value, bool)
            and 1 <= value <= 5
            for name, value in values.items()
        )
    )
    if not good:
        raise InputError(
            f"{place}: needs values from 1 to 5 for some of {', '.join(DIMENSIONS)}, or an error; "
            f"found {brief(values)}"
        )
    return Score(id=row["id"], values={name: float(v) for name, v in values.items()})  # type: ignore[union-attr]
