"""The board as it is served: rebuilt when its sources change, kept when rebuilding fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from harness.errors import EmpathyBenchError
from harness.files import sha256_text
from harness.results import result_files
from leaderboards.assemble import Sources, assemble

__all__ = ["Copy", "Site", "sources_state"]


@dataclass(frozen=True, slots=True)
class Copy:
    """One built board: its files by path, and its version, a hash of what it shows."""

    files: dict[str, tuple[str, bytes]]
    version: str


class Site:
    """The newest good copy of a board, and who waits for the next.

    `problem` says why the last rebuild failed, "" if it did not.
    """

    def __init__(self, sources: Sources, *, title: str, say: Callable[[str], None]) -> None:
        self._sources = sources
        self._title = title
        self._say = say
        self._state = ""
        self._changed = threading.Condition()
        self.problem = ""
        self.copy = self._build()

    def refresh(self) -> None:
        """Rebuild if the sources have changed; a failure keeps the copy there is."""
        try:
            if sources_state(self._sources) == self._state:
                return
            copy, problem = self._build(), ""
        except EmpathyBenchError as error:
            copy, problem = self.copy, str(error)
        if problem and problem != self.problem:
            self._say(f"not rebuilt, the last board stays: {problem}")
        elif not problem and copy.version != self.copy.version:
            self._say("rebuilt")
        with self._changed:
            self.copy, self.problem = copy, problem
            self._changed.notify_all()

    def await_other(self, version: str, *, seconds: float) -> str:
        """The version that is served, as soon as it is not `version`, at last after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self.copy.version != version, timeout=seconds)
            return self.copy.version

    def _build(self) -> Copy:
        from leaderboards.links import run_links
        from leaderboards.markdown import render_markdown
        from leaderboards.page import render_page
        from leaderboards.submissions.record import board_record

        # Taken before reading: what changes meanwhile is seen the next time.
        state = sources_state(self._sources)
        made = assemble(self._sources, title=self._title, progress=self._say)
        links = run_links(made.results, self._sources)
        page = render_page(made.board, made.results, links, live=True)
        record = json.dumps(board_record(made.board, made.results), indent=1) + "\n"
        files = {
            "/": ("text/html", page.encode("utf-8", "replace")),
            "/board.md": ("text/markdown", render_markdown(made.board).encode("utf-8", "replace")),
            "/board.json": ("application/json", record.encode()),
        }
        self._state = state
        return Copy(files, sha256_text(page)[:16])


def sources_state(sources: Sources) -> str:
    """What changes whenever the sources do: names, sizes and times of files, runs of the store.

    Raises:
        TrackingError: the MLflow store cannot be read.
    """
    seen = []
    for path in sources.paths:
        files = [path]
        if path.is_dir():
            files = [*result_files(path), *sorted(path.rglob("manifest.json"))]
        for file in files:
            try:
                found = file.stat()
            except OSError:  # gone since it was listed
                continue
            seen.append(f"{file} {found.st_size} {found.st_mtime_ns}")
    if sources.mlflow is not None:
        from harness.tracking import store_state

        seen.append(store_state(sources.mlflow))
    return sha256_text("\n".join(seen))
