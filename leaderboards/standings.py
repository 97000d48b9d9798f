"""How sure the order of a board's models is: rank intervals and chances of being best.

Made from predictions, never from other numbers: all models of a table are resampled on the same
dialogues (`harness.statistics.ranks`). Floors, people and printed rows have no rank. A model whose
predictions are not at hand has none either, and is not counted among the others' rivals.

A rank speaks of a board's models only, so that another model may change it; scores never change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import EmpathyBenchError
from harness.files import cache_directory, canonical_json, sha256_text, write_atomic
from harness.results import Result
from leaderboards.rows import row_kind

if TYPE_CHECKING:
    from harness.comparable import Runs
    from harness.metrics.contract import Metric

__all__ = ["RESAMPLES", "Standing", "Standings", "standings"]

RESAMPLES = 1000
_RANKED = ("model", "baseline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A model's rank on one metric among `rivals` models, itself one of them.

    `low` and `high` bound its 95 % interval; `p_best` is the share of resamples it is best in, a
    tie being shared. `behind` is its value minus that of `best`, the result id of the first by
    value, with the paired 95 % interval; None for that one itself.
    """

    rank: int
    low: int
    high: int
    p_best: float
    rivals: int
    best: str
    behind: tuple[float, float, float] | None


# (result id, metric name) → standing
Standings = Mapping[tuple[str, str], Standing]


def standings(
    results: Sequence[Result],
    answers: Mapping[str, Path],
    *,
    data: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Standings:
    """The standing of every model in `results`, on every metric that has a better direction.

    `answers` maps result ids to predictions. `progress` is told which table is next, and what
    could not be ranked. Computed once for the same predictions, and kept in the user's cache.
    """
    groups: dict[tuple[str, int, str, str], list[Result]] = {}
    for result in sorted(results, key=lambda result: result.id):
        if row_kind(result) in _RANKED and result.id in answers:
            groups.setdefault(result.comparable_key, []).append(result)
    found: dict[tuple[str, str], Standing] = {}
    for (task, *_), group in groups.items():
        if len(group) < 2:
            continue
        kept = _kept(group)
        known = _recall(kept, group)
        if known is None:
            if progress:
                progress(f"ranking {len(group)} models on {task}")
            try:
                known = _measure(group, answers, data)
            except EmpathyBenchError as error:
                if progress:
                    progress(f"no ranks on {task}: {error}")
                continue
            _remember(kept, known)
        found |= known
    return found


def _measure(
    group: Sequence[Result], answers: Mapping[str, Path], data: str | None
) -> dict[tuple[str, str], Standing]:
    from harness.comparable import read_runs

    runs = read_runs([answers[result.id] for result in group], data=data)
    profile = group[0].comparable_key[3]
    found: dict[tuple[str, str], Standing] = {}
    for metric in _metrics(group, runs, profile):
        rivals = _rivals(metric, group, runs)
        if len(rivals) < 2:
            continue
        ids = [group[i].id for i in rivals]
        ranked = _ranked(metric, [runs.scored[i] for i in rivals], ids)
        found |= {(name, metric.name): standing for name, standing in ranked.items()}
    return found


def _metrics(group: Sequence[Result], runs: Runs, profile: str) -> list[Metric]:
    """What the results have numbers for, as this version defines it."""
    from harness.errors import UnknownNameError
    from harness.metrics import get_metric

    names = dict.fromkeys(metric.name for result in group for metric in result.metrics)
    found = []
    for name in names:
        with contextlib.suppress(UnknownNameError):
            metric = get_metric(name, profile=profile)
            if metric.direction != "none":
                found.append(metric)
    return found


def _rivals(metric: Metric, group: Sequence[Result], runs: Runs) -> list[int]:
    """Those whose number on the board is this metric in this very definition."""
    from harness.metrics import missing
    from harness.metrics.contract import signed

    found = []
    for i, (result, scored) in enumerate(zip(group, runs.scored, strict=True)):
        shown = result.metric(metric.name)
        if shown is None or shown.value is None or missing(metric, scored):
            continue
        if shown.signature == signed(metric, scored):
            found.append(i)
    return found


def _ranked(metric: Metric, scored: Sequence[Any], ids: Sequence[str]) -> dict[str, Standing]:
    """Result id → standing; empty where a value or a resample is not a finite number."""
    from harness.errors import InputError
    from harness.statistics import MIN_CLUSTERS, differences, ranks, systems

    try:
        found = systems(metric, scored)
    except InputError:
        return {}
    if found.count < MIN_CLUSTERS:
        return {}
    draws = found.draws(seed=0, resamples=RESAMPLES)
    ranked = ranks(found, draws=draws)
    if ranked is None:
        return {}
    best = min(range(len(ids)), key=lambda i: ranked[i].rank)
    others = [i for i in range(len(ids)) if i != best]
    gaps = differences(found, [(i, best) for i in others], test="bootstrap", draws=draws)
    behind = {
        i: (gap.value, gap.low, gap.high)
        for i, gap in zip(others, gaps, strict=True)
        if gap.low is not None and gap.high is not None
    }
    return {
        name: Standing(
            **dataclasses.asdict(ranked[i]), rivals=len(ids), best=ids[best], behind=behind.get(i)
        )
        for i, name in enumerate(ids)
    }


def _kept(group: Sequence[Result]) -> Path:
    """Where a table's standings lie in the user's cache, by all that they depend on."""
    from harness import __version__
    from harness.score import environment

    identity: list[Any] = [__version__, environment(), RESAMPLES]
    for result in group:
        numbers = [[metric.name, metric.value, metric.signature] for metric in result.metrics]
        identity.append([result.id, result.comparable_key, result.files, numbers])
    return cache_directory() / "standings" / f"{sha256_text(canonical_json(identity))}.json"


def _remember(path: Path, found: Mapping[tuple[str, str], Standing]) -> None:
    rows = [[*key, dataclasses.asdict(standing)] for key, standing in found.items()]
    with contextlib.suppress(EmpathyBenchError):  # a cache that cannot be written costs time
        write_atomic(path, json.dumps(rows) + "\n")


def _recall(path: Path, group: Sequence[Result]) -> dict[tuple[str, str], Standing] | None:
    ids = {result.id for result in group}
    try:
        rows = json.loads(path.read_text("utf-8"))
        found = {(str(i), str(name)): _standing(fields) for i, name, fields in rows}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if {i for i, _ in found} <= ids else None


def _standing(fields: dict[str, Any]) -> Standing:
    behind = fields["behind"]
    return Standing(**{**fields, "behind": None if behind is None else tuple(behind)})
