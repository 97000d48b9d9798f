"""`judge report`: what judges said, and what that says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.commands import options as o
from harness.commands import show
from harness.errors import InputError

__all__ = ["report"]


def report(
    folder: Annotated[
        Path, typer.Argument(help="judged/PROTOCOL, as judge run leaves it.", show_default=False)
    ],
    weights: Annotated[
        Literal["uniform", "consistency", "human"],
        typer.Option("--weights", help="Of several judges; human needs --human."),
    ] = "uniform",
    human: Annotated[
        str | None,
        typer.Option(
            "--human",
            help="Ratings of the same replies, as judge validate takes them: csv:FILE.",
            show_default=False,
        ),
    ] = None,
    criterion: Annotated[
        str, typer.Option("--criterion", help="The criterion of --human that judges answer to.")
    ] = "empathy",
    seed: o.Seed = 0,
    resamples: Annotated[
        int, typer.Option("--resamples", min=100, help="Of dialogues, for intervals.")
    ] = 1000,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page. [default: FOLDER/report.html]"),
    ] = None,
    json: o.Json = False,
) -> None:
    """Systems, controls, judges' likings for place and length, agreement, panels: a page.

    Example: empathy-bench judge report judged/ed-pairwise --weights consistency
    """
    from harness.judges.ratings import load_ratings
    from harness.judges.report import make_report, read_judged
    from harness.judges.report_page import write_report
    from harness.judges.report_sections import sections

    if (human is None) == (weights == "human"):
        raise InputError("--weights human and --human RATINGS belong together: give both or none")
    known = load_ratings(human).means(criterion) if human else None
    found = make_report(
        read_judged(folder), scheme=weights, human=known, seed=seed, resamples=resamples
    )
    page = output or folder / "report.html"
    write_report(found, page)
    if json:
        show.print_json(found.to_json())
        return
    for section in sections(found):
        show.table(section.title, section.heads, section.rows)
    for warning in found.warnings:
        typer.echo(f"! {warning}")
    typer.echo(f"{page}: plots and all numbers; open it in a browser, it needs no network")
