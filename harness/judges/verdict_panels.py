"""Panels of judges over grades or games, and which system's place hangs on which judge.

    grade_panel        a sample is a reply, `item/system`; repeats are averaged
    preference_panel   a sample is a reply against another, `item/system>other`, 1 where it always
                       wins; both orders and all repeats are averaged. Each pair stands there from
                       both sides: which of the two is named first must not matter to ρ

The mean of a system's samples is its panel value: of grades in standard deviations, of games the
share of games won against the others that it met.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.errors import InputError
from harness.judges.panels import Panel, Weighting, make_panel
from harness.judges.verdicts import OVERALL, Game, Grade

__all__ = ["Absence", "absences", "grade_panel", "preference_panel", "system_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """What the panel says without `judge`: system → value, and how the order of systems changes.

    `tau` is Kendall's τ-b with the whole panel's values, None below two systems; `moved` names the
    systems that change places, in the whole panel's order.
    """

    judge: str
    values: Mapping[str, float]
    tau: float | None
    moved: tuple[str, ...]


def grade_panel(grades: Iterable[Grade], *, criterion: str | None = None) -> Panel:
    """Grades on `criterion`, or on all, standardised by judge; failures are missing.

    Raises:
        InputError: there are no such grades.
    """
    cells: dict[str, dict[str, dict[str, list[float]]]] = {}
    known: dict[str, tuple[str, str]] = {}
    for grade in grades:
        if criterion not in (None, grade.criterion):
            continue
        identity = f"{grade.item}/{grade.system}"
        known[identity] = (grade.cluster, grade.system)
        judged = cells.setdefault(grade.judge, {})
        if grade.value is not None:
            values = judged.setdefault(identity, {}).setdefault(grade.criterion, [])
            values.append(grade.value)
    if not known:
        raise InputError(f"no judge has graded {criterion or 'anything'}")
    means = {
        judge: {
            identity: {name: sum(values) / len(values) for name, values in by_criterion.items()}
            for identity, by_criterion in judged.items()
        }
        for judge, judged in cells.items()
    }
    ids = sorted(known)
    panel = make_panel(ids, means, clusters=[known[identity][0] for identity in ids])
    return replace(panel, systems=tuple(known[identity][1] for identity in ids))


def preference_panel(games: Iterable[Game], *, criterion: str = OVERALL) -> Panel:
    """Preferences on `criterion`, as they are: 0 to 1. A judge who ties everything is `constant`.

    A sample has a value where the judge gave a verdict in both orders: one order alone would carry
    the judge's liking for a place.

    Raises:
        InputError: there are no such games.
    """
    import numpy as np

    # judge → sample → preferences with the sample's system shown first, and shown second.
    cells: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    known: dict[str, tuple[str, str]] = {}
    for game in games:
        if game.criterion != criterion:
            continue
        one = f"{game.item}/{game.first}>{game.second}"
        other = f"{game.item}/{game.second}>{game.first}"
        known[one], known[other] = (game.cluster, game.first), (game.cluster, game.second)
        judged = cells.setdefault(game.judge, {})
        if game.preference is not None:
            judged.setdefault(one, ([], []))[0].append(game.preference)
            judged.setdefault(other, ([], []))[1].append(1 - game.preference)
    if not known:
        raise InputError(f"no judge has compared anything on {criterion}")
    ids = sorted(known)
    o = np.array([[_balanced(cells[j].get(i, ([], []))) for j in cells] for i in ids])
    constant = [np.isnan(column).all() or np.nanmax(np.abs(column - 0.5)) < 1e-12 for column in o.T]
    return Panel(
        ids=tuple(ids),
        names=tuple(cells),
        o=o,
        constant=tuple(judge for judge, flat in zip(cells, constant, strict=True) if flat),
        clusters=tuple(known[identity][0] for identity in ids),
        systems=tuple(known[identity][1] for identity in ids),
    )


def _balanced(orders: tuple[list[float], list[float]]) -> float:
    """The mean of both orders' means; NaN where one has none."""
    if not orders[0] or not orders[1]:
        return math.nan
    return sum(sum(values) / len(values) for values in orders) / 2


def system_values(panel: Panel, score: Iterable[float]) -> dict[str, float]:
    """System → mean of `score` (n) over its samples; systems without a scored sample are absent.

    Raises:
        InputError: the panel does not say whose its samples are.
    """
    if panel.systems is None:
        raise InputError("this panel does not name the systems of its samples")
    sums: dict[str, list[float]] = {system: [] for system in sorted(set(panel.systems))}
    for system, value in zip(panel.systems, score, strict=True):
        if not math.isnan(value):
            sums[system].append(float(value))
    return {system: sum(values) / len(values) for system, values in sums.items() if values}


def absences(panel: Panel, weighting: Weighting) -> tuple[Absence, ...]:
    """What each judge's absence would do to the systems; nothing with one judge.

    Raises:
        InputError: the panel does not name the systems of its samples.
    """
    import numpy as np

    from harness.judges.agreement import kendall

    whole = system_values(panel, weighting.score)
    found = []
    for judge, score in zip(weighting.names, weighting.score_without, strict=True):
        values = system_values(panel, score)
        both = [system for system in _order(whole) if system in values]
        if not both:
            continue
        old, new = (np.array([source[system] for system in both]) for source in (whole, values))
        tau = kendall(old, new) if len(both) > 1 else math.nan
        places = {system: place for place, system in enumerate(_order(values))}
        found.append(
            Absence(
                judge=judge,
                values=values,
                tau=tau if math.isfinite(tau) else None,
                moved=tuple(s for place, s in enumerate(both) if places[s] != place),
            )
        )
    return tuple(found)


def _order(values: Mapping[str, float]) -> list[str]:
    return sorted(values, key=lambda system: (-values[system], system))
