"""Board → one HTML file that needs nothing else: no network, no server, no script to read it.

Everything from a result is untrusted. Jinja2 escapes it; the page's content security policy lets
only its own script and style run (by hash), so that an escape forgotten here still runs nothing.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.files import write_atomic
from harness.results import Result
from leaderboards.columns import Column
from leaderboards.rows import Cell, Row
from leaderboards.table import Board

__all__ = ["embedded_json", "render_page", "write_page"]

TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, board: Board, results: Sequence[Result]) -> None:
    """Write the page of `board`; `results` is the data it offers for download.

    Raises:
        StorageError: the disk refuses.
    """
    # A lone surrogate is valid in JSON but in no file encoding.
    write_atomic(path, render_page(board, results).encode("utf-8", "replace"))


def render_page(board: Board, results: Sequence[Result]) -> str:
    """The page as text; equal boards give equal pages."""
    import jinja2
    from markupsafe import Markup

    from harness import __version__
    from leaderboards import plots
    from leaderboards.words import PROVENANCE

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = _asset("board.css"), _asset("board.js")
    # Our own files and the escaped JSON are the only texts that skip escaping.
    trusted = {
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "data": Markup(embedded_json(_data(board, results))),  # noqa: S704
    }
    return environment.get_template("board.html").render(
        board=board,
        policy=_policy(style, script),
        version=__version__,
        provenance=PROVENANCE,
        bar=plots.bar,
        forest=plots.forest,
        scatter=plots.scatter,
        tip=_tip,
        spoken=_spoken,
        counts=_counts,
        **trusted,
    )


def embedded_json(value: Any) -> str:
    """JSON that stays data inside a script element: no tag, comment or line separator in it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _data(board: Board, results: Sequence[Result]) -> dict[str, Any]:
    return {"title": board.title, "results": [result.to_json() for result in results]}


def _asset(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


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
    lines += cell.notes
    if column.floor_sentence:
        lines.append(column.floor_sentence)
    lines.append(metric.signature if metric is not None else column.signature)
    return "\n".join(line.replace("\n", " ") for line in lines)


def _spoken(cell: Cell) -> str:
    """What a screen reader hears after the value."""
    interval = [f"interval {cell.interval}"] if cell.interval else []
    return ", ".join([*interval, *cell.notes])


def _counts(n: int, n_failed: int) -> str:
    return f"{n:,} examples, {n_failed:,} failed" if n_failed else f"{n:,} examples, none failed"
