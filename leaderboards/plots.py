"""Where every mark of a plot goes, in SVG units; the template only draws.

Two plots: an interval (forest) plot of a table's main metric, and a scatter of two metrics. Both
show measured rows only, in the column's own definition, floors and the human row among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leaderboards.columns import Column
from leaderboards.rows import Cell, Row
from leaderboards.table import Table

__all__ = ["Axis", "Bar", "Forest", "Point", "Scatter", "Tick", "bar", "forest", "scatter", "ticks"]

WIDTH = 460.0
LETTER = 6.1  # mean advance of the 11.5 px label font
LINE = 13.0
LONGEST_LABEL = 24


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval within a table cell, 0 to 100 on its column's scale.

    `beyond` is -1 or 1 where the value lies below or above the scale, else 0.
    """

    value: float
    low: float
    high: float
    floor: float | None
    beyond: int


@dataclass(frozen=True, slots=True)
class Tick:
    """An axis mark at `place` (SVG units) that reads `text`."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its title and marks, and the ends it spans in SVG units."""

    title: str
    ticks: tuple[Tick, ...]
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Point:
    """One row in a plot; the intervals are (start, end) in SVG units along each axis.

    `anchor` is the label's SVG text-anchor; `value` is the number as its column prints it.
    A row outside the x scale stands at its edge, with `beyond` -1 or 1 and the value in its label.
    """

    x: float
    y: float
    label: str
    title: str
    kind: str
    label_x: float
    label_y: float
    anchor: str
    value: str = ""
    x_interval: tuple[float, float] | None = None
    y_interval: tuple[float, float] | None = None
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Forest:
    """Rows of one metric under each other; `floor` is where the best floor's value stands."""

    title: str
    width: float
    height: float
    axis: Axis
    points: tuple[Point, ...]
    floor: float | None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Two metrics against each other."""

    title: str
    width: float
    height: float
    x: Axis
    y: Axis
    points: tuple[Point, ...]


def bar(cell: Cell, column: Column) -> Bar | None:
    """The cell's interval bar; None without a value, a scale, or in another definition."""
    metric = cell.metric
    if metric is None or metric.value is None or metric.signature != column.signature:
        return None
    if not column.has_scale:
        return None
    low = metric.value if metric.low is None else metric.low
    high = metric.value if metric.high is None else metric.high
    floor = None if column.floor is None else column.position(column.floor)
    value, start, end = (round(column.position(v), 2) for v in (metric.value, low, high))
    return Bar(value, start, end, floor, column.beyond(metric.value))


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round values within [low, high], about `count` of them, evenly spaced."""
    if not low < high:
        return [low]
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(step * i, 12) for i in range(first, last + 1)]


def forest(table: Table) -> Forest | None:
    """The interval plot of the table's main metric; None for fewer than two values."""
    if table.main is None:
        return None
    column = table.columns[table.main]
    shown = list(_shown(table.rows, table.main, column))
    if len(shown) < 2:
        return None
    left, right, top, step = 164.0, WIDTH - 72.0, 12.0, 26.0
    bottom = top + step * len(shown)
    axis = _axis(column, left, right)
    points = []
    for position, (row, cell) in enumerate(shown):
        y = top + step * (position + 0.5)
        x, interval = _place(cell, column, axis)
        points.append(
            Point(
                x=x,
                y=y,
                label=_short(row.name),
                title=_sentence(row, cell, column),
                kind=row.kind,
                label_x=left - 14,
                label_y=y + 4,
                anchor="end",
                value=cell.text,
                x_interval=interval,
                beyond=column.beyond(_number(cell)),
            )
        )
    return Forest(
        title=column.label,
        width=WIDTH,
        height=bottom + 46,
        axis=axis,
        points=tuple(points),
        floor=None if column.floor is None else _scale(column.floor, column, axis),
    )


def scatter(table: Table, *, x: str = "bleu_4", y: str = "dist_2") -> Scatter | None:
    """Metric `x` against metric `y`; None unless two rows have both."""
    index = {column.name: i for i, column in enumerate(table.columns)}
    if x not in index or y not in index:
        return None
    across, up = table.columns[index[x]], table.columns[index[y]]
    rows = [
        row
        for row in table.rows
        if bar(row.cells[index[x]], across) and bar(row.cells[index[y]], up)
    ]
    if len(rows) < 2:
        return None
    height = 360.0
    x_axis = _axis(across, 56.0, WIDTH - 20.0)
    y_axis = _axis(up, height - 50.0, 16.0)
    places = []
    for row in rows:
        at_x, span_x = _place(row.cells[index[x]], across, x_axis)
        at_y, span_y = _place(row.cells[index[y]], up, y_axis)
        places.append((at_x, at_y, span_x, span_y))
    names = [_named(row, row.cells[index[x]], across, row.cells[index[y]], up) for row in rows]
    whiskers = [(span[0], y - 3, span[1], y + 3) for _, y, span, _ in places if span]
    labels = _labels(names, [(x, y) for x, y, _, _ in places], whiskers, height)
    points = tuple(
        Point(
            x=at_x,
            y=at_y,
            label=name,
            title=f"{_sentence(row, row.cells[index[x]], across)}; "
            f"{up.label} {row.cells[index[y]].text}",
            kind=row.kind,
            label_x=label[0],
            label_y=label[1],
            anchor=label[2],
            x_interval=span_x,
            y_interval=span_y,
            beyond=across.beyond(_number(row.cells[index[x]])),
        )
        for row, name, (at_x, at_y, span_x, span_y), label in zip(
            rows, names, places, labels, strict=True
        )
    )
    return Scatter(f"{across.label} and {up.label}", WIDTH, height, x_axis, y_axis, points)


