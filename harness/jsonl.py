"""Append-only files of JSON lines: one writer, no torn line, on disk before it counts."""

from __future__ import annotations

import fcntl
import io
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.errors import InputError, StorageError, located
from harness.files import disk_errors

__all__ = ["AppendOnly", "brief", "read_lines"]


class AppendOnly:
    """The writer of one file; a context manager that takes an exclusive lock.

    With `resume`, a torn last line is cut off and new lines follow what is there; `empty` says
    whether anything is. `advice` ends the message that refuses a file which is there already.

    Raises:
        InputError: the file exists and `resume` is off (as `error`).
        StorageError: the file is locked by another process, or the disk refuses.
    """

    def __init__(
        self, path: Path, *, resume: bool = False, error: type[InputError] = InputError
    ) -> None:
        self.path = path
        self.empty = True
        self._resume = resume
        self._error = error
        self._file: io.FileIO | None = None

    def __enter__(self) -> Self:
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what a full disk refused must not be written again on close.
            self._file = self.path.open("ab", buffering=0)
        try:
            self._lock()
            self._mend()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows and wait until the disk has them."""
        assert self._file is not None
        data = b"".join(
            json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n" for row in rows
        )
        with disk_errors(self.path):
            while data:
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())

    def _lock(self) -> None:
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"{self.path} is being written by another process; "
                "wait for it or choose another --output"
            ) from error

    def _mend(self) -> None:
        assert self._file is not None
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(f"{self.path} is not a regular file; choose another --output")
        if status.st_size and not self._resume:
            raise self._error(
                f"{self.path} exists already; "
                "add --resume to go on with it, or choose another --output"
            )
        kept = self._intact()
        if kept < status.st_size:
            with disk_errors(self.path):
                self._file.truncate(kept)
        self.empty = not kept

    def _intact(self) -> int:
        """Bytes up to and including the last newline: what follows it is a torn line."""
        kept = 0
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    kept += len(line)
        return kept


def read_lines(path: Path, *, error: type[InputError] = InputError) -> Iterator[tuple[int, object]]:
    """(line number, decoded JSON) of every line that is not blank.

    Raises:
        InputError: a line is no JSON (as `error`), naming file, line and what was found.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as bad:  # not JSON, not UTF-8, a number too long
                found = brief(line.decode(errors="replace"))
                hint = "" if line.endswith(b"\n") else " (the file ends inside this line)"
                raise error(located(path, number, f"not a JSON object: {found}{hint}")) from bad


def brief(value: object, width: int = 80) -> str:
    """`value` on one line, cut to `width`, quoted where it is text: for messages."""
    text = " ".join((value if isinstance(value, str) else repr(value)).split())
    text = text[:width] + ("…" if len(text) > width else "")
    return repr(text) if isinstance(value, str) else text
