"""Board → GitHub Markdown: the same tables, marks and warnings, for a README or a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from leaderboards.columns import Column
from leaderboards.printed import Measured, Printing
from leaderboards.rows import Cell, Row
from leaderboards.table import Board, Table

__all__ = ["render_markdown"]

_MARKS = {"": "", "best": " **best**", "tied": " ≈ best", "other": " ≠ definition"}
_KEY = (
    "**best**: best value among models; ≈ best: not separable from the best (the paired difference "
    "may be nought, or, where predictions lack, the 95 % intervals overlap). Rank: its 95 % "
    "interval among the models whose predictions are at hand, by the first metric, and the chance "
    "of being best. Floors and people stand in every table."
)


def render_markdown(board: Board) -> str:
    """The board as Markdown; every text from a result is escaped."""
    parts = [f"# {escape(board.title)}", _KEY, *(_table(table) for table in board.tables)]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """`text` so that GitHub shows it literally, on one line, within a table cell."""
    flat = re.sub(r"([\\`*_\[\]~#$!])", r"\\\1", " ".join(text.split()))
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;")):
        flat = flat.replace(character, entity)
    return flat


def _table(table: Table) -> str:
    # A wide table keeps its decisive columns, as the page does at first.
    columns = [(i, c) for i, c in enumerate(table.columns) if c.decisive or not table.wide]
    parts = [
        f"## {escape(table.title)}",
        _facts(table),
        escape(table.profile_note),
        *(f"> **Warning:** {escape(warning)}" for warning in table.warnings),
        _grid(table, columns),
        *_seeds(table, columns),
        *_against(table),
        *_reported(table),
    ]
    return "\n\n".join(part for part in parts if part)


def _facts(table: Table) -> str:
    size = f"{table.size:,} examples" if table.size else "size not stated"
    facts = [
        f"`{_code(table.task)}` version {table.version}",
        f"`{_code(table.example_set or 'examples not stated')}`, {size}",
        f"profile `{_code(table.profile)}`",
        f"fingerprint `{_code(table.fingerprint[:19] or 'not stated')}`",
    ]
    return " · ".join(facts)


def _grid(table: Table, columns: Sequence[tuple[int, Column]]) -> str:
    rows = table.rows
    if not rows:
        return ""
    heads = [f"{escape(column.label)} {column.arrow}".strip() for _, column in columns]
    ranked = ["Rank"] if table.ranked else []
    heads = ranked + heads
    lines = [
        _line(["Model", "", *heads, "n"]),
        _line(["---", "---", *["---:"] * len(heads), "---:"]),
    ]
    for row in rows:
        name = escape(row.name) + (f" ({escape(row.detail)})" if row.detail else "")
        kind = row.kind if row.kind in ("floor", "human", "baseline") else ""
        label = ", ".join(filter(None, [kind, row.provenance]))
        failed = f" ({row.n_failed:,} failed)" if row.n_failed else ""
        count = f"{row.n:,}{failed}" if row.n else "–"
        rank = [_rank(row, table.main)] if table.ranked else []
        cells = [_cell(row.cells[i]) for i, _ in columns]
        lines.append(_line([name, label, *rank, *cells, count]))
    return "\n".join(lines)


def _rank(row: Row, main: int | None) -> str:
    cell = None if main is None else row.cells[main]
    if cell is None or cell.standing is None:
        return "–"
    return escape(f"{cell.rank} ({cell.chance})")


def _seeds(table: Table, columns: Sequence[tuple[int, Column]]) -> list[str]:
    if not table.seeds:
        return []
    heads = [escape(column.label) for _, column in columns]
    lines = [_line(["Model", "seeds", *heads]), _line(["---", "---:", *["---:"] * len(heads)])]
    for summary in table.seeds:
        name = escape(summary.name) + (f" ({escape(summary.detail)})" if summary.detail else "")
        cells = [summary.cells[i] for i, _ in columns]
        lines.append(_line([name, str(len(summary.seeds)), *cells]))
    return [
        "### Over training seeds",
        "Mean ± standard deviation over seeds; nothing is ranked by it.",
        "\n".join(lines),
    ]


def _against(table: Table) -> list[str]:
    if not table.against:
        return []
    lines = [
        _line(["System", "Metric", "Printed", "Measured here", "Gap", "Defined as"]),
        _line(["---"] * 6),
    ]
    for system in table.against:
        for row in system.comparisons:
            cells = [
                "<br>".join(map(_printing, row.printings)),
                "<br>".join(map(_measured, row.measured)),
                "<br>".join(measured.gap for measured in row.measured),
                "<br>".join(map(escape, row.notes)),
            ]
            lines.append(_line([escape(system.name), escape(row.label), *cells]))
    return [
        "### What papers printed, what we measured",
        "The gap is our value minus the printed one. Definitions differ as noted; the test set is "
        "the same as far as papers tell, unless noted. Nothing is ranked by it.",
        "\n".join(lines),
    ]


def _printing(printing: Printing) -> str:
    names = f": {', '.join(printing.names)}" if printing.names else ""
    test_set = f" ({printing.test_set})" if printing.test_set else ""
    return f"{printing.text} {escape(printing.source + names + test_set)}"


def _measured(measured: Measured) -> str:
    said = ": ".join(filter(None, [measured.name, measured.spread]))
    return f"{measured.text} {escape(said)}".rstrip()


def _reported(table: Table) -> list[str]:
    if not table.reported:
        return []
    columns = [(i, table.columns[i]) for i in table.printed_columns]
    lines = [
        _line(["System", "Printed in", *(escape(column.label) for _, column in columns)]),
        _line(["---", "---", *["---:"] * len(columns)]),
    ]
    for row in table.reported:
        place = escape(row.citation or row.source)
        if row.test_set:
            place += f" (test set {escape(row.test_set)})"
        lines.append(_line([escape(row.name), place, *(row.cells[i].text for i, _ in columns)]))
    rows, systems = len(table.reported), len(table.prints)
    count = f"{rows} row{'s'[: rows != 1]} of {systems} system{'s'[: systems != 1]}"
    return [
        "### Reported by papers",
        "Printed elsewhere, not measured here; never compared with the rows above.",
        f"<details><summary>{count}</summary>",
        "\n".join(lines),
        "</details>",
    ]


def _cell(cell: Cell) -> str:
    interval = f" [{cell.interval}]" if cell.interval else ""
    return f"{cell.text}{interval}{_MARKS[cell.mark]}"


def _code(text: str) -> str:
    """Text inside a code span: no backtick, pipe or line end can leave it."""
    return re.sub(r"[`|\s]+", " ", text).strip()


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
