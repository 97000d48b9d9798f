"""Which files each result of a board was made of, found by what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from harness.files import sha256_file
from harness.predictions import FILE_NAME
from harness.results import ARTIFACTS, Result

__all__ = ["find_answers", "find_files"]

_NAMES = {"predictions": FILE_NAME, "verdicts": "verdicts.jsonl"}


def find_answers(
    paths: Iterable[Path], results: Sequence[Result], *, mlflow: str | None = None
) -> dict[str, Path]:
    """Result id → predictions file below `paths` or in the store, whose hash the result names.

    A file whose content has changed since its scoring is not found; MLflow's copies of run
    folders are passed over.

    Raises:
        StorageError: a file cannot be read.
        TrackingError: the MLflow store cannot be read.
    """
    found = find_files(paths, results, role="predictions")
    lacking = [result for result in results if result.id not in found]
    if mlflow is not None and lacking:
        from harness.tracking import load_answers

        found |= load_answers(mlflow, lacking)
    return found


def find_files(
    paths: Iterable[Path], results: Sequence[Result], *, role: Literal["predictions", "verdicts"]
) -> dict[str, Path]:
    """Result id → the file below `paths` whose hash the result names for that role.

    Raises:
        StorageError: a file cannot be read.
    """
    wanted: dict[str, list[str]] = {}
    for result in results:
        digest = str(result.files.get(role, {}).get("sha256", ""))
        if digest:
            wanted.setdefault(digest, []).append(result.id)
    found: dict[str, Path] = {}
    for file in _files(paths, _NAMES[role]) if wanted else ():
        for identity in wanted.get(sha256_file(file), ()):
            found.setdefault(identity, file)
    return found


def _files(paths: Iterable[Path], name: str) -> list[Path]:
    files: dict[Path, None] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        below = sorted(folder.rglob(name)) if path.is_dir() else [folder / name]
        for file in below:
            if file.is_file() and ARTIFACTS not in file.relative_to(folder).parts:
                files[file] = None
    return list(files)
