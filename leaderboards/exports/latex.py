r"""Board → LaTeX tables for a paper (booktabs), which claim no more than the numbers carry.

A value is bold only where it is best and no other model's interval overlaps its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import InputError
from leaderboards.columns import Column
from leaderboards.rows import Cell, Row
from leaderboards.table import Board, Table

__all__ = ["escape", "render_latex"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}
_ARROWS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$", "none": ""}
_BLOCKS = (("model", "baseline"), ("floor",), ("human",))


def render_latex(board: Board, *, metrics: Sequence[str] = ()) -> str:
    r"""One table environment for each table of `board`; needs `booktabs` and `fontenc` T1.

    Columns are `metrics`, else those that the page shows at first. Models, floors and people stand
    in blocks of their own, printed rows last with their sources.

    Raises:
        InputError: one of `metrics` is in no table.
    """
    known = {column.name for table in board.tables for column in table.columns}
    missing = [name for name in metrics if name not in known]
    if missing:
        raise InputError(
            f"no table has the metric {', '.join(missing)}; there are {', '.join(sorted(known))}"
        )
    head = [
        f"% {_comment(board.title)}",
        r"% \usepackage{booktabs} \usepackage[T1]{fontenc}",
    ]
    return "\n".join([*head, *(_table(table, metrics) for table in board.tables)]) + "\n"


def escape(text: str) -> str:
    """`text` on one line, as LaTeX prints it."""
    flat = " ".join(text.split())
    return "".join(_SPECIAL.get(c, c) for c in flat if c.isprintable())


def _table(table: Table, metrics: Sequence[str]) -> str:
    places = [
        i
        for i, column in enumerate(table.columns)
        if (column.name in metrics if metrics else column.decisive or not table.wide)
    ]
    if not places:
        return f"% {_comment(table.label)}: none of the metrics asked for"
    columns = [table.columns[i] for i in places]
    heads = [f"{escape(column.label)} {_ARROWS[column.direction]}".strip() for column in columns]
    lines = [
        *(f"% {_comment(c.name)}: {_comment(c.signature)}" for c in columns),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_caption(table)}}}",
        rf"\label{{tab:{table.slug}}}",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        " & ".join(["Model", *heads]) + r" \\",
    ]
    for block in _blocks(table):
        lines.append(r"\midrule")
        lines += [_row(row, table, places) for row in block]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def _blocks(table: Table) -> Iterator[Sequence[Row]]:
    for kinds in _BLOCKS:
        rows = [row for row in table.rows if row.kind in kinds]
        if rows:
            yield rows
    if table.reported:
        yield table.reported


def _caption(table: Table) -> str:
    size = f", {table.size:,} examples" if table.size else ""
    parts = [
        f"{escape(table.title)} ({escape(table.example_set or 'examples not stated')}{size}).",
        "In brackets the 95\\,\\% interval over dialogues.",
        "Bold: best, and no other model's interval overlaps.",
    ]
    if table.reported:
        parts.append("Last block: as printed by the papers named, not compared.")
    return " ".join([*parts, *map(escape, table.warnings)])


def _row(row: Row, table: Table, places: Sequence[int]) -> str:
    name = escape(row.name)
    if row.kind == "reported" and row.source:
        name += f" ({escape(row.source)})"
    cells = [_cell(row.cells[i], table.columns[i], alone=_alone(table, i)) for i in places]
    return " & ".join([name, *cells]) + r" \\"


def _alone(table: Table, index: int) -> bool:
    """Whether one model is best in the column, and no other is as good as far as one can see."""
    marks = [row.cells[index].mark for row in table.rows]
    return marks.count("best") == 1 and "tied" not in marks


def _cell(cell: Cell, column: Column, *, alone: bool) -> str:
    metric = cell.metric
    if metric is None or metric.value is None:
        return "--"
    value = escape(cell.text).replace("−", "$-$")
    if cell.mark == "best" and alone:
        value = rf"\textbf{{{value}}}"
    if cell.mark == "other":
        value += r"$^{\ne}$"
    if metric.low is None or metric.high is None:
        return value
    low, high = (column.text(end).replace("−", "$-$") for end in (metric.low, metric.high))
    return rf"{value} {{\scriptsize[{low}, {high}]}}"


def _comment(text: str) -> str:
    """`text` on one line: a comment ends with its line."""
    return " ".join(text.split())
