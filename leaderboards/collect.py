"""Results for a board: from folders, from MLflow, each measured thing once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from harness.errors import InputError
from harness.results import FILE_NAME, Result, read_result

__all__ = ["collect", "newest", "read_folders"]


def collect(
    paths: Sequence[Path],
    *,
    mlflow: str | None = None,
    task: str | None = None,
    data: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Result]:
    """Every result below `paths` and in the MLflow store, newest of each id, newest first.

    `task` is a name or a pattern of names (`fnmatch`).

    Submissions below `paths` are checked and scored again, on the examples found by `data`;
    `progress` is told which.

    Raises:
        InputError: no result anywhere, none of `task`, a path that does not exist, a damaged
            result file.
        TrackingError: the MLflow store cannot be reached.
    """
    if not paths and mlflow is None:
        raise InputError("no results given: name result folders, or a store with --mlflow URI")
    from leaderboards.submissions.sources import rescored

    found = read_folders(paths) + rescored(paths, data=data, progress=progress)
    if mlflow is not None:
        from harness.tracking import load_results

        found += load_results(mlflow)
    if not found:
        places = ", ".join([*map(str, paths), *([mlflow] if mlflow else [])])
        raise InputError(
            f"no {FILE_NAME} found in {places}; "
            "`empathy-bench run` and `empathy-bench score` write it"
        )
    return _of_task(newest(found), task)


def _of_task(results: list[Result], pattern: str | None) -> list[Result]:
    if pattern is None:
        return results
    wanted = [result for result in results if fnmatchcase(result.task, pattern)]
    if not wanted:
        tasks = ", ".join(sorted({result.task for result in results}))
        raise InputError(f"--task {pattern}: no results of it; there are {tasks}")
    return wanted


def read_folders(paths: Iterable[Path]) -> list[Result]:
    """Every result file below the given folders; a path may also be a result file itself.

    Submissions are passed over: a result file that a stranger put there is no result of ours.

    Raises:
        InputError: a path that does not exist, or a file that is no readable result.
    """
    from leaderboards.submissions.sources import is_archive, own_results

    results: list[Result] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such folder or result file")
        if is_archive(path):
            continue
        files = own_results(path) if path.is_dir() else [path]
        results += map(read_result, files)
    return results


def newest(results: Iterable[Result]) -> list[Result]:
    """One result per `Result.id`, the latest scoring of it; newest first."""
    latest: dict[str, Result] = {}
    for result in results:
        known = latest.get(result.id)
        if known is None or _moment(result) > _moment(known):
            latest[result.id] = result
    return sorted(latest.values(), key=lambda result: (_moment(result), result.id), reverse=True)


def _moment(result: Result) -> datetime:
    """When it was scored; an undated result counts as older than any other."""
    try:
        moment = datetime.fromisoformat(result.created)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
