"""A validation as tables of plain text."""

from __future__ import annotations

from harness.commands import show
from harness.judges.validate import Report

__all__ = ["print_validation"]


def print_validation(report: Report) -> None:
    """Ceilings, agreements, and judges' means on people's scale, on standard output."""
    rows = [
        [
            c.criterion, f"{c.n:,}", f"{c.raters:.1f}", show.number(c.single),
            show.number(c.mean), show.number(c.alpha), show.number(c.ceiling.value),
        ]
        for c in report.ceilings
    ]  # fmt: skip
    show.table(
        f"{report.name}: how far raters agree",
        ["criterion", "items", "raters", "ICC(1,1)", "ICC(1,k)", "α", "ceiling"],
        rows,
        right={1, 2, 3, 4, 5, 6},
    )
    if not report.agreements:
        return
    lines = [
        [
            a.predictor, a.criterion, f"{a.n:,}" + (f" ({a.failed:,} failed)" if a.failed else ""),
            f"{show.number(a.spearman.value)} "
            f"[{show.number(a.spearman.low)}, {show.number(a.spearman.high)}]",
            show.number(a.within.value), show.number(a.kendall.value),
            "–" if a.kappa is None else show.number(a.kappa.value),
            "–" if a.pairwise is None else f"{100 * a.pairwise:.1f} %", show.number(a.system),
        ]
        for a in report.agreements
    ]  # fmt: skip
    heads = ["predictor", "criterion", "n", "Spearman [95 %]", "within", "Kendall", "κ",
             "pairs", "systems"]  # fmt: skip
    show.table("Who says what people say", heads, lines, right={2, 3, 4, 5, 6, 7, 8})
    if report.calibrated:
        _print_calibrated(report)


def _print_calibrated(report: Report) -> None:
    rows = [
        [
            c.judge, c.criterion, c.system or "all", f"{c.judged:,}", f"{c.rated:,}",
            show.number(c.judge_mean), show.number(c.human),
            f"{show.number(c.powered.value)} "
            f"[{show.number(c.powered.low)}, {show.number(c.powered.high)}]",
        ]
        for c in report.calibrated
    ]  # fmt: skip
    heads = ["judge", "criterion", "system", "judged", "rated", "judge", "people", "corrected"]
    show.table("Judges' means put on people's scale", heads, rows, right={3, 4, 5, 6, 7})
