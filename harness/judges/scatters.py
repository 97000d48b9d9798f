"""Systems' means, a predictor's against people's: where each mark goes, in SVG units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.judges.validate import Agreement, Report

__all__ = ["scatters"]

_WIDTH, _HEIGHT = 200.0, 170.0
_LEFT, _TOP, _RIGHT, _BOTTOM = 34.0, 10.0, 188.0, 132.0
# Two points always lie on a line.
_LEAST = 3


def scatters(report: Report) -> list[dict[str, Any]]:
    """By criterion, a plot for each predictor that scored three systems or more."""
    names = [
        system
        for system in report.systems
        if any(system in agreement.means for agreement in report.agreements)
    ]
    numbers = {system: place for place, system in enumerate(names, start=1)}
    found: dict[str, list[dict[str, Any]]] = {}
    for agreement in report.agreements:
        if len(agreement.means) >= _LEAST:
            found.setdefault(agreement.criterion, []).append(_plot(agreement, numbers))
    return [
        {"criterion": criterion, "plots": plots, "systems": names}
        for criterion, plots in found.items()
    ]


def _plot(agreement: Agreement, numbers: Mapping[str, int]) -> dict[str, Any]:
    people = [mean for mean, _ in agreement.means.values()]
    other = [mean for _, mean in agreement.means.values()]
    name = agreement.predictor
    order = "" if agreement.system is None else f", Kendall's τ-b {agreement.system:.2f}"
    return {
        "name": name if len(name) < 22 else f"{name[:20]}…",
        "words": f"{name} against people, {len(people)} systems{order}",
        "width": _WIDTH,
        "height": _HEIGHT,
        "left": _LEFT,
        "right": _RIGHT,
        "top": _TOP,
        "bottom": _BOTTOM,
        "x_low": f"{min(other):.3g}",
        "x_high": f"{max(other):.3g}",
        "y_low": f"{min(people):.3g}",
        "y_high": f"{max(people):.3g}",
        "points": [
            {
                "x": _place(theirs, other, _LEFT + 10, _RIGHT - 10),
                "y": _place(mean, people, _BOTTOM - 10, _TOP + 16),
                "number": numbers[system],
                "words": f"{system}: people {mean:.3g}, {name} {theirs:.3g}",
            }
            for system, (mean, theirs) in agreement.means.items()
        ],
    }


def _place(value: float, among: list[float], start: float, end: float) -> float:
    spread = max(among) - min(among)
    share = (value - min(among)) / spread if spread else 0.5
    return round(start + share * (end - start), 2)
