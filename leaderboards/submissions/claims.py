"""Numbers that a submission states, against what its own predictions score here."""

from __future__ import annotations

import math
from collections.abc import Collection

from harness.results import MetricResult, Result
from leaderboards.submissions.card import ModelCard
from leaderboards.submissions.findings import Findings

__all__ = ["TOLERANCE", "check_card_claims", "check_claimed_tasks", "check_claims", "within"]

# Libraries of another version move a score by less than this share of it.
TOLERANCE = 0.005
_FIX = "state the number that `empathy-bench score` gives, or leave it out"


def within(claimed: float, ours: float, tolerance: float = TOLERANCE) -> bool:
    """Whether two numbers are one: to `tolerance` of ours, or rounded to the claim's decimals.

    A claim of 2.3 stands for 2.25 to 2.35; a claim of a whole number says nothing of decimals
    and is held to the tolerance.
    """
    text = repr(claimed)
    decimals = len(text.partition(".")[2].rstrip("0")) if "e" not in text else 0
    rounding = 0.5 * 10.0**-decimals if decimals else 0.0
    return abs(claimed - ours) <= max(tolerance * abs(ours), rounding) + 1e-9


def check_claims(
    claimed: Result, ours: Result, file: str, found: Findings, *, tolerance: float = TOLERANCE
) -> None:
    """Compare a claimed result record with the re-scored one, metric by metric."""
    if claimed.comparable_key != ours.comparable_key:
        found.add(
            "error", "claim", file, "speaks of another task, example set or metric profile",
            fix="put the result of these predictions beside them, in the harness profile",
            value=claimed.comparable_key,
        )  # fmt: skip
        return
    theirs = claimed.files.get("predictions", {})
    if not isinstance(theirs, dict) or theirs.get("sha256") != ours.files["predictions"]["sha256"]:
        found.add(
            "warning", "claim", file, "was scored from another predictions file than this one",
            fix="score again: empathy-bench score --predictions …",
        )  # fmt: skip
    for metric in claimed.metrics:
        _check_metric(metric, ours.metric(metric.name), file, found, tolerance)


def check_card_claims(
    card: ModelCard, ours: Result, file: str, found: Findings, *, tolerance: float = TOLERANCE
) -> None:
    """Compare the numbers of the card's own `claims` for this task."""
    for name, value in card.claims.get(ours.task, {}).items():
        metric = ours.metric(name)
        if metric is None or metric.value is None:
            found.add(
                "warning", "claim", file, f"{ours.task} {name}: not scored here, so not checked",
                fix="`empathy-bench list metrics` names what is", value=value,
            )  # fmt: skip
        elif not within(value, metric.value, tolerance):
            _wrong(metric, value, f"{ours.task} {name}", file, found)


def check_claimed_tasks(
    card: ModelCard, tasks: Collection[str], file: str, found: Findings
) -> None:
    """Numbers of the card for tasks that the submission does not hold."""
    for task in card.claims:
        if task not in tasks:
            found.add(
                "error", "claim", file, "claims numbers of a task that is not submitted",
                fix="submit its run too, or leave the claim out", value=task,
            )  # fmt: skip


def _check_metric(
    claimed: MetricResult,
    ours: MetricResult | None,
    file: str,
    found: Findings,
    tolerance: float,
) -> None:
    if ours is None or ours.signature != claimed.signature:
        found.add(
            "warning", "claim", file, f"{claimed.name}: another definition, so not checked",
            fix="score with this version", value=claimed.signature,
        )  # fmt: skip
        return
    if (claimed.n, claimed.n_failed) != (ours.n, ours.n_failed):
        found.add(
            "error", "claim", file,
            f"{claimed.name}: claims {claimed.n:,} examples, {claimed.n_failed:,} failed; "
            f"there are {ours.n:,} and {ours.n_failed:,}",
            fix=_FIX,
        )  # fmt: skip
    if claimed.value is None:
        return
    if ours.value is None or not within(claimed.value, ours.value, tolerance):
        _wrong(ours, claimed.value, claimed.name, file, found)


def _wrong(ours: MetricResult, value: float, name: str, file: str, found: Findings) -> None:
    here = "has no value" if ours.value is None else f"is {ours.value:.6g}"
    gap = math.nan if ours.value is None else value - ours.value
    found.add(
        "error", "claim", file,
        f"{name}: claimed {value:.6g}, re-scored it {here}"
        + (f" ({gap:+.3g})" if math.isfinite(gap) else ""),
        fix=_FIX, value=value,
    )  # fmt: skip
