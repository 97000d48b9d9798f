"""Verdicts as results: what a judge's grades and games amount to for each system.

A system's mean is over examples (repeats, and in pairs both orders, are averaged first), with an
interval over resampled dialogues (`means`). Where the judge failed, the example has no value; it is
counted, and the note says what the mean would be if every such example had the least or the most
that the scale has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.judges.means import mean_of
from harness.judges.protocols import Criterion, Protocol
from harness.judges.questions import Asking
from harness.judges.verdicts import OVERALL, Game, Grade, Verdict
from harness.results import MetricResult, Result

__all__ = ["Judged", "grades_of", "judged_result", "metric_results", "preferences_of"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A system's values by example (None: the judge failed on it) and the examples' dialogues."""

    values: Mapping[str, float | None]
    clusters: Mapping[str, str]

    @property
    def failed(self) -> int:
        return sum(value is None for value in self.values.values())


def grades_of(verdicts: Iterable[Verdict], system: str, criterion: str) -> Judged:
    """What `system` was graded on `criterion`, by example."""
    return _judged(
        (v, v.value)
        for v in verdicts
        if isinstance(v, Grade) and v.system == system and v.criterion == criterion
    )


def preferences_of(
    verdicts: Iterable[Verdict], system: str, opponent: str, criterion: str
) -> Judged:
    """How far `system` was preferred to `opponent` (0 to 1), by example, orders averaged.

    An example counts where the judge gave a verdict in both orders: one alone would carry its
    liking for a place.
    """
    orders: list[list[tuple[Verdict, float | None]]] = [[], []]
    for v in verdicts:
        if isinstance(v, Game) and v.criterion == criterion:
            if (v.first, v.second) == (system, opponent):
                orders[0].append((v, v.preference))
            elif (v.second, v.first) == (system, opponent):
                orders[1].append((v, None if v.preference is None else 1 - v.preference))
    one, other = map(_judged, orders)
    both = {item: _middle(value, other.values.get(item)) for item, value in one.values.items()}
    return Judged(both, one.clusters)


def _middle(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else (one + other) / 2


def _judged(pairs: Iterable[tuple[Verdict, float | None]]) -> Judged:
    by_item: dict[str, list[float]] = {}
    clusters: dict[str, str] = {}
    for verdict, value in pairs:
        clusters[verdict.item] = verdict.cluster
        known = by_item.setdefault(verdict.item, [])
        if value is not None:
            known.append(value)
    means = {item: sum(v) / len(v) if v else None for item, v in by_item.items()}
    return Judged(means, clusters)


def metric_results(
    verdicts: Sequence[Verdict], system: str, protocol: Protocol, signature: str
) -> list[MetricResult]:
    """The system's number on each criterion; in pairs, against each opponent that it met."""
    found = []
    for criterion in protocol.criteria:
        if protocol.kind == "absolute":
            judged = grades_of(verdicts, system, criterion.name)
            scale = (float(criterion.low), float(criterion.high))
            if judged.values:
                found.append(_metric(criterion.name, judged, scale, "", signature, criterion))
            continue
        for opponent in _opponents(verdicts, system):
            judged = preferences_of(verdicts, system, opponent, criterion.name)
            if judged.values:
                what = "wins" if criterion.name == OVERALL else criterion.name
                name = f"{what} against {opponent}"
                found.append(_metric(name, judged, (0.0, 100.0), "percent", signature, criterion))
    return found


def _opponents(verdicts: Iterable[Verdict], system: str) -> list[str]:
    met = [
        v.second if v.first == system else v.first
        for v in verdicts
        if isinstance(v, Game) and system in (v.first, v.second)
    ]
    return list(dict.fromkeys(met))


def _metric(
    name: str,
    judged: Judged,
    scale: tuple[float, float],
    unit: str,
    signature: str,
    criterion: Criterion,
) -> MetricResult:
    factor = 100.0 if unit == "percent" else 1.0
    found = mean_of(
        [None if value is None else factor * value for value in judged.values.values()],
        [judged.clusters[item] for item in judged.values],
        scale=scale,
    )
    note = ""
    if judged.failed and found.least is not None:
        note = (
            f"the judge failed on {judged.failed} of {len(judged.values)}; whatever it would have "
            f"said there, the mean is between {found.least:.2f} and {found.most:.2f}"
        )
    return MetricResult(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        signature=f"{signature}|criterion:{criterion.name}",
        direction="higher",
        unit=unit,
        n=len(judged.values),
        n_failed=judged.failed,
        note=note,
    )


def judged_result(
    verdicts: Sequence[Verdict],
    system: str,
    *,
    asking: Asking,
    judge: Mapping[str, Any],
    examples: Mapping[str, Any],
    model: Mapping[str, Any],
    files: Mapping[str, Mapping[str, str]],
    environment: Mapping[str, str],
) -> Result:
    """A system's result record under one judge, which the board and MLflow take.

    `judge` is its name and identity, `examples` the drawn examples' name, size and fingerprint.
    """
    signature = _signature(asking, judge)
    failures = Counter(verdict.failure for verdict in verdicts if verdict.failure)
    lost = {"judge_failures": ", ".join(f"{n} {name}" for name, n in failures.most_common())}
    return Result(
        task=f"judge_{asking.protocol.name.replace('-', '_')}",
        task_version=asking.protocol.version,
        model=model,
        protocol={
            **examples,
            "profile": str(judge["name"]),
            "judge": dict(judge),
            "asking": asking.to_json(),
        },
        metrics=metric_results(verdicts, system, asking.protocol, signature),
        provenance="re-measured",
        environment={**environment, **(lost if failures else {})},
        files=files,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _signature(asking: Asking, judge: Mapping[str, Any]) -> str:
    words = asking.to_json()
    parts = [
        f"judge|{words['protocol']}|v{words['version']}|rubric:{words['rubric']}",
        f"prompt:{words['prompt']}|form:{words['form']}|temperature:{words['temperature']:g}",
        f"judge:{judge['name']}|interval:cluster-bootstrap",
    ]
    return "|".join(parts)
