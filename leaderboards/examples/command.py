"""`leaderboard examples`: what stands behind a board's numbers, example by example."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Data
from leaderboards.options import Mlflow, Results, Task

__all__ = ["examples"]


def examples(
    results: Results = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A folder: one page for each table.")
    ] = Path("examples"),
    task: Task = None,
    mlflow: Mlflow = None,
    data: Data = None,
) -> None:
    """Browse what models answered, side by side: search, hardest examples, two models compared.

    Example: empathy-bench leaderboard examples runs/ --data DIR -o examples
    """
    from harness.errors import InputError
    from leaderboards.collect import collect
    from leaderboards.examples.answers import find_answers
    from leaderboards.examples.verdicts import find_verdicts
    from leaderboards.examples.write import with_answers, write_examples
    from leaderboards.table import build_board

    found = collect(results or [], mlflow=mlflow, task=task, data=data)
    answers = find_answers(results or [], found, mlflow=mlflow)
    tables = with_answers(build_board(found).tables, answers)
    if not tables:
        raise InputError(
            "no table with predictions at hand: give run folders (or --mlflow) that hold the "
            "predictions.jsonl their results were scored on"
        )
    verdicts = find_verdicts(results or [])
    written = write_examples(output, tables, found, answers, verdicts=verdicts, data=data)
    for path, browser in written:
        typer.echo(f"{path}  {len(browser.examples):,} examples, {len(browser.systems)} systems")
