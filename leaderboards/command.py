"""`empathy-bench leaderboard`: results → one offline page, and the same tables in Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.options import Data
from leaderboards.examples import command as browsing
from leaderboards.exports import command as exports
from leaderboards.options import Mlflow, Task
from leaderboards.serving import command as serving
from leaderboards.submissions import command as submissions

__all__ = ["app", "build"]

app = typer.Typer(help="Build the leaderboard page; submit to it.", no_args_is_help=True)
app.command()(serving.serve)
app.command()(browsing.examples)
app.command()(exports.export)
app.command()(submissions.submit)
app.command()(submissions.validate)
app.command()(submissions.diff)


@app.callback()
def _group() -> None:
    """Build the leaderboard page; submit to it."""


@app.command()
def build(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders that hold result.json files, at any depth, or such files; stores of "
            "submissions, which are checked and scored again.",
            show_default=False,
        ),
    ] = None,
    mlflow: Mlflow = None,
    task: Task = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The page; its Markdown goes beside it.")
    ] = Path("board.html"),
    reported: Annotated[
        bool,
        typer.Option(
            "--reported/--no-reported", help="Beside full test sets, what papers printed."
        ),
    ] = True,
    examples: Annotated[
        bool,
        typer.Option(
            "--examples", help="Also a folder of pages with every answer, linked from the rows."
        ),
    ] = False,
    data: Data = None,
    title: Annotated[str, typer.Option("--title", help="Heading of the page.")] = (
        "Empathy leaderboard"
    ),
) -> None:
    """Put results side by side on one HTML page that opens from a file, offline.

    Example: empathy-bench leaderboard build runs/ --output board.html
    """
    from harness.errors import InputError
    from harness.files import write_atomic
    from leaderboards.assemble import Sources, assemble
    from leaderboards.examples.verdicts import find_verdicts
    from leaderboards.examples.write import with_answers, write_examples
    from leaderboards.links import answer_links, run_links, with_links
    from leaderboards.markdown import render_markdown
    from leaderboards.page import write_page
    from leaderboards.submissions.record import board_record

    markdown = output.with_suffix(".md")
    record = output.with_suffix(".json")
    if output in (markdown, record):
        ending = output.suffix
        raise InputError(
            f"--output {output} is the page, HTML: give it another ending than {ending}"
        )

    def said(name: str) -> None:
        typer.echo(name, err=True)

    sources = Sources(tuple(results or ()), mlflow=mlflow, task=task, data=data)
    made = assemble(sources, title=title, reported=reported, progress=said)
    board, found = made.board, made.results
    links = run_links(found, sources)
    if examples:
        folder = output.with_name(f"{output.stem}-examples")
        tables = with_answers(board.tables, made.answers)
        written = write_examples(
            folder, tables, found, made.answers,
            verdicts=find_verdicts(results or []), data=data,
        )  # fmt: skip
        for path, browser in written:
            links = with_links(links, answer_links(path, browser, beside=output))
            typer.echo(f"examples  {path}")
    write_page(output, board, found, links)
    write_atomic(markdown, render_markdown(board).encode("utf-8", "replace"))
    write_atomic(record, json.dumps(board_record(board, found), indent=1) + "\n")
    typer.echo(f"{board.size} results in {len(board.tables)} tables")
    typer.echo(f"page      {output}")
    typer.echo(f"markdown  {markdown}")
    typer.echo(f"data      {record}")
