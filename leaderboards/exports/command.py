"""`leaderboard export`: the board's numbers for spreadsheets, papers and READMEs."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Data
from leaderboards.options import Mlflow, Results, Task

__all__ = ["export"]


class Format(StrEnum):
    """What to write."""

    csv = "csv"
    json = "json"
    markdown = "markdown"
    latex = "latex"
    badges = "badges"
    every_eval_ever = "every-eval-ever"
    hub = "hub"


_FOLDERS = (Format.badges, Format.every_eval_ever, Format.hub)


def export(
    results: Results = None,
    format: Annotated[
        Format,
        typer.Option(
            "--format",
            "-f",
            help="csv: a row for each number; json: the board as data; markdown, latex: its tables "
            "(bold only where no other model can be as good); badges: an SVG for each model; "
            "every-eval-ever: its interchange records; hub: `.eval_results` files for the pages of "
            "models, of whole test sets only.",
        ),
    ] = Format.csv,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A file, or a folder for badges, every-eval-ever and hub; default: printed, or a "
            "folder of the format's name.",
            show_default=False,
        ),
    ] = None,
    task: Task = None,
    metrics: Annotated[
        str | None,
        typer.Option("--metrics", help="Of latex: these columns, comma-separated."),
    ] = None,
    mlflow: Mlflow = None,
    reported: Annotated[
        bool,
        typer.Option("--reported/--no-reported", help="Beside full sets, what papers printed."),
    ] = False,
    organization: Annotated[
        str, typer.Option("--organization", help="Of every-eval-ever: who provides these numbers.")
    ] = "unknown",
    data: Data = None,
    title: Annotated[str, typer.Option("--title", help="Heading.")] = "Empathy leaderboard",
) -> None:
    """Write the board's numbers in another form.

    Example: empathy-bench leaderboard export runs/ --format latex -o table.tex
    """
    from harness.errors import InputError
    from leaderboards.collect import collect
    from leaderboards.exports.badges import render_badges
    from leaderboards.exports.csv import render_csv
    from leaderboards.exports.every_eval_ever import render_every_eval_ever
    from leaderboards.exports.hub import render_hub
    from leaderboards.exports.latex import render_latex
    from leaderboards.markdown import render_markdown
    from leaderboards.reported import reported_rows
    from leaderboards.submissions.record import board_record
    from leaderboards.table import build_board

    found = collect(results or [], mlflow=mlflow, task=task, data=data)
    board = build_board(found, title=title, reported=reported_rows() if reported else ())
    if format in _FOLDERS:
        files = {
            Format.badges: lambda: render_badges(board),
            Format.every_eval_ever: lambda: render_every_eval_ever(
                found, organization=organization
            ),
            Format.hub: lambda: render_hub(found),
        }[format]()
        _write_files(output or Path(format.value), dict(files))
        return
    wanted = [part.strip() for part in metrics.split(",")] if metrics else []
    if wanted and format is not Format.latex:
        raise InputError(f"--metrics chooses columns of latex; {format.value} holds all of them")
    if format is Format.csv:
        text = render_csv(found)
    elif format is Format.json:
        text = json.dumps(board_record(board, found), indent=1) + "\n"
    elif format is Format.markdown:
        text = render_markdown(board)
    else:
        text = render_latex(board, metrics=wanted)
    _write(output, text)


def _write(output: Path | None, text: str) -> None:
    from harness.files import write_atomic

    data = text.encode()
    if output is None:
        typer.echo(data, nl=False)
        return
    write_atomic(output, data)
    typer.echo(f"written to {output}", err=True)


def _write_files(folder: Path, files: dict[str, str]) -> None:
    from harness.errors import InputError
    from harness.files import write_atomic

    if not files:
        raise InputError("no measured model has a number to write (hub: on a whole test set)")
    for name, text in files.items():
        write_atomic(folder / name, text)
    typer.echo(f"{len(files)} file{'s' if len(files) != 1 else ''} in {folder}", err=True)
