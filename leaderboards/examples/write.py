"""A page of examples for each table of a board that has predictions at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.results import Result
from leaderboards.examples.gather import Browser, gather
from leaderboards.examples.page import render_examples
from leaderboards.examples.verdicts import Verdicts
from leaderboards.table import Table

__all__ = ["with_answers", "write_examples"]


def with_answers(tables: Sequence[Table], answers: Mapping[str, Path]) -> list[Table]:
    """Those of `tables` of which any row's predictions are at hand."""
    return [table for table in tables if any(row.id in answers for row in table.rows)]


def write_examples(
    folder: Path,
    tables: Sequence[Table],
    results: Sequence[Result],
    answers: Mapping[str, Path],
    *,
    verdicts: Verdicts,
    data: str | None = None,
) -> Iterator[tuple[Path, Browser]]:
    """Write `<slug>.html` for each of `tables`, with a progress bar, and say what is in it.

    Raises:
        InputError: a table has no predictions at hand.
        DataError: the examples are not found.
        StorageError: the disk refuses.
    """
    from harness.commands import show
    from harness.pages import write_page

    for table in tables:
        with show.progress_bar(f"comparing {table.label}", quiet=False) as progress:
            browser = gather(
                table, results, answers, verdicts=verdicts, data=data, progress=progress
            )
        path = folder / f"{table.slug}.html"
        write_page(path, render_examples(browser))
        yield path, browser
