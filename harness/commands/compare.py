"""`compare`: what may be claimed about the difference of two or more runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands import options as o
from harness.commands import show

if TYPE_CHECKING:
    from harness.comparison import Comparison
    from harness.statistics import Rank

__all__ = ["compare"]


class Correction(StrEnum):
    """How p-values are adjusted for their number."""

    holm = "holm"
    bh = "bh"


class Test(StrEnum):
    """Where p-values come from."""

    randomisation = "randomisation"
    bootstrap = "bootstrap"


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders or predictions.jsonl; the first is the baseline."),
    ],
    data: o.Data = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            help="Only these, comma-separated; NAME:ARGUMENT for those on demand "
            "(`empathy-bench list metrics`).",
        ),
    ] = None,
    profile: o.Profile = "harness",
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Each run against each, not only against the first.")
    ] = False,
    correction: Annotated[
        Correction,
        typer.Option(
            "--correction",
            help="holm: no false claim at all, with 95 % probability; bh: at most 5 % of the "
            "claims are false on average, for exploring.",
        ),
    ] = Correction.holm,
    test: Annotated[
        Test,
        typer.Option(
            "--test",
            help="Swap the systems' outputs at random, or resample dialogues and look where "
            "the difference goes.",
        ),
    ] = Test.randomisation,
    seed: Annotated[int, typer.Option("--seed", help="Fixes the resampling.")] = 0,
    resamples: Annotated[
        int | None,
        typer.Option(
            "--resamples",
            min=100,
            help="Default 2000, or more where many comparisons need it.",
            show_default=False,
        ),
    ] = None,
    json: o.Json = False,
) -> None:
    """Paired differences with intervals, adjusted p-values, ranks, and what may be claimed.

    Example: empathy-bench compare runs/ed_response/constant runs/ed_response/my-model
    """
    from harness.comparison import compare_runs

    wanted = [part.strip() for part in metrics.split(",")] if metrics else None
    with show.progress_bar("comparing", quiet=json) as progress:
        found = compare_runs(
            runs,
            data=data,
            names=wanted,
            profile=profile,
            seed=seed,
            resamples=resamples,
            test=test.value,
            correction=correction.value,
            all_pairs=all_pairs,
            progress=progress,
        )
    if json:
        show.print_json([item.to_json() for item in found])
        return
    for baseline, system in dict.fromkeys((item.baseline, item.system) for item in found):
        _print([item for item in found if (item.baseline, item.system) == (baseline, system)])
    _print_ranks(found)


def _print(found: list[Comparison]) -> None:
    """One pair: its table, then its sentences."""
    rows = [
        [
            f"{item.metric} {show.arrow(item.direction)}",
            show.number(item.baseline_value),
            show.number(item.system_value),
            _with_interval(item),
            f"{item.p_adjusted:.4f}",
            show.number(item.detectable),
            item.verdict,
        ]
        for item in found
    ]
    first = found[0]
    adjusted = {"holm": "Holm", "bh": "BH"}[first.correction]
    heads = ["metric", first.baseline, first.system, "difference [95 %]", f"p ({adjusted})"]
    title = f"{first.system} against {first.baseline}, {first.n:,} examples of "
    title += f"{first.dialogues:,} dialogues"
    show.table(title, [*heads, "detectable", "verdict"], rows, right={1, 2, 3, 4, 5})
    if first.standard_error is None and all(item.low is None for item in found):
        typer.echo(f"{first.dialogues:,} dialogues are too few for an interval or a claim.")
        typer.echo()
        return
    typer.echo(
        "detectable: the smallest difference that would have been seen with 80 % probability, were "
        "it the only comparison."
    )
    typer.echo("What may be said:")
    for item in found:
        if item.verdict != "equal":
            typer.echo(f"- {item.claim}")
    equal = [item.metric for item in found if item.verdict == "equal"]
    if equal:
        typer.echo(f"- {first.system} and {first.baseline} are equal here on {', '.join(equal)}")
    typer.echo()


def _print_ranks(found: list[Comparison]) -> None:
    """Of three systems or more: how sure their order is, metric by metric."""
    ranks: dict[str, dict[str, Rank]] = {}
    for item in found:
        sides = ((item.baseline, item.baseline_rank), (item.system, item.system_rank))
        for name, rank in sides:
            if rank is not None:
                ranks.setdefault(f"{item.metric} {show.arrow(item.direction)}", {})[name] = rank
    if not ranks:
        return
    names = list(dict.fromkeys(name for row in ranks.values() for name in row))
    rows = [[metric, *(_rank(row[name]) for name in names)] for metric, row in ranks.items()]
    title = "Rank [95 %], chance of being best"
    show.table(title, ["metric", *names], rows, right=set(range(1, len(names) + 1)))


def _rank(rank: Rank) -> str:
    return f"{rank.rank} [{rank.low}–{rank.high}] {100 * rank.p_best:.0f} %"


def _with_interval(item: Comparison) -> str:
    if item.low is None or item.high is None:
        return f"{item.difference:+.2f}"
    return f"{item.difference:+.2f} [{item.low:+.2f}, {item.high:+.2f}]"
