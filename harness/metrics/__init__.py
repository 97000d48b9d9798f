"""From examples and predictions to numbers with intervals and definitions.

    pair(examples, predictions) → Scored… → metric.statistics → aggregate → metric.score

A new metric is one module that defines `Metric` objects, and one line in `profiles`; one that needs
a model of its own is a line in `families`; one from another package is a `Metric`, or a tuple of
them, behind an entry point of the group `empathy_bench.metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from harness.datasets.sets import ExampleSet
from harness.errors import InputError, UnknownNameError
from harness.metrics.contract import Kind, Metric, Scored, missing, pair, signature, signed
from harness.metrics.families import FAMILIES
from harness.metrics.profiles import PROFILES, get_profile
from harness.predictions import Prediction
from harness.results import MetricResult

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, Statistics

__all__ = [
    "Metric",
    "Scored",
    "choose_metrics",
    "corpus_value",
    "describe_metrics",
    "example_values",
    "get_metric",
    "metric_names",
    "missing",
    "pair",
    "score_metric",
    "score_predictions",
    "signature",
]

GROUP = "empathy_bench.metrics"
Progress = Callable[[int, int], None]


@cache
def _third_party() -> dict[str, Metric]:
    """Metrics of other packages, by name; they stand beside those of the harness profile."""
    own = {metric.name for profile in PROFILES.values() for metric in profile.metrics}
    found: dict[str, Metric] = {}
    for point in entry_points(group=GROUP):
        origin = f"entry point {point.name!r} of {GROUP} ({point.value})"
        try:
            loaded = point.load()
        except Exception as error:
            raise InputError(f"{origin} cannot be loaded: {error}; mend or uninstall it") from error
        for metric in loaded if isinstance(loaded, tuple) else (loaded,):
            if not isinstance(metric, Metric):
                raise InputError(f"{origin} is a {type(metric).__name__}, expected a Metric")
            if metric.name in own or metric.name in found or metric.name in FAMILIES:
                raise InputError(f"{origin} calls itself {metric.name!r}, a name that is taken")
            found[metric.name] = metric
    return found


def _available(profile: str) -> dict[str, Metric]:
    own = {metric.name: metric for metric in get_profile(profile).metrics}
    return own | _third_party() if profile == "harness" else own


def metric_names(profile: str = "harness") -> tuple[str, ...]:
    """The metrics of a profile, in the order in which they are shown.

    Raises:
        UnknownNameError: no such profile.
    """
    return tuple(_available(profile))


def get_metric(name: str, *, profile: str = "harness") -> Metric:
    """The metric of this name.

    Raises:
        UnknownNameError: no such metric or profile.
    """
    known = _available(profile)
    if name not in known:
        raise UnknownNameError("metric", name, [*known, *FAMILIES])
    return known[name]


def describe_metrics() -> dict[str, str]:
    """Every metric's name with its one sentence; those of legacy profiles only say so."""
    described = {metric.name: metric.description for metric in _available("harness").values()}
    for family in FAMILIES.values():
        described[f"{family.name}[:…]"] = f"{family.description} On demand; {family.argument}."
    for profile in PROFILES.values():
        for metric in profile.metrics:
            described.setdefault(metric.name, f"{metric.description} (--profile {profile.name})")
    return described


def choose_metrics(
    scored: Sequence[Scored],
    *,
    kind: Kind,
    profile: str = "harness",
    names: Sequence[str] | None = None,
) -> tuple[Metric, ...]:
    """The metrics called `names`, or those that a task of this kind shows unasked.

    A response task also shows the label metrics of labels that the predictions carry. Among
    `names`, "default" stands for what is shown unasked and `NAME:ARGUMENT` for a family.

    Raises:
        UnknownNameError: no such metric or profile.
        InputError: a family cannot be made with its argument.
    """
    if names is not None:
        chosen: dict[str, Metric] = {}
        for name in names:
            for metric in _named(name, scored, kind=kind, profile=profile):
                chosen.setdefault(metric.name, metric)
        return tuple(chosen.values())
    kinds: set[Kind] = {kind}
    if kind == "response" and any(s.emotion is not None and s.gold_emotion for s in scored):
        kinds.add("emotion")
    if kind == "response" and any(s.strategy is not None and s.gold_strategy for s in scored):
        kinds.add("strategy")
    return tuple(
        metric
        for metric in _available(profile).values()
        if metric.kinds & kinds and not (metric.optional and missing(metric, scored))
    )


