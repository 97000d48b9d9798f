"""The page of `judge report`: whole without JavaScript, plots drawn here as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import pages
from harness.judges.report import Report
from harness.judges.report_sections import Dot, Section, sections

__all__ = ["write_report"]

TEMPLATES = Path(__file__).parent / "templates"
_PLOT, _ROW, _CHARACTER = 350.0, 20.0, 6.4
_LONGEST = 52


def write_report(report: Report, path: Path) -> None:
    """Write the page.

    Raises:
        StorageError: the disk refuses.
    """
    settings = next(iter(report.settings.values()))
    context = {
        "title": f"What judges say: {report.protocol.name}",
        "lede": f"{report.protocol.asked} {settings.get('size', '?')} examples of "
        f"{settings.get('example_set', '?')}, judged by {', '.join(report.settings)}.",
        "warnings": report.warnings,
        "sections": [_section(found, number) for number, found in enumerate(sections(report))],
        "criteria": [
            {
                "name": criterion.name,
                "question": criterion.question,
                "anchors": sorted(criterion.anchors.items()),
            }
            for criterion in report.protocol.criteria
        ],
        "signature": f"{report.protocol.name} v{report.protocol.version}, rubric "
        f"{report.protocol.hash}",
    }
    pages.write_page(
        path, pages.render(TEMPLATES, "report", data={}, context=context, shared="page")
    )


def _section(found: Section, number: int) -> dict[str, Any]:
    return {
        "id": f"s{number}",
        "title": found.title,
        "lede": found.lede,
        "heads": found.heads,
        "rows": found.rows,
        "plots": [_plot(name, dots, found) for name, dots in found.plots.items() if dots],
    }


def _plot(name: str, dots: Sequence[Dot], section: Section) -> dict[str, Any]:
    low, high = section.scale
    labels = [d.label if len(d.label) <= _LONGEST else f"{d.label[: _LONGEST - 1]}…" for d in dots]
    left = 14 + _CHARACTER * max(map(len, labels))

    def x(value: float) -> float:
        return round(left + (value - low) / (high - low) * (_PLOT - 20), 2)

    steps = 4
    ticks = [low + (high - low) * step / steps for step in range(steps + 1)]
    return {
        "name": name,
        "width": round(left + _PLOT, 2),
        "height": _ROW * len(dots) + 30,
        "line": None if section.line is None else x(section.line),
        "ticks": [(x(value), f"{value:.2f}".rstrip("0").rstrip(".")) for value in ticks],
        "rows": [
            {
                "label": labels[place],
                "words": f"{d.label}: {d.value:.2f}"
                + ("" if d.low is None else f" [{d.low:.2f}, {d.high:.2f}]"),
                "y": 14 + _ROW * place,
                "at": x(d.value),
                "bounds": None if d.low is None or d.high is None else (x(d.low), x(d.high)),
                "control": d.control,
            }
            for place, d in enumerate(dots)
        ],
    }
