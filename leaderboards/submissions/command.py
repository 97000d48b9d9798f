"""`leaderboard submit`, `validate`, `diff`: packing, checking, and what changed between boards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o

__all__ = ["diff", "submit", "validate"]


def submit(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders of one model, one for each task.", show_default=False),
    ],
    card: Annotated[
        Path,
        typer.Option("--model-card", help="YAML or JSON: name, revision, parameters, family, …"),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The store.")] = Path(
        "submissions"
    ),
    archive: Annotated[
        Path | None,
        typer.Option("--archive", help="Also as one file for sending: .zip or .tar.gz."),
    ] = None,
) -> None:
    """Pack predictions, protocol cards and a model card into the store.

    Example: empathy-bench leaderboard submit runs/ed_response/warm-7b --model-card card.yaml
    """
    from leaderboards.submissions.card import read_card
    from leaderboards.submissions.pack import check_archive_name, pack, write_archive

    if archive is not None:
        check_archive_name(archive)
    packed = pack(runs, read_card(card), output)
    if archive is not None:
        write_archive(packed.folder, archive)
    there = "" if packed.new else "  (there already, equal)"
    typer.echo(f"submission  {packed.folder}{there}")
    typer.echo(f"tasks       {', '.join(packed.tasks)}")
    if archive is not None:
        typer.echo(f"archive     {archive}")
    typer.echo(f"next        empathy-bench leaderboard validate {packed.folder}")


def validate(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Submissions, stores, archives (.zip, .tar.gz).", show_default=False),
    ],
    data: o.Data = None,
    rescore: Annotated[
        bool,
        typer.Option("--rescore/--no-rescore", help="Score the predictions and check claims."),
    ] = True,
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", min=0.0, help="Share of a score that a claim may be off by."),
    ] = 0.005,
    json: o.Json = False,
) -> None:
    """Check submissions as strangers' files: structure, ids, leaks, and claims against our scores.

    Exit code 1 where there is an error; warnings alone pass.

    Example: empathy-bench leaderboard validate submissions/
    """
    from harness.commands import show
    from leaderboards.submissions.validate import Options
    from leaderboards.submissions.validate import validate as check

    def said(name: str) -> None:
        if not json:
            typer.echo(f"checking {name}", err=True)

    options = Options(data=data, rescore=rescore, tolerance=tolerance)
    report = check(paths, options, progress=said)
    if json:
        show.print_json(report.to_json())
    else:
        for finding in report.findings:
            typer.echo(str(finding))
        warnings = sum(finding.level == "warning" for finding in report.findings)
        typer.echo(
            f"{report.submissions} submissions, {len(report.results)} results re-scored: "
            f"{report.errors} errors, {warnings} warnings"
        )
    if not report.ok:
        raise typer.Exit(1)


def diff(
    old: Annotated[Path, typer.Argument(help="board.json of the earlier board.")],
    new: Annotated[Path, typer.Argument(help="board.json of the later one.")],
    json: o.Json = False,
) -> None:
    """Say who moved between two boards, and why.

    Example: empathy-bench leaderboard diff board-1.json board.json
    """
    from harness.commands import show
    from leaderboards.submissions.diff import compare_boards
    from leaderboards.submissions.record import read_board

    changes = compare_boards(read_board(old), read_board(new))
    if json:
        show.print_json([change.to_json() for change in changes])
        return
    for change in changes:
        typer.echo(str(change))
    moved = sum(change.moved for change in changes)
    typer.echo(f"{len(changes)} rows changed, {moved} of them moved")
