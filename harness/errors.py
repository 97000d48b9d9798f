"""Every exception this project raises on purpose, in one tree.

    EmpathyBenchError            the work failed (exit code 1)
    └── InputError               what the user gave cannot be used (exit code 2)
        ├── DataError            a data set file: missing, wrong column, damaged line
        ├── PredictionsError     a predictions file: unknown or doubled id, torn line, other header
        ├── UnknownNameError     a task, model, metric … that does not exist; proposes the nearest
        ├── ModelError           a model that cannot be loaded or reached
        ├── TrackingError        an MLflow store that cannot be reached or written
        └── StorageError         a disk that is full, read-only, or used by another process

A message is one line: what was found, where (file, line, id), what was expected, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

__all__ = [
    "DataError",
    "EmpathyBenchError",
    "InputError",
    "ModelError",
    "PredictionsError",
    "StorageError",
    "TrackingError",
    "UnknownNameError",
    "located",
]


class EmpathyBenchError(Exception):
    """The work failed for a reason named in the message."""

    exit_code = 1


class InputError(EmpathyBenchError):
    """What the user gave cannot be used; nothing was written."""

    exit_code = 2


class DataError(InputError):
    """A data set is missing or not in the layout its reader expects."""


class PredictionsError(InputError):
    """A predictions file does not fit its schema or its example set."""


class ModelError(InputError):
    """A model cannot be loaded, or its endpoint cannot be reached."""


class TrackingError(InputError):
    """An MLflow store cannot be reached or written."""


class StorageError(InputError):
    """A file cannot be written: disk full, read-only, or held by another process."""


class UnknownNameError(InputError):
    """A name that is not registered; the message proposes what was probably meant."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}."
        super().__init__(f"unknown {kind} {name!r}. {hint}")


def located(path: str | Path, line: int | None, message: str) -> str:
    """`message` prefixed by the place it speaks of, as `file:line: message`."""
    return f"{path}:{line}: {message}" if line is not None else f"{path}: {message}"
