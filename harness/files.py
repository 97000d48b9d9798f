"""Files that survive crashes: atomic replacement, hashes, and disk errors told in words."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import StorageError

__all__ = [
    "cache_directory",
    "canonical_json",
    "disk_errors",
    "sha256_file",
    "sha256_text",
    "write_atomic",
]

_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
    errno.EROFS: "the file system is read-only; choose another --output",
    errno.EACCES: "permission denied; choose a folder you may write",
    errno.EPERM: "permission denied; choose a folder you may write",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder, a file was expected",
    errno.EEXIST: "a file of this name stands where a folder is needed",
}


@contextlib.contextmanager
def disk_errors(path: str | Path) -> Iterator[None]:
    """Turn an OSError about `path` into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        raise StorageError(f"cannot write {path}: {advice}") from error


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` so that a crash leaves the old file or the new one.

    Raises:
        StorageError: the disk is full, read-only, or the folder may not be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise


def cache_directory() -> Path:
    """The folder for what can be made again: $XDG_CACHE_HOME/empathy-bench."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "empathy-bench"


def sha256_text(text: str) -> str:
    """The hash of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """The hash of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """The one JSON text of `value`: sorted keys, no spaces, non-ASCII kept, no NaN."""
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