def _shown(rows: Sequence[Row], index: int, column: Column) -> Iterator[tuple[Row, Cell]]:
    return ((row, row.cells[index]) for row in rows if bar(row.cells[index], column))


def _axis(column: Column, start: float, end: float) -> Axis:
    low, high = _padded(column)
    marks = ticks(low, high)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    if round(step, places) != round(step, 9):
        places += 1
    return Axis(
        title=f"{column.label}{f' ({column.unit})' if column.unit else ''}"
        f"{f' {column.arrow} {column.better}' if column.arrow else ''}",
        ticks=tuple(
            Tick(round(start + (end - start) * (m - low) / (high - low), 2), f"{m:.{places}f}")
            for m in marks
        ),
        start=start,
        end=end,
    )


def _padded(column: Column) -> tuple[float, float]:
    """The column's span with air around it; from zero where zero is near."""
    spread = column.high - column.low or abs(column.high) or 1.0
    low, high = column.low - 0.08 * spread, column.high + 0.08 * spread
    if 0 <= column.low < 0.5 * column.high:
        low = 0.0
    return low, high


def _scale(value: float, column: Column, axis: Axis) -> float:
    low, high = _padded(column)
    share = min(1.0, max(0.0, (value - low) / (high - low)))
    return round(axis.start + (axis.end - axis.start) * share, 2)


def _place(cell: Cell, column: Column, axis: Axis) -> tuple[float, tuple[float, float] | None]:
    metric = cell.metric
    interval = None
    if metric is not None and metric.low is not None and metric.high is not None:
        interval = (_scale(metric.low, column, axis), _scale(metric.high, column, axis))
    return _scale(_number(cell), column, axis), interval


def _number(cell: Cell) -> float:
    assert cell.metric is not None and cell.metric.value is not None
    return cell.metric.value


def _sentence(row: Row, cell: Cell, column: Column) -> str:
    interval = f" ({cell.interval})" if cell.interval else ""
    return f"{row.name}: {column.label} {cell.text}{interval}"


def _named(row: Row, across: Cell, x: Column, up: Cell, y: Column) -> str:
    """The row's label; a value outside its axis is told in it."""
    outside = [
        f"{column.label} {cell.text}"
        for cell, column in ((across, x), (up, y))
        if column.beyond(_number(cell))
    ]
    return _short(row.name) + (f" ({', '.join(outside)})" if outside else "")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…"


Box = tuple[float, float, float, float]


def _labels(
    names: Sequence[str],
    points: Sequence[tuple[float, float]],
    whiskers: Sequence[Box],
    height: float,
) -> list[tuple[float, float, str]]:
    """For each point a label place (x, y, text-anchor) that covers as little as possible."""
    taken: list[Box] = [(x - 6, y - 6, x + 6, y + 6) for x, y in points] + [*whiskers]
    chosen = []
    for name, (x, y) in zip(names, points, strict=True):
        own = (x - 6, y - 6, x + 6, y + 6)
        others = [box for box in taken if box != own]
        best = min(
            _candidates(x, y, len(name) * LETTER),
            key=lambda c: (_outside(c[3], height) + sum(_overlap(c[3], b) for b in others), c[4]),
        )
        taken.append(best[3])
        chosen.append((round(best[0], 2), round(best[1], 2), best[2]))
    return chosen


def _candidates(x: float, y: float, width: float) -> Iterator[tuple[float, float, str, Box, int]]:
    """Label places around a point, the preferred first, with the box each would cover."""
    places = [
        (x + 10, y + 4, "start"),
        (x - 10, y + 4, "end"),
        (x, y - 11, "middle"),
        (x, y + 19, "middle"),
        (x + 8, y - 9, "start"),
        (x + 8, y + 17, "start"),
        (x - 8, y - 9, "end"),
        (x - 8, y + 17, "end"),
        (x + 8, y - 22, "start"),
        (x + 8, y + 30, "start"),
        (x - 8, y - 22, "end"),
        (x - 8, y + 30, "end"),
    ]
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}
    for preference, (at_x, at_y, anchor) in enumerate(places):
        left = at_x - shift[anchor] * width
        yield at_x, at_y, anchor, (left, at_y - LINE + 3, left + width, at_y + 3), preference


def _overlap(a: Box, b: Box) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    return across * down if across > 0 and down > 0 else 0.0


def _outside(box: Box, height: float) -> float:
    """How far a label leaves the plotting area, weighed so that it never pays."""
    beyond = max(0.0, 56.0 - box[0]) + max(0.0, box[2] - WIDTH + 4)
    return 1000.0 * (beyond + max(0.0, 8.0 - box[1]) + max(0.0, box[3] - height + 52))
