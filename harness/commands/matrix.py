"""`matrix`: many runs from one file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands import options as o

if TYPE_CHECKING:
    from harness.matrix import Cell, Done

__all__ = ["matrix"]


def matrix(
    file: Annotated[
        Path, typer.Argument(help="YAML: models, tasks, seeds, judges.", show_default=False)
    ],
    output: o.Output = Path("runs"),
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, help="Cells at once: for endpoints and several GPUs.")
    ] = 1,
    mlflow: o.Mlflow = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and for how long; do nothing.")
    ] = False,
    json: o.Json = False,
) -> None:
    """Do every model on every task under every seed, then let judges read them.

    The file:

        models: [constant, smollm2, {model: "hf:./mine", max_tokens: 64}]
        tasks: [ed_response]
        seeds: [1, 2, 3]
        limit: 200
        options: {temperature: 0.7}
        judges: [{protocol: ed-absolute, judge: "openai:URL#NAME", items: 100}]

    A cell that fails stops no other; the same command does what is left. Exit code 1 if any failed.

    Example: empathy-bench matrix study.yaml -o study --dry-run
    """
    from dataclasses import asdict

    from harness.commands import show
    from harness.matrix import FILE_NAME, cells, execute, read_matrix, read_state

    planned = cells(read_matrix(file), output, mlflow=mlflow)
    state = read_state(output / FILE_NAME)
    if dry_run:
        _plan(planned, state, jobs)
        return
    count = 0

    def told(done: Done, anew: bool) -> None:
        nonlocal count
        count += 1
        if not json:
            how = f"{done.seconds:.0f} s" if anew else "from before"
            words = done.state if done.state == "done" else f"{done.state}: {done.why}"
            typer.echo(f"[{count}/{len(planned)}] {done.name}: {words} ({how})", err=True)

    found = execute(planned, output, jobs=jobs, told=told)
    if json:
        show.print_json([asdict(done) for done in found])
    else:
        _summary(found, output)
    if any(done.state != "done" for done in found):
        raise typer.Exit(1)


def _plan(planned: Sequence[Cell], state: dict[str, Done], jobs: int) -> None:
    from harness.commands import show
    from harness.matrix import known_seconds

    rows, left, unknown = [], 0.0, 0
    for cell in planned:
        seconds = known_seconds(cell, state)
        known = state.get(cell.name)
        done = known is not None and known.state == "done" and known.id == cell.id
        if not done:
            left += seconds or 0.0
            unknown += seconds is None
        rows.append([
            cell.name, "done" if done else known.state if known else "to do",
            "–" if seconds is None else f"{seconds:.0f} s",
        ])  # fmt: skip
    show.table(f"{len(planned)} cells", ["cell", "state", "takes"], rows, right={2})
    more = f", and {unknown} of which nothing is known yet" if unknown else ""
    typer.echo(f"left: about {left / jobs:.0f} s{more}")


def _summary(found: Sequence[Done], output: Path) -> None:
    from harness.commands import show
    from harness.results import read_result

    results = [
        read_result(Path(folder) / "result.json") for done in found for folder in done.folders
    ]
    groups: dict[object, list[object]] = {}
    for result in results:
        groups.setdefault(result.comparable_key, []).append(result)
    for group in groups.values():
        show.print_summary(group)  # type: ignore[arg-type]
    bad = [done for done in found if done.state != "done"]
    typer.echo(f"{len(found) - len(bad)} of {len(found)} cells done", err=True)
    for done in bad:
        typer.echo(f"  {done.state}: {done.name}: {done.why}", err=True)
    typer.echo(f"Next: empathy-bench leaderboard build {output}", err=True)
