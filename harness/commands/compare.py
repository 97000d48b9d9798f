"""`compare`: what may be claimed about the difference of two or more runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands import options as o
from harness.commands import show

if TYPE_CHECKING:
    from harness.comparison import Comparison

__all__ = ["compare"]


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders or predictions.jsonl; the first is the baseline."),
    ],
    data: o.Data = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Only these, comma-separated.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Fixes the resampling.")] = 0,
    resamples: Annotated[int, typer.Option("--resamples", min=100)] = 2000,
    json: o.Json = False,
) -> None:
    """Paired differences to the first run, with intervals and adjusted p-values.

    Example: empathy-bench compare runs/ed_response/constant runs/ed_response/my-model
    """
    from harness.comparison import compare_runs

    wanted = [part.strip() for part in metrics.split(",")] if metrics else None
    with show.progress_bar("comparing", quiet=json) as progress:
        found = compare_runs(
            runs, data=data, names=wanted, seed=seed, resamples=resamples, progress=progress
        )
    if json:
        show.print_json([item.to_json() for item in found])
        return
    _print(found)


def _print(found: list[Comparison]) -> None:
    for system in dict.fromkeys(item.system for item in found):
        rows = [
            [
                f"{item.metric} {show.arrow(item.direction)}",
                show.number(item.baseline_value),
                show.number(item.system_value),
                _with_interval(item),
                f"{item.p_adjusted:.4f}",
                item.verdict,
            ]
            for item in found
            if item.system == system
        ]
        baseline = found[0].baseline
        heads = ["metric", baseline, system, "difference [95 %]", "p (Holm)", "what may be said"]
        table_title = f"{system} against {baseline}, {found[0].n} examples"
        show.table(table_title, heads, rows, right={1, 2, 3, 4})


def _with_interval(item: Comparison) -> str:
    if item.low is None or item.high is None:
        return f"{item.difference:+.2f}"
    return f"{item.difference:+.2f} [{item.low:+.2f}, {item.high:+.2f}]"
