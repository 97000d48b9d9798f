"""What judges said of systems, and what that says of the judges: one report per protocol.

Put together from the verdict files that `judge run` leaves: the systems' numbers, the controls
beside them, liking for place and length, agreement with itself, coverage; of several judges the
panel, its weights, and what each one's absence would change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.judges.bradley_terry import Strengths, bradley_terry
from harness.judges.controls import GameControls, game_controls
from harness.judges.grade_controls import GradeControls, grade_controls
from harness.judges.model_families import same_family
from harness.judges.panels import Scheme, Weighting, combine
from harness.judges.planning import CONTROLS, HUMAN
from harness.judges.protocols import Protocol, get_protocol
from harness.judges.running import read_verdicts
from harness.judges.verdict_panels import Absence, absences, grade_panel, preference_panel
from harness.judges.verdicts import OVERALL, Game, Grade, Verdict
from harness.judges.win_rates import WinRate, win_rates

__all__ = ["Report", "Said", "make_report", "read_judged"]

VERDICTS = "verdicts.jsonl"


@dataclass(frozen=True, slots=True)
class Said:
    """Verdicts of all judges of one protocol; `settings` by judge."""

    protocol: Protocol
    settings: Mapping[str, Mapping[str, Any]]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelReport:
    """The panel's value of each system, the judges' weights, and what hangs on each of them."""

    weighting: Weighting
    values: Mapping[str, float]
    absences: tuple[Absence, ...]

    def to_json(self) -> dict[str, Any]:
        found = self.weighting
        return {
            "scheme": found.scheme,
            "judges": list(found.names),
            "weights": found.weights.tolist(),
            "intervals": found.intervals.tolist(),
            "effective": found.effective,
            "independent": found.independent,
            "values": dict(self.values),
            "absences": [asdict(absence) for absence in self.absences],
            "suspicions": [str(suspicion) for suspicion in found.suspicions],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One protocol's verdicts, understood. Of grades and games, one of the two is empty."""

    protocol: Protocol
    settings: Mapping[str, Mapping[str, Any]]
    systems: tuple[str, ...]
    grades: tuple[GradeControls, ...]
    games: tuple[GameControls, ...]
    wins: Mapping[str, tuple[WinRate, ...]]
    strengths: Mapping[str, Strengths]
    panel: PanelReport | None
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything, for --json and report.json."""
        return {
            "schema": "empathy-bench/judge-report/1",
            "protocol": self.protocol.name,
            "version": self.protocol.version,
            "rubric": self.protocol.hash,
            "judges": {name: dict(found) for name, found in self.settings.items()},
            "systems": list(self.systems),
            "grades": [asdict(found) for found in self.grades],
            "games": [asdict(found) for found in self.games],
            "wins": {judge: [asdict(w) for w in rates] for judge, rates in self.wins.items()},
            "strengths": {judge: asdict(found) for judge, found in self.strengths.items()},
            "panel": self.panel.to_json() if self.panel else None,
            "warnings": list(self.warnings),
        }


def read_judged(folder: Path) -> Said:
    """The verdicts of every judge in a protocol's folder, as `judge run` leaves them.

    Raises:
        InputError: there are none, a file is damaged, or judges were asked about different examples
            or by different rubrics.
    """
    files = sorted(folder.glob(f"*/{VERDICTS}"))
    if not files:
        raise InputError(f"{folder}: no */{VERDICTS}; name a folder such as judged/ed-absolute")
    settings: dict[str, Mapping[str, Any]] = {}
    verdicts: list[Verdict] = []
    for path in files:
        about, found = read_verdicts(path)
        name = str(about.get("judge", {}).get("name", path.parent.name))
        settings[name] = about
        verdicts += found
    first = next(iter(settings.values()))
    for path, known in zip(files, settings.values(), strict=True):
        for part in ("fingerprint", "asking.protocol", "asking.rubric"):
            if _part(known, part) != _part(first, part):
                raise InputError(
                    f"{path}: has another {part} than {files[0]}; ask these judges the same again"
                )
    return Said(get_protocol(str(_part(first, "asking.protocol"))), settings, tuple(verdicts))


def _part(settings: Mapping[str, Any], name: str) -> object:
    found: Any = settings
    for key in name.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def make_report(
    said: Said,
    *,
    scheme: Scheme = "uniform",
    human: Mapping[str, float] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Report:
    """`human` (reply `item/system` → rating) is what the scheme "human" weighs judges by.

    Raises:
        InputError: verdicts contradict each other, or human ratings are missing.
    """
    grades = [v for v in said.verdicts if isinstance(v, Grade)]
    games = [v for v in said.verdicts if isinstance(v, Game)]
    scales = {c.name: (float(c.low), float(c.high)) for c in said.protocol.criteria if c.anchors}
    systems = _systems(said.verdicts)
    options: dict[str, Any] = {"seed": seed, "resamples": resamples}
    graded = grade_controls(grades, scales, **options) if grades else ()
    by_judge = {judge: [g for g in games if g.judge == judge] for judge in said.settings}
    return Report(
        protocol=said.protocol,
        settings=said.settings,
        systems=systems,
        grades=graded,
        games=game_controls(games, **options),
        wins={judge: win_rates(own, **options) for judge, own in by_judge.items() if own},
        strengths={
            judge: bradley_terry(own, controls=CONTROLS, **options)
            for judge, own in by_judge.items()
            if own
        },
        panel=_panel(grades, games, scheme, human, seed) if len(said.settings) > 1 else None,
        warnings=(*_fooled(graded, systems), *_kin(said.settings, systems)),
    )


def _systems(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for v in verdicts:
        if isinstance(v, Grade):
            names[v.system] = None
        elif isinstance(v, Game):
            names |= dict.fromkeys((v.first, v.second))
    return tuple(name for name in names if name not in CONTROLS)


def _panel(
    grades: Sequence[Grade],
    games: Sequence[Game],
    scheme: Scheme,
    human: Mapping[str, float] | None,
    seed: int,
) -> PanelReport:
    from harness.judges.verdict_panels import system_values

    rows = [g for g in grades if g.system not in CONTROLS]
    played = [g for g in games if not {g.first, g.second} & set(CONTROLS)]
    panel = grade_panel(rows) if rows else preference_panel(played, criterion=OVERALL)
    weighting = combine(panel, scheme, human=human, seed=seed)
    return PanelReport(
        weighting=weighting,
        values=system_values(panel, weighting.score),
        absences=absences(panel, weighting),
    )


def _fooled(grades: Sequence[GradeControls], systems: Sequence[str]) -> list[str]:
    """Where a judge grades a control as high as a system, or as high as people."""
    alike: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for report in grades:
        for control in CONTROLS:
            mean = report.means.get(control)
            if control == HUMAN or mean is None or mean.value is None:
                continue
            reached = tuple(
                system
                for system in [*systems, HUMAN]
                if (other := report.means.get(system)) is not None
                and other.value is not None
                and other.value <= mean.value
            )
            if reached:
                key = (report.judge, control.removeprefix("control: "), reached)
                alike.setdefault(key, []).append(f"{report.criterion} ({mean.value:.2f})")
    return [
        f"{judge} grades “{control}” no lower than {', '.join(reached)}: {', '.join(criteria)}"
        for (judge, control, reached), criteria in alike.items()
    ]


def _kin(settings: Mapping[str, Any], systems: Sequence[str]) -> list[str]:
    return [
        f"{judge} judges {system}, of its own family: judges favour their own; see the others"
        for judge in settings
        for system in systems
        if same_family(system, judge) == "same"
    ]
