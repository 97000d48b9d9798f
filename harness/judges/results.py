"""Verdicts as results: what a judge's grades and games amount to for each system.

A system's mean is over examples (repeats, and in pairs both orders, are averaged first), with a
Student interval whose error counts dialogues as clusters (Miller 2024). Where the judge failed
on all of an example's questions, the example has no value; it is counted, and the note says what
the mean would be if every such example had the least or the most that the scale has.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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
    def known(self) -> dict[str, float]:
        return {item: value for item, value in self.values.items() if value is not None}

    @property
    def failed(self) -> int:
        return sum(value is None for value in self.values.values())

    def bounds(self, low: float, high: float) -> tuple[float, float]:
        """The mean if every failure had been the scale's `low`, or its `high`."""
        total, count = sum(self.known.values()), max(len(self.values), 1)
        return (total + self.failed * low) / count, (total + self.failed * high) / count


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
    """How far `system` was preferred to `opponent` (0 to 1), by example, orders averaged."""
    found: list[tuple[Verdict, float | None]] = []
    for v in verdicts:
        if isinstance(v, Game) and v.criterion == criterion:
            if (v.first, v.second) == (system, opponent):
                found.append((v, v.preference))
            elif (v.second, v.first) == (system, opponent):
                found.append((v, None if v.preference is None else 1 - v.preference))
    return _judged(found)


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
    values = {item: factor * value for item, value in judged.known.items()}
    value, low, high = _mean(values, judged.clusters, scale)
    note = ""
    if judged.failed:
        least, most = (factor * b for b in judged.bounds(scale[0] / factor, scale[1] / factor))
        note = (
            f"the judge failed on {judged.failed} of {len(judged.values)}; whatever it would have "
            f"said there, the mean is between {least:.2f} and {most:.2f}"
        )
    return MetricResult(
        name=name,
        value=value,
        low=low,
        high=high,
        signature=f"{signature}|criterion:{criterion.name}",
        direction="higher",
        unit=unit,
        n=len(judged.values),
        n_failed=judged.failed,
        note=note,
    )


def _mean(
    values: Mapping[str, float], clusters: Mapping[str, str], scale: tuple[float, float]
) -> tuple[float | None, float | None, float | None]:
    import numpy as np
    from scipy.special import stdtrit

    from harness.statistics.power import standard_error

    if not values:
        return None, None, None
    numbers = np.array(list(values.values()))
    names = [clusters[item] for item in values]
    mean, count = float(numbers.mean()), len(set(names))
    error = standard_error(numbers, names)
    if count < 5 or not math.isfinite(error):
        return mean, None, None
    reach = float(stdtrit(count - 1, 0.975)) * error
    return mean, max(mean - reach, scale[0]), min(mean + reach, scale[1])


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
        f"judge:{judge['name']}|interval:clustered-t",
    ]
    return "|".join(parts)
