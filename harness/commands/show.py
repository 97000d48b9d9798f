"""What the terminal shows: progress bars, metric tables, plain JSON.

Model names, replies and paths come from outside; they are printed as text, never as markup.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from harness.results import MetricResult, Result

__all__ = [
    "arrow",
    "floor_warnings",
    "interval",
    "number",
    "print_json",
    "print_result",
    "print_summary",
    "progress_bar",
    "rich_progress",
    "table",
]

_HEADLINES = {
    *("bleu_4", "rouge_l", "dist_2", "length", "ppl_word"),
    *("emotion_accuracy", "emotion_macro_f1", "emotion_invalid_rate"),
    *("strategy_accuracy", "strategy_macro_f1", "strategy_invalid_rate"),
}
_ARROWS = {"higher": "↑", "lower": "↓", "none": " "}


def print_json(value: object) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def number(value: float | None, digits: int = 2) -> str:
    """`value`, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(metric: MetricResult) -> str:
    """The 95 % interval, or nothing."""
    if metric.low is None or metric.high is None:
        return ""
    return f"[{metric.low:.2f}, {metric.high:.2f}]"


def arrow(direction: str) -> str:
    """Which way is better."""
    return _ARROWS[direction]


def print_result(result: Result) -> None:
    """A result as a table: value, interval, direction, signature."""
    any_floors = any(metric.floors for metric in result.metrics)
    limit = result.protocol.get("size")
    title = f"{result.model['name']} · {result.task} v{result.task_version} · "
    title += f"{result.protocol['example_set']} (n={limit}) · {result.provenance}"
    rows = [
        [
            f"{metric.name} {arrow(metric.direction)}",
            number(metric.value)
            + (" %" if metric.unit == "percent" and metric.value is not None else ""),
            interval(metric),
            *([_best_floor(metric), number(metric.human)] if any_floors else []),
            metric.note or metric.signature,
        ]
        for metric in result.metrics
    ]
    heads = ["best floor", "human"] if any_floors else []
    right = {1, 3, 4} if any_floors else {1}
    table(title, ["metric", "value", "95 % interval", *heads, "signature"], rows, right=right)
    for line in _confusions(result):
        typer.echo(line)
    for line in floor_warnings(result.metrics):
        typer.secho(line, fg=typer.colors.YELLOW)


def _confusions(result: Result) -> list[str]:
    """The three commonest mistakes of each label; the whole matrix is in result.json."""
    lines = []
    for label, found in result.tables.items():
        commonest = [
            f"{c['gold']} → {c['predicted']} ({c['count']}, {c['share']:.0f} %)"
            for c in found.get("confusions", [])[:3]
        ]
        if commonest:
            lines.append(f"most often mistaken {label}: {'; '.join(commonest)}.")
    return lines


def _best_floor(metric: MetricResult) -> str:
    """The highest value that takes no model, where higher is better."""
    if metric.direction != "higher" or not metric.floors:
        return ""
    return number(max(metric.floors.values())) + (" !" if metric.beaten_by else "")


def floor_warnings(metrics: Sequence[MetricResult]) -> list[str]:
    """Which metrics cannot tell the system from answers that take no model, floor by floor."""
    beaten: dict[str, list[str]] = {}
    for metric in metrics:
        for name in metric.beaten_by:
            scores = f"{metric.name} {metric.floors[name]:.2f} over {number(metric.value)}"
            beaten.setdefault(name, []).append(scores)
    return [
        f"! {name} does better on {', '.join(lost)}: there, this number shows no skill."
        for name, lost in beaten.items()
    ]


def print_summary(results: Sequence[Result]) -> None:
    """Several models on one task: the headline metrics (of judges all), a model a row."""
    first = results[0]
    heads = [metric for metric in first.metrics if metric.name in _HEADLINES] or first.metrics
    rows = []
    for result in results:
        found = [result.metric(head.name) for head in heads]
        cells = [f"{number(m.value)} {interval(m)}".strip() if m else "–" for m in found]
        rows.append([str(result.model["name"]), *cells])
    size = first.protocol["size"]
    title = f"{first.task} v{first.task_version} · {first.protocol['example_set']} (n={size})"
    names = [f"{head.name} {arrow(head.direction)}" for head in heads]
    table(title, ["model", *names], rows, right=set(range(1, len(names) + 1)))


def table(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], right: set[int] | None = None
) -> None:
    """A table of plain text on standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, head in enumerate(heads):
        grid.add_column(
            head,
            justify="right" if right and index in right else "left",
            overflow="fold",
            no_wrap=index == 0,
        )
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    # A pipe or a file has no width: give the signatures room instead of folding them.
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(grid)


@contextmanager
def progress_bar(label: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with ETA on standard error; a line now and then where that is not a terminal."""
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _rich_bar(label) as advance:
            yield advance
    else:
        yield _line_progress(label)


def rich_progress() -> Any:
    """rich's bar on standard error, with what every bar of ours shows; a context manager."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def _rich_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    with rich_progress() as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _line_progress(label: str) -> Callable[[int, int], None]:
    import time

    started = time.monotonic()
    last = started

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < 10 and done < total:
            return
        last = now
        left = (now - started) / max(done, 1) * (total - done)
        typer.echo(f"  {label}: {done}/{total}, about {left:.0f} s left", err=True)

    return show
