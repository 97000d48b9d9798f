"""Makes a new MLflow SQLite database: complete or not at all, by one process, in two seconds.

MLflow runs all its migrations on a new database. Done in place, that waits for the disk hundreds
of times (10 s), and two processes that start together break each other's tables. Here one process
builds the file beside its place, without waiting for the disk, and moves it there when complete.

Run as a program (`python database.py FILE ARTIFACT_URI`), so that neither MLflow's import nor its
log lines reach the process that evaluates. It imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SQLITE_MAGIC", "database_uri", "is_ready", "locked"]

SQLITE_MAGIC = b"SQLite format 3\0"
LOCK_TIMEOUT_S = 120.0


def database_uri(path: Path) -> str:
    """The SQLAlchemy URI of a SQLite file; SQLAlchemy decodes % and ends the path at a ?."""
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def is_ready(database: Path) -> bool:
    """Whether the file holds MLflow's tables."""
    if not database.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as file:
            return bool(file.execute("SELECT version_num FROM alembic_version").fetchone())
    except sqlite3.Error:
        return False


@contextlib.contextmanager
def locked(database: Path, timeout: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the lock file beside `database`; it is freed even when its holder is killed.

    Raises:
        TimeoutError: another process held it for `timeout` seconds.
    """
    path = database.with_name(f"{database.name}.lock")
    end = time.monotonic() + timeout
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError(f"{path} is held by another process") from None
                time.sleep(0.02)
        yield


def create(database: Path, artifacts: str) -> None:
    """Create the tables in a draft and move it to its place, unless they are there already."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with locked(database):
        # A file with other contents is not ours to replace: MLflow itself will judge it.
        if database.exists() and database.stat().st_size:
            return
        draft = database.with_name(f".{database.name}.draft")
        leftovers = [draft, Path(f"{draft}-journal")]
        for path in leftovers:
            path.unlink(missing_ok=True)
        try:
            _migrate(draft, artifacts)
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(database)
        finally:
            for path in leftovers:
                path.unlink(missing_ok=True)


def _migrate(draft: Path, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def _without_waiting(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=MEMORY")

    store = SqlAlchemyStore(database_uri(draft), artifacts)
    store.engine.dispose()


if __name__ == "__main__":
    create(Path(sys.argv[1]), sys.argv[2])
