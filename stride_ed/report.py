"""What the steps print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from harness.commands import show

__all__ = ["note", "print_refined", "print_shares", "reasons"]


def print_refined(report: Mapping[str, Any]) -> None:
    """Weights, agreement, and what each evaluator's absence would change."""
    evaluators = report["evaluators"]
    names = [row["name"] for row in evaluators]
    rows = [
        [
            row["name"],
            f"{row['weight']:.3f}",
            f"[{row['low']:.3f}, {row['high']:.3f}]",
            *("" if name == row["name"] else show.number(row["rho"][name]) for name in names),
            f"{row['graded']:,}",
            f"{row['missing']:,}",
            show.number(row["without"]["rho"]),
            "–" if row["without"]["kept"] is None else f"{100 * row['without']['kept']:.0f} %",
        ]
        for row in evaluators
    ]
    heads = ["evaluator", "weight", "95 % interval", *(f"ρ {name}" for name in names), "graded",
             "missing", "without it: ρ", "kept alike"]  # fmt: skip
    show.table(f"weights by {report['scheme']}", heads, rows, right=set(range(1, len(heads))))
    typer.echo(
        f"effective evaluators: {report['effective']:.2f} by weight (1 / Σw²), "
        f"{report['independent']:.2f} by agreement (k / (1 + (k−1) ρ̄))"
    )
    typer.echo(
        f"{report['traces']:,} traces, {report['graded']:,} graded, {report['by_all']:,} by all "
        f"evaluators; the best {report['kept']:,} are kept"
    )
    for line in report["warnings"]:
        typer.secho(f"! {line}", fg=typer.colors.YELLOW)


def print_shares(card: Mapping[str, Any]) -> None:
    """Strategies before and after."""
    rows = [
        [
            row["strategy"],
            f"{row['pool']:,}",
            f"{100 * row['pool_share']:.1f} %",
            f"{row['wanted']:,}",
            f"{row['target']:,}",
            f"{row['drawn']:,}",
            f"{100 * row['drawn_share']:.1f} %",
        ]
        for row in card["shares"]
    ]
    heads = ["strategy", "refined", "share", "asked for", "possible", "drawn", "share"]
    counts = card["counts"]
    title = f"{counts['examples']:,} examples of {counts['dialogues']:,} dialogues"
    show.table(title, heads, rows, right=set(range(1, len(heads))))
    left_out = counts["left_out_held_out"]
    if left_out:
        typer.echo(f"{left_out:,} traces were left out: they occur in held-out dialogues")
    few = sorted(card["emotions"].items(), key=lambda pair: pair[1])[:3]
    typer.echo(
        f"{len(card['emotions'])} emotions; fewest: "
        + ", ".join(f"{name} {count}" for name, count in few)
    )
    if counts["beyond_target"]:
        typer.echo(f"{counts['beyond_target']} taken beyond a target, for an emotion's sake")


def reasons(errors: Sequence[str | None]) -> list[tuple[str, int]]:
    """How often each kind of failure occurred: the word before the colon."""
    return Counter((error or "").partition(":")[0] for error in errors).most_common()


def note(line: str) -> None:
    """A line on standard error, between bars."""
    typer.echo(line, err=True)
