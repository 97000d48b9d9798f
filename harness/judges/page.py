"""The page of `judge validate`: forests of correlations with their ceilings, means, halo, tables.

Whole without JavaScript: plots are drawn here, as SVG.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import pages
from harness.judges.agreement import Estimate
from harness.judges.scatters import scatters
from harness.judges.validate import Agreement, Report

__all__ = ["write_validation"]

TEMPLATES = Path(__file__).parent / "templates"
_LABEL, _WIDTH, _ROW = 150.0, 620.0, 22.0


def write_validation(report: Report, path: Path) -> None:
    """Write the page.

    Raises:
        StorageError: the disk refuses.
    """
    context = {
        "title": f"What tracks people's ratings: {report.name}",
        "lede": f"{report.citation}. Licence: {report.licence}."
        + (f" Raters: {report.group}." if report.group else ""),
        "fingerprint": report.fingerprint,
        "forests": [
            _forest(report, criterion, agreements)
            for criterion, agreements in _by_criterion(report.agreements).items()
        ],
        "ceilings": [
            {
                "criterion": found.criterion,
                "words": found.words,
                "cells": [f"{found.n:,}", f"{found.raters:.1f}", _number(found.single),
                          _number(found.mean), _number(found.alpha),
                          _with_interval(found.ceiling)],
            }
            for found in report.ceilings
        ],
        "agreements": [_agreement_row(found) for found in report.agreements],
        "scatters": scatters(report),
        "calibrated": [
            {
                "judge": c.judge,
                "criterion": c.criterion,
                "system": c.system or "all",
                "cells": [f"{c.judged:,}", f"{c.rated:,}", _number(c.judge_mean),
                          _number(c.human), _with_interval(c.powered)],
            }
            for c in report.calibrated
        ],
        "criteria": list(report.means),
        "means": [
            {
                "system": system,
                "cells": [_number(given.get(system), 1) for given in report.means.values()],
            }
            for system in report.systems
        ],
        "halo": [
            {"criterion": a, "cells": [_number(report.halo[a][b]) for b in report.halo]}
            for a in report.halo
        ],
    }  # fmt: skip
    pages.write_page(
        path, pages.render(TEMPLATES, "validate", data={}, context=context, shared="page")
    )


def _agreement_row(found: Agreement) -> dict[str, Any]:
    return {
        "predictor": found.predictor,
        "criterion": found.criterion,
        "cells": [
            _count(found),
            _with_interval(found.spearman),
            _with_interval(found.kendall),
            _with_interval(found.within),
            _with_interval(found.kappa) if found.kappa else "–",
            _share(found),
            _number(found.system),
        ],
    }


def _by_criterion(agreements: Sequence[Agreement]) -> Mapping[str, list[Agreement]]:
    found: dict[str, list[Agreement]] = {}
    for agreement in agreements:
        found.setdefault(agreement.criterion, []).append(agreement)
    return found


def _forest(report: Report, criterion: str, agreements: Sequence[Agreement]) -> dict[str, Any]:
    """Where every mark goes: Spearman pooled and within systems, −1 to 1 cut to what is needed."""
    limit = next((c.ceiling for c in report.ceilings if c.criterion == criterion), None)
    ends = [value for a in agreements for e in (a.spearman, a.within)
            for value in (e.value, e.low, e.high) if value is not None]  # fmt: skip
    top = limit.high or limit.value if limit else None
    low, high = min([-0.2, *ends]), max([0.4, *ends, *([top] if top is not None else [])])

    def x(value: float) -> float:
        return round(_LABEL + (value - low) / (high - low) * (_WIDTH - _LABEL - 14), 2)

    def mark(found: Estimate) -> dict[str, Any] | None:
        if found.value is None:
            return None
        bounds = None if found.low is None else (x(found.low), x(found.high or found.value))
        return {"at": x(found.value), "bounds": bounds, "words": _with_interval(found)}

    steps = [step / 10 for step in range(round(10 * low) - 1, round(10 * high) + 1)]
    return {
        "criterion": criterion,
        "words": next((c.words for c in report.ceilings if c.criterion == criterion), ""),
        "width": _WIDTH,
        "height": _ROW * len(agreements) + 34,
        "zero": x(0),
        "ceiling": x(limit.value) if limit and limit.value is not None else None,
        "ceiling_words": _with_interval(limit) if limit else "",
        "band": (x(limit.low), x(limit.high)) if limit and limit.low is not None
        and limit.high is not None else None,
        "ticks": [(x(s), f"{s:+.1f}".replace("+0.0", "0")) for s in steps
                  if low <= s <= high and round(10 * s) % 2 == 0],
        "rows": [
            {
                "name": a.predictor if len(a.predictor) < 22 else f"{a.predictor[:20]}…",
                "y": 20 + _ROW * place,
                "pooled": mark(a.spearman),
                "within": mark(a.within),
            }
            for place, a in enumerate(agreements)
        ],
    }  # fmt: skip


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _with_interval(found: Estimate) -> str:
    if found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _count(found: Agreement) -> str:
    return f"{found.n:,}" + (f" ({found.failed:,} failed)" if found.failed else "")


def _share(found: Agreement) -> str:
    if found.pairwise is None:
        return "–"
    width = found.epsilon if found.epsilon > 1e-9 else 0
    return f"{100 * found.pairwise:.1f} % (ε {width:.2g})"
