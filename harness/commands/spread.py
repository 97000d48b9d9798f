"""`score --all-profiles`: one file under every published evaluator's definitions, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from harness.commands import show

if TYPE_CHECKING:
    from harness.imports import Imported
    from harness.results import MetricResult
    from harness.run import Plan

__all__ = ["show_spread"]

Spread = Mapping[str, Mapping[str, "MetricResult"]]


def show_spread(
    plan: Plan, card: Mapping[str, object], imported: Imported, *, seed: int, json: bool
) -> None:
    """Print the values (with `json`: the whole metric records) of every profile."""
    found = _measure(plan, imported, seed=seed, quiet=json)
    if json:
        from dataclasses import asdict

        values = {
            profile: {name: asdict(metric) for name, metric in metrics.items()}
            for profile, metrics in found.items()
        }
        show.print_json(values)
        return
    names = dict.fromkeys(name for metrics in found.values() for name in metrics)
    rows = [
        [name, _ratio(found, name), *(_value(metrics.get(name)) for metrics in found.values())]
        for name in names
    ]
    rows.sort(key=lambda row: not row[1])
    title = (
        f"{card['name']} · {plan.examples.name} (n={len(plan.examples)}) · one file, every ruler"
    )
    right = set(range(1, len(found) + 2))
    show.table(title, ["metric", "spread", *found], rows, right=right)
    typer.echo(
        "spread: the largest value over the smallest. Numbers of two columns never belong into one "
        "table; `empathy-bench list profiles` says what each does differently."
    )


def _measure(plan: Plan, imported: Imported, *, seed: int, quiet: bool) -> Spread:
    from harness.metrics import choose_metrics, pair, score_metric
    from harness.metrics.profiles import PROFILES

    scored = pair(plan.examples, imported.predictions)
    chosen = {
        profile: choose_metrics(scored, kind=plan.task.kind, profile=profile)
        for profile in PROFILES
    }
    total = sum(map(len, chosen.values()))
    done = 0
    found: dict[str, dict[str, MetricResult]] = {}
    with show.progress_bar("scoring", quiet=quiet) as progress:
        for profile, metrics in chosen.items():
            for metric in metrics:
                progress(done, total)
                result = score_metric(metric, scored, seed=seed)
                found.setdefault(profile, {})[metric.name] = result
                done += 1
        progress(total, total)
    return found


def _value(metric: MetricResult | None) -> str:
    return "" if metric is None else show.number(metric.value)


def _ratio(found: Spread, name: str) -> str:
    """How many times larger the largest value is; "" where fewer than two profiles have one."""
    values = [
        abs(metrics[name].value or 0.0)
        for metrics in found.values()
        if name in metrics and metrics[name].value is not None
    ]
    if len(values) < 2 or not max(values):
        return ""
    return f"{max(values) / min(values):.1f}×" if min(values) else "∞"