def _named(name: str, scored: Sequence[Scored], *, kind: Kind, profile: str) -> tuple[Metric, ...]:
    if name == "default":
        return choose_metrics(scored, kind=kind, profile=profile)
    family, _, argument = name.partition(":")
    if family in FAMILIES:
        return FAMILIES[family].make(argument)
    return (get_metric(name, profile=profile),)


def score_predictions(
    examples: ExampleSet,
    predictions: Sequence[Prediction],
    *,
    kind: Kind,
    profile: str = "harness",
    names: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = 1000,
    progress: Progress | None = None,
) -> tuple[MetricResult, ...]:
    """Every metric's value, 95 % interval and signature; no model is needed.

    `kind` decides which metrics are shown when `names` is None. `progress` hears (done, total).

    Raises:
        PredictionsError: an id is missing, unknown or doubled.
        UnknownNameError: no such metric or profile.
    """
    scored = pair(examples, predictions)
    metrics = choose_metrics(scored, kind=kind, profile=profile, names=names)
    results = []
    for done, metric in enumerate(metrics):
        if progress:
            progress(done, len(metrics))
        results.append(score_metric(metric, scored, seed=seed, resamples=resamples))
    if progress:
        progress(len(metrics), len(metrics))
    return tuple(results)


def score_metric(
    metric: Metric, scored: Sequence[Scored], *, seed: int = 0, resamples: int = 1000
) -> MetricResult:
    """One metric on paired examples: value, 95 % interval over dialogues, signature.

    Where it has no value, `value` is None and `note` says why.
    """
    from harness import statistics

    note = missing(metric, scored)
    value = low = high = None
    if not note:
        rows = metric.statistics(scored)
        value = _finite(metric, rows)
        note = "" if value is not None else "the value is not a finite number"
    if value is not None:
        clusters = [item.cluster for item in scored]
        bounds = statistics.interval(
            metric, rows, clusters, value=value, seed=seed, resamples=resamples
        )
        low, high = bounds or (None, None)
        if len(set(clusters)) < statistics.MIN_CLUSTERS:
            note = f"no interval: fewer than {statistics.MIN_CLUSTERS} dialogues"
        elif bounds is None:
            note = "no interval: some resamples have no finite value"
    return MetricResult(
        name=metric.name,
        value=value,
        signature=signed(metric, scored),
        direction=metric.direction,
        unit=metric.unit,
        low=low,
        high=high,
        n=len(scored),
        n_failed=sum(item.failed for item in scored),
        note=note,
    )


def corpus_value(metric: Metric, scored: Sequence[Scored]) -> float | None:
    """The metric's value alone, without interval; None where it has none."""
    return None if missing(metric, scored) else _finite(metric, metric.statistics(scored))


def _finite(metric: Metric, rows: Statistics) -> float | None:
    from harness.statistics import ones

    value = float(metric.score(rows.aggregate(ones(len(rows)))))
    return value if math.isfinite(value) else None


def example_values(metric: Metric, scored: Sequence[Scored]) -> FloatArray | None:
    """The metric of each example alone, (n,); None where that means nothing or needs are lacking.

    Means of these are not the corpus value, except for metrics that are means themselves.
    """
    import numpy as np

    if not metric.per_example or missing(metric, scored):
        return None
    rows = metric.statistics(scored)
    values = np.empty(len(rows))
    for start in range(0, len(rows), 256):
        alone = np.eye(min(256, len(rows) - start), len(rows), start)
        values[start : start + 256] = metric.score(rows.aggregate(alone))
    return values
