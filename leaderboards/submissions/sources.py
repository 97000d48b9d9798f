"""Submissions among what a board is built from: checked, then scored again, or the board stops."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import InputError
from harness.results import Result, result_files
from leaderboards.submissions.card import SYSTEM
from leaderboards.submissions.layout import MANIFEST, PARTIAL, SCHEMA
from leaderboards.submissions.limits import LIMITS, Refused, load_json, read_small

__all__ = ["is_archive", "own_results", "rescored", "stores"]

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
# <store>/<org__model>/<revision>/manifest.json, the store itself or its parent being given.
_PATTERNS = tuple("*/" * depth + MANIFEST for depth in range(4))


def is_archive(path: Path) -> bool:
    """Whether a file is a submission sent as one, by its name."""
    return path.is_file() and path.name.endswith(_ARCHIVES)


def stores(path: Path) -> list[Path]:
    """The submissions at or up to three folders below `path`; an archive is one itself."""
    if is_archive(path):
        return [path]
    found = {file.parent for pattern in _PATTERNS for file in path.glob(pattern)}
    partial = {folder for folder in found if folder.name.startswith(PARTIAL)}
    return sorted(folder for folder in found - partial if _is_ours(folder / MANIFEST))


def own_results(folder: Path) -> list[Path]:
    """Result files below `folder`, but for those in submissions.

    In a store every <org__model> folder is a stranger's, with a manifest or without.
    """
    roots = {submission.parent.parent for submission in stores(folder)}
    return [
        file
        for file in result_files(folder)
        if not any(_strange(file, root) for root in roots) and not _submitted(file)
    ]


def _strange(file: Path, root: Path) -> bool:
    return file.is_relative_to(root) and bool(SYSTEM.fullmatch(file.relative_to(root).parts[0]))


def _submitted(file: Path) -> bool:
    """Whether a manifest of ours stands beside a file or a folder higher."""
    above = (folder / MANIFEST for folder in list(file.parents)[:2])
    return any(manifest.is_file() and _is_ours(manifest) for manifest in above)


def rescored(
    paths: Iterable[Path],
    *,
    data: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Result]:
    """The results of every submission below `paths`, scored here.

    Equal predictions are scored once and kept in the user's cache. `progress` is told which
    submission and task is next.

    Raises:
        InputError: a submission has errors; names how many, and the first.
        DataError: the examples that were answered are not found.
    """
    found = [folder for path in paths for folder in stores(path)]
    if not found:
        return []
    from leaderboards.submissions.validate import Options, validate

    report = validate(found, Options(data=data, cached=True), progress=progress)
    if not report.ok:
        first = next(finding for finding in report.findings if finding.level == "error")
        raise InputError(
            f"{report.errors} errors in the submissions, the first: {first}\n"
            "see all with `empathy-bench leaderboard validate`; mend or remove what fails"
        )
    return list(report.results)


def _is_ours(path: Path) -> bool:
    """Whether a file called manifest.json says that it is a submission's.

    One too damaged to say anything counts as ours: better refused than passed over.
    """
    try:
        value = load_json(read_small(path, LIMITS.manifest))
    except Refused:
        return True
    return isinstance(value, dict) and value.get("schema") == SCHEMA
