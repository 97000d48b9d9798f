"""A report as sections, each a table with what it means and, where it helps, a plot: for the page
and for the terminal alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.judges.agreement import Estimate
from harness.judges.means import Mean
from harness.judges.planning import CONTROLS
from harness.judges.report import PanelReport, Report

__all__ = ["Dot", "Section", "sections"]


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with its interval on the section's scale; a control is drawn apart."""

    label: str
    value: float
    low: float | None
    high: float | None
    control: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`plots` are by name; `scale` is what they run over, `line` a value to compare with."""

    title: str
    lede: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    plots: dict[str, tuple[Dot, ...]] = field(default_factory=dict)
    scale: tuple[float, float] = (0.0, 1.0)
    line: float | None = None


def sections(report: Report) -> list[Section]:
    """What there is to say, in order."""
    found: list[Section] = []
    if report.grades:
        found += [_grades(report), _graders(report)]
    if report.games:
        found += [_wins(report), _strengths(report), _players(report)]
    if report.panel:
        found.append(_panel(report.panel))
    return found


def _grades(report: Report) -> Section:
    rows, plots = [], {}
    for found in report.grades:
        order = [*report.systems, *(c for c in CONTROLS if c in found.means)]
        known = [(system, found.means[system]) for system in order if system in found.means]
        rows += [
            (found.judge, found.criterion, system, _mean(mean), f"{mean.n:,} of {mean.asked:,}",
             _bounds(mean))
            for system, mean in known
        ]  # fmt: skip
        plots[f"{found.judge}: {found.criterion}"] = tuple(_dots(known))
    scale = report.grades[0].scale
    return Section(
        title="Grades",
        lede="Means with 95 % intervals over dialogues. Controls have grades that a judge should "
        "give: none to no reply, little to a constant, nothing for orders, and much to people. "
        "Where a judge failed, the last column says between what the mean would lie whatever it "
        "had said.",
        heads=("judge", "criterion", "system", "mean [95 %]", "judged", "bounds"),
        rows=tuple(rows),
        plots=plots,
        scale=scale,
    )


def _graders(report: Report) -> Section:
    rows = tuple(
        (
            found.judge, found.criterion, _share(found.coverage.share),
            ", ".join(f"{n} × {name}" for name, n in found.coverage.failures) or "–",
            _estimate(found.length), _estimate(found.length_within), _mean(found.repeated),
            _mean(found.mass),
        )
        for found in report.grades
    )  # fmt: skip
    return Section(
        title="The judges",
        lede="How many verdicts came; Spearman's ρ of grades with the length of replies, over all "
        "and within systems; agreement of repeats; the probability that fell on a grade at all.",
        heads=("judge", "criterion", "came", "failures", "length", "within systems", "repeats",
               "mass"),
        rows=rows,
    )  # fmt: skip


def _wins(report: Report) -> Section:
    rows, plots = [], {}
    for judge, rates in report.wins.items():
        controlled = {
            frozenset((rate.a, rate.b)): rate
            for rate in report.strengths[judge].rates
        }  # fmt: skip
        dots = []
        for win in rates:
            other = controlled.get(frozenset((win.a, win.b)))
            value = other.value if other else None
            if value is not None and other is not None and other.a != win.a:
                value = _flipped(value)
            rows.append(
                (judge, win.a, win.b, _mean(win.rate), f"{win.wins}/{win.ties}/{win.losses}",
                 _estimate(value), _bounds(win.rate))
            )  # fmt: skip
            control = bool({win.a, win.b} & set(CONTROLS))
            if win.rate.value is not None:
                label = f"{win.a} over {win.b}"
                dots.append(Dot(label, win.rate.value, win.rate.low, win.rate.high, control))
        plots[judge] = tuple(dots)
    return Section(
        title="Games",
        lede="How often the first system is preferred to the second, both orders averaged, ties "
        "half, with 95 % intervals over dialogues; then the same with liking for place and for "
        "length taken out (Bradley–Terry).",
        heads=("judge", "system", "over", "win rate [95 %]", "won/tied/lost", "controlled",
               "bounds"),
        rows=tuple(rows),
        plots=plots,
        line=0.5,
    )  # fmt: skip


def _flipped(found: Estimate) -> Estimate:
    def other(value: float | None) -> float | None:
        return None if value is None else 1 - value

    return Estimate(other(found.value), other(found.high), other(found.low), found.n)


def _strengths(report: Report) -> Section:
    rows = []
    for judge, found in report.strengths.items():
        for s in found.systems:
            rank = "–" if s.rank is None else f"{s.rank.low}–{s.rank.high}"
            best = "–" if s.rank is None else f"{100 * s.rank.p_best:.0f} %"
            rows.append((judge, s.system, _estimate(s.theta), _estimate(s.win_rate), rank, best,
                         f"{s.games:,}", f"{s.failed:,}"))  # fmt: skip
    return Section(
        title="Strengths",
        lede="Bradley–Terry, in log-odds, with terms for place and length: θ, the mean win rate "
        "against the other systems, the places that a system could hold, and the probability of "
        "the first. Controls have no place.",
        heads=("judge", "system", "θ [95 %]", "win rate [95 %]", "places", "P(best)", "games",
               "failed"),
        rows=tuple(rows),
    )  # fmt: skip


def _players(report: Report) -> Section:
    biases = {
        (judge, bias.judge): bias
        for judge, found in report.strengths.items()
        for bias in found.biases
    }
    rows = []
    for found in report.games:
        bias = biases.get((found.judge, found.judge))
        overall = found.criterion == "overall"
        rows.append(
            (
                found.judge, found.criterion, _share(found.coverage.share),
                ", ".join(f"{n} × {name}" for name, n in found.coverage.failures) or "–",
                _mean(found.consistency), _mean(found.first), _mean(found.first_inconsistent),
                _mean(found.ties), _mean(found.longer),
                _estimate(bias.position) if bias and overall else "–",
                _estimate(bias.length) if bias and overall else "–",
                _mean(found.repeated), _mean(found.mass),
            )
        )  # fmt: skip
    return Section(
        title="The judges",
        lede="Consistency: the same winner after swapping. First: wins of the first place, .5 "
        "without bias; then the same among inconsistent pairs. Longer: preference for the longer "
        "reply, which may be better. Place and length in log-odds, systems held equal.",
        heads=("judge", "criterion", "came", "failures", "consistency", "first",
               "first, inconsistent", "ties", "longer", "place", "length", "repeats", "mass"),
        rows=tuple(rows),
    )  # fmt: skip


def _panel(panel: PanelReport) -> Section:
    w = panel.weighting
    without = {absence.judge: absence for absence in panel.absences}
    rows = []
    for number, judge in enumerate(w.names):
        low, high = w.intervals[number]
        absence = without.get(judge)
        moved = ", ".join(absence.moved) if absence and absence.moved else "nobody"
        rows.append((judge, f"{w.weights[number]:.2f} [{low:.2f}, {high:.2f}]", moved))
    order = sorted(panel.values, key=lambda system: -panel.values[system])
    words = "; ".join(f"{system} {panel.values[system]:+.2f}" for system in order)
    doubts = " ".join(f"{suspicion}." for suspicion in w.suspicions)
    return Section(
        title="The panel",
        lede=f"Weights: {w.scheme}. Together they amount to {w.effective:.1f} judges by weight and "
        f"{w.independent:.1f} by how little they repeat each other. Systems: {words}. {doubts}",
        heads=("judge", "weight [95 %]", "changes place without it"),
        rows=tuple(rows),
    )


def _dots(known: Sequence[tuple[str, Mean]]) -> Iterator[Dot]:
    for system, mean in known:
        if mean.value is not None:
            yield Dot(system, mean.value, mean.low, mean.high, system in CONTROLS)


def _mean(found: Mean | None) -> str:
    return _interval(found.value, found.low, found.high) if found else "–"


def _estimate(found: Estimate | None) -> str:
    return _interval(found.value, found.low, found.high) if found else "–"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if low is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _bounds(found: Mean) -> str:
    if found.least is None or found.n == found.asked:
        return "–"
    return f"{found.least:.2f} to {found.most:.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"
