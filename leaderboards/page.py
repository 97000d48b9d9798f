"""Board → one HTML file (see `harness.pages`) that also needs no script to be read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness import pages
from harness.results import Result
from leaderboards.columns import Column
from leaderboards.labels import label_views
from leaderboards.links import Links
from leaderboards.points import plot_points
from leaderboards.rows import Cell, Row
from leaderboards.table import Board

__all__ = ["render_page", "write_page"]

TEMPLATES = Path(__file__).parent / "templates"


def write_page(
    path: Path, board: Board, results: Sequence[Result], links: Links | None = None
) -> None:
    """Write the page of `board`; `results` is the data it offers for download.

    `links` says where rows lead to (see `leaderboards.links`).

    Raises:
        StorageError: the disk refuses.
    """
    pages.write_page(path, render_page(board, results, links))


def render_page(
    board: Board, results: Sequence[Result], links: Links | None = None, *, live: bool = False
) -> str:
    """The page as text; equal boards give equal pages. A `live` one follows `leaderboard serve`."""
    from leaderboards import plots
    from leaderboards.words import PROVENANCE

    by_id = {result.id: result for result in results}
    labels = {table.slug: label_views(table.rows, by_id) for table in board.tables}
    points = {table.slug: plot_points(table, by_id) for table in board.tables}
    context = {
        "board": board,
        "labels": labels,
        "points": points,
        "links": links or {},
        "provenance": PROVENANCE,
        "bar": plots.bar,
        "forest": plots.forest,
        "scatter": plots.scatter,
        "tip": _tip,
        "spoken": _spoken,
        "counts": _counts,
        "facets": lambda row: json.dumps(row.facets),
    }
    data = {
        "title": board.title,
        "results": [result.to_json() for result in results],
        "labels": {slug: [view.to_json() for view in views] for slug, views in labels.items()},
        "plots": points,
    }
    scripts = ("svg", "labels", "freeplots", *(("live",) if live else ()))
    return pages.render(TEMPLATES, "board", data=data, context=context, scripts=scripts, live=live)


def _tip(row: Row, cell: Cell, column: Column) -> str:
    """What hovering or focusing a cell shows, a line each; the signature comes last."""
    lines = [f"{row.name} · {column.label}"]
    metric = cell.metric
    if metric is not None and metric.value is not None:
        unit = f" {metric.unit}" if metric.unit else ""
        lines.append(f"{metric.value:.6g}{unit}")
        if metric.low is not None and metric.high is not None:
            lines[-1] += f", 95 % interval {metric.low:.6g} to {metric.high:.6g}"
        lines.append(_counts(metric.n, metric.n_failed))
    if cell.standing is not None:
        lines.append(_rank_words(cell))
    lines += cell.notes
    if column.floor_sentence:
        lines.append(column.floor_sentence)
    lines.append(metric.signature if metric is not None else column.signature)
    return "\n".join(line.replace("\n", " ") for line in lines)


def _rank_words(cell: Cell) -> str:
    """The rank interval in a sentence; "" where there is none."""
    if cell.standing is None:
        return ""
    return (
        f"Rank {cell.rank} of {cell.standing.rivals} models (95 % interval), "
        f"best in {cell.chance} of resamples"
    )


def _spoken(cell: Cell) -> str:
    """What a screen reader hears after the value."""
    interval = [f"interval {cell.interval}"] if cell.interval else []
    return ", ".join([*interval, *cell.notes])


def _counts(n: int, n_failed: int) -> str:
    return f"{n:,} examples, {n_failed:,} failed" if n_failed else f"{n:,} examples, none failed"
