"""Sources → board: results collected, their predictions found, models ranked, tables made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.results import Result
from leaderboards.collect import collect
from leaderboards.examples.answers import find_answers
from leaderboards.reported import reported_rows
from leaderboards.standings import standings
from leaderboards.table import Board, build_board

__all__ = ["Assembled", "Sources", "assemble"]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a board is made of: folders and files, an MLflow store, of which tasks, on what data."""

    paths: tuple[Path, ...]
    mlflow: str | None = None
    task: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Assembled:
    """A board, the results it is made of, and the predictions at hand by result id."""

    board: Board
    results: list[Result]
    answers: dict[str, Path]


def assemble(
    sources: Sources,
    *,
    title: str,
    reported: bool = True,
    progress: Callable[[str], None] = lambda said: None,
) -> Assembled:
    """The board of `sources`; `progress` is told what is done that takes time.

    Raises:
        InputError: no result anywhere, a damaged one, or a submission with errors.
        TrackingError: the MLflow store cannot be read.
    """
    found = collect(
        sources.paths,
        mlflow=sources.mlflow,
        task=sources.task,
        data=sources.data,
        progress=lambda name: progress(f"checking {name}"),
    )
    answers = find_answers(sources.paths, found, mlflow=sources.mlflow)
    board = build_board(
        found,
        title=title,
        reported=reported_rows() if reported else (),
        standings=standings(found, answers, data=sources.data, progress=progress),
    )
    return Assembled(board, found, answers)
