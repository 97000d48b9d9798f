"""Checked answers → the result that a board shows: our metrics, their card, re-scored."""

from __future__ import annotations

import contextlib
from pathlib import Path

from harness import __version__
from harness.errors import EmpathyBenchError
from harness.files import cache_directory, canonical_json, sha256_file, sha256_text
from harness.metrics.profiles import get_profile
from harness.results import Result, read_result, write_result
from harness.run import Plan
from harness.score import environment, make_result
from leaderboards.submissions.card import ModelCard
from leaderboards.submissions.reading import Answers

__all__ = ["rescore"]


def rescore(
    plan: Plan,
    answers: Answers,
    card: ModelCard,
    *,
    data: str | None = None,
    cached: bool = False,
) -> Result:
    """Score `answers` in the harness profile.

    With `cached`, equal predictions of an equal card that this version scored before with equal
    libraries and metric definitions are not scored again.
    """
    kept = _kept(plan, answers, card)
    if cached:
        with contextlib.suppress(EmpathyBenchError):
            return read_result(kept)
    result = make_result(
        plan.task,
        plan.examples,
        answers.header,
        answers.rows,
        path=answers.path,
        model=card.model(),
        provenance="re-scored",
        data=data,
    )
    if cached:
        with contextlib.suppress(EmpathyBenchError):  # a cache that cannot be written costs time
            write_result(kept, result)
    return result


def _kept(plan: Plan, answers: Answers, card: ModelCard) -> Path:
    """Where the result lies in the user's cache, by all that it depends on."""
    metrics = get_profile("harness").metrics
    identity = [
        __version__,
        environment(),
        [plan.task.name, plan.task.version, plan.examples.fingerprint],
        [[metric.name, metric.signature] for metric in metrics],
        card.model(),
        sha256_file(answers.path),
    ]
    return cache_directory() / "rescored" / f"{sha256_text(canonical_json(identity))}.json"
