"""How much of a submission is ever read: nobody's honest file comes near, and no file goes past."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from leaderboards.submissions.findings import shown

__all__ = ["LIMITS", "Limits", "Refused", "lines", "load_json", "open_plain", "read_small"]

_KIB, _MIB = 1 << 10, 1 << 20
_DEPTH = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds in bytes unless said otherwise.

    `ratio` is unpacked to packed size, asked once more than `ratio_from` bytes came out: JSON
    lines pack 4 to 40 times, bombs 1,000 times. `depth` counts folders, `rows` lines of a file.
    """

    archive: int = 256 * _MIB
    unpacked: int = 512 * _MIB
    members: int = 2_000
    directory: int = 1 * _MIB
    ratio: float = 200.0
    ratio_from: int = 4 * _MIB
    depth: int = 5
    card: int = 64 * _KIB
    manifest: int = 1 * _MIB
    claims: int = 16 * _MIB
    predictions: int = 64 * _MIB
    line: int = 1 * _MIB
    header: int = 64 * _KIB
    rows: int = 100_000


LIMITS = Limits()


class Refused(Exception):
    """Something untrusted went past a bound or out of its place; never leaves this package.

    `code` and `fix` become those of a finding.
    """

    def __init__(
        self, code: str, problem: str, *, fix: str = "", line: int | None = None, value: object = ""
    ) -> None:
        super().__init__(problem)
        self.code, self.problem, self.fix, self.line = code, problem, fix, line
        self.value = value


def open_plain(path: Path) -> int:
    """A descriptor of a regular file that is no link; never waits, as a pipe would make it.

    Raises:
        Refused: a link, pipe, device or folder, or a file that cannot be read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Refused(
            "unreadable", f"cannot be opened ({error.strerror})", fix="give a plain, readable file"
        ) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refused("not-a-file", "not a plain file", fix="remove it")
    return handle


def read_small(path: Path, limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes.

    Raises:
        Refused: larger, or no plain file.
    """
    with os.fdopen(open_plain(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(limit + 1) if size <= limit else b""
    if size > limit or len(data) > limit:
        raise Refused("too-large", f"{size:,} bytes, at most {limit:,} are read", value=size)
    return data


def lines(path: Path, limits: Limits = LIMITS) -> Iterator[tuple[int, bytes]]:
    """(line number, bytes) of every line that is not blank, never more than a line in memory.

    Raises:
        Refused: the file, a line, or the number of lines is past its bound; no plain file.
    """
    with os.fdopen(open_plain(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limits.predictions:
            raise Refused(
                "too-large",
                f"{size:,} bytes, at most {limits.predictions:,} are read",
                fix='leave out "raw" and "trace", or shorten them',
                value=size,
            )
        number = 0
        while line := file.readline(limits.line + 1):
            number += 1
            if len(line) > limits.line:
                raise Refused(
                    "long-line",
                    f"a line of more than {limits.line:,} bytes",
                    fix="write one JSON object a line; shorten the reply",
                    line=number,
                    value=line[:40].decode(errors="replace"),
                )
            if number > limits.rows:
                raise Refused("too-many-lines", f"more than {limits.rows:,} lines", line=number)
            if line.strip():
                yield number, line


def load_json(data: bytes, *, line: int | None = None) -> Any:
    """Decoded JSON, strictly: UTF-8, finite numbers, whole surrogate pairs, no key twice, not deep.

    Raises:
        Refused: anything else, nesting too deep for a parser included.
    """
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if b"\\ud" in data.lower():
            json.dumps(value, ensure_ascii=False).encode()
        if not _shallow(value):
            raise ValueError(f"nested more than {_DEPTH} deep")
        return value
    except (ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(
            "not-json",
            f"not a JSON object: {shown(problem)}",
            fix="write strict JSON in UTF-8",
            line=line,
            value=data[:60].decode(errors="replace"),
        ) from error


def _shallow(value: object) -> bool:
    """Whether containers are nested at most `_DEPTH` deep, so that whoever recurses may."""
    level = [value]
    for _ in range(_DEPTH + 1):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner += [part for part in item.values() if isinstance(part, dict | list)]
            elif isinstance(item, list):
                inner += [part for part in item if isinstance(part, dict | list)]
        if not inner:
            return True
        level = inner
    return False


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {shown(key, 40)!r} stands there twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(text, 40)} is too large a number")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
