"""Have the store ready by the time the work is done: a new database is made in a child process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import TrackingError
from harness.files import disk_errors
from harness.tracking import database as database_program
from harness.tracking.database import is_ready
from harness.tracking.store import Store, database_path, is_main_process

__all__ = ["Preparation", "prepare", "prepare_in_background"]

_NICENESS = 10


@dataclass(frozen=True, slots=True)
class Preparation:
    """A database in the making; `process` is None where there is nothing to make."""

    store: Store
    process: subprocess.Popen[bytes] | None = None
    log: IO[bytes] | None = None

    def wait(self, timeout: float | None = None) -> None:
        """Wait for the child, at most `timeout` seconds; its failure shows when tracking starts."""
        if self.process is not None:
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                return

    def finish(self) -> None:
        """Wait for the child.

        Raises:
            TrackingError: the database could not be made.
        """
        self.wait()
        if self.process is not None and self.process.returncode:
            code = self.process.returncode
            raise TrackingError(f"cannot create {self.store.label}: {self._cause(code)}")

    def _cause(self, code: int) -> str:
        """The line that names the exception; libraries add links and advice below it."""
        if self.log is None:
            return f"exit code {code}"
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").splitlines()
        named = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Timeout)\b", line)]
        return (named or lines or [f"exit code {code}"])[-1]


def prepare(store: Store) -> None:
    """Create the SQLite database of `store` if there is none; other stores need nothing.

    Raises:
        TrackingError: the database could not be made.
    """
    _start(store, niceness=0).finish()


def prepare_in_background(store: Store) -> Preparation:
    """Start `prepare` in a child of low priority, to run while a model works."""
    return _start(store, niceness=_NICENESS)


def _start(store: Store, *, niceness: int) -> Preparation:
    path = database_path(store.tracking_uri)
    if path is None or not is_main_process() or is_ready(path):
        return Preparation(store)
    artifacts = str(store.artifacts)
    # -P: the program's own folder must not shadow the libraries that MLflow imports.
    command = [sys.executable, "-P", str(Path(database_program.__file__)), str(path), artifacts]
    with disk_errors(tempfile.gettempdir()):
        log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C stops the evaluation, not a half-made database.
    )
    if niceness:
        os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
    return Preparation(store, process, log)
