"""The store of paid answers: a folder with two append-only JSONL files.

`answers.jsonl` holds answers only, by content address; `journal.jsonl` holds each start and each
failure. JSONL rather than SQLite: it is the format of every other record here, any tool reads it,
and nothing but appends is needed. A row is on disk before it counts; a torn last line is cut on
open; an exclusive lock refuses a second process. A start without an end was in flight at a crash
and may be paid twice: `in_flight` counts these, over all crashes.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.clients.types import Reply
from harness.errors import DataError, located
from harness.jsonl import AppendOnly, read_lines

__all__ = ["Cache"]


class Cache:
    """Answers by key; a context manager that holds the folder's lock.

    Raises:
        StorageError: another process holds the folder, or the disk refuses.
        DataError: a line is damaged, naming file and line.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers: dict[str, Reply] = {}
        self.failures: Counter[str] = Counter()
        self.in_flight = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            files = [
                stack.enter_context(AppendOnly(self.folder / name, resume=True))
                for name in ("answers.jsonl", "journal.jsonl")
            ]
            self._answers, self._journal = files
            self._read()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(self, names: list[str]) -> None:
        """Note that these are about to be sent."""
        self._journal.append({"event": "start", "key": name} for name in names)

    def keep(self, name: str, reply: Reply) -> None:
        """Write what came: an answer once, a failure as often as it happens."""
        if reply.failure is not None:
            self._journal.append([{"event": "failure", "key": name, **asdict(reply)}])
            self.failures[name] += 1
        elif name not in self.answers:
            self._answers.append([{"key": name, **asdict(reply)}])
            self.answers[name] = reply

    def _read(self) -> None:
        for number, row in read_lines(self._answers.path, error=DataError):
            name, reply = _answer(row, self._answers.path, number)
            self.answers.setdefault(name, reply)
        begun: set[str] = set()
        for number, row in read_lines(self._journal.path, error=DataError):
            if not (isinstance(row, dict) and "event" in row and isinstance(row.get("key"), str)):
                raise DataError(located(self._journal.path, number, "no event; delete this line"))
            name = row["key"]
            if row["event"] == "failure":
                self.failures[name] += 1
                begun.discard(name)
            else:
                # Begun again without an end: what was under way then may have been paid.
                self.in_flight += name in begun
                begun.add(name)
        self.in_flight += len(begun - self.answers.keys())


def _answer(row: Any, path: Path, number: int) -> tuple[str, Reply]:
    try:
        fields = dict(row)
        name = fields.pop("key")
        if not isinstance(name, str) or not isinstance(fields.get("text"), str):
            raise ValueError("key and text are strings")
        logprobs = fields.pop("logprobs", None)
        reply = Reply(**fields, logprobs=None if logprobs is None else tuple(logprobs))
    except (TypeError, ValueError, KeyError) as bad:
        raise DataError(located(path, number, f"no answer ({bad}); delete this line")) from bad
    return name, reply
