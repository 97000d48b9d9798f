"""One number as an SVG badge for a README: what was measured, and how surely."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from leaderboards.exports.sources import safe_name
from leaderboards.table import Board

__all__ = ["render_badges"]

_LETTER = 6.7  # mean advance of an 11 px sans-serif letter
_LONGEST = 60


def render_badges(board: Board) -> Iterator[tuple[str, str]]:
    """(file name, SVG) of the first metric of every measured model, table by table.

    The name of a file is made of the model's and the table's, and never leaves its folder.
    """
    for table in board.tables:
        if table.main is None:
            continue
        column = table.columns[table.main]
        for row in table.rows:
            cell = row.cells[table.main]
            if row.kind not in ("model", "baseline") or cell.metric is None:
                continue
            if cell.metric.value is None:
                continue
            value = cell.text
            if cell.metric.low is not None and cell.metric.high is not None:
                low, high = column.text(cell.metric.low), column.text(cell.metric.high)
                value += f" [{low}, {high}]"
            label = f"{table.example_set or table.task} · {column.label}"
            limited = " (not the full set)" if table.limited else ""
            name = f"{safe_name(row.name)}-{row.id[:6]}-{table.slug}.svg"
            yield name, _badge(label + limited, value, row.name)


def _badge(label: str, value: str, model: str) -> str:
    label, value = _short(label), _short(value)
    left, right = (round(_LETTER * len(text) + 16) for text in (label, value))
    title = escape(f"{' '.join(model.split())}: {label} {value}")
    return "".join(
        char
        for char in f"""<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="22" \
viewBox="0 0 {left + right} 22" role="img" aria-label="{title}"><title>{title}</title>\
<rect width="{left + right}" height="22" rx="4" fill="#24616b"/>\
<path d="M4 0H{left}V22H4a4 4 0 0 1-4-4V4a4 4 0 0 1 4-4" fill="#33363a"/>\
<g fill="#fff" font-family="system-ui,'Segoe UI',Roboto,Arial,sans-serif" font-size="11" \
text-anchor="middle"><text x="{left / 2}" y="15" textLength="{left - 14}" \
lengthAdjust="spacingAndGlyphs">{escape(label)}</text><text x="{left + right / 2}" y="15" \
textLength="{right - 14}" lengthAdjust="spacingAndGlyphs">{escape(value)}</text></g></svg>
"""
        if char.isprintable() or char == "\n"
    )


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1] + "…"
