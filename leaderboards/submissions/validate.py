"""Submission → findings and re-scored results. Everything in it is untrusted until it is through.

structure → schema → examples → answers → copies → our scores → claims; a step that needs an earlier
one to hold is left out where that one failed, so that one cause gives one finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from harness.datasets import Dataset, load_dialogues
from harness.errors import DataError, EmpathyBenchError
from harness.results import Result
from harness.run import Plan
from harness.tasks import TASKS
from leaderboards.submissions.claims import (
    TOLERANCE,
    check_card_claims,
    check_claimed_tasks,
    check_claims,
)
from leaderboards.submissions.content import (
    Facts,
    check_answers,
    check_copies,
    note_floor,
    plain,
    reply_facts,
)
from leaderboards.submissions.findings import Finding, Findings
from leaderboards.submissions.layout import CARD, CLAIMS, Place, submission_folders
from leaderboards.submissions.limits import LIMITS, Limits, Refused
from leaderboards.submissions.opening import opened
from leaderboards.submissions.reading import (
    Answers,
    Submitted,
    read_answers,
    read_claims,
    read_submission,
)
from leaderboards.submissions.rescoring import rescore

__all__ = ["Options", "Report", "validate"]

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`data`: where our own examples are (see `harness.datasets.locate`); `rescore` off checks all
    but the numbers; `cached` takes scores of the very same predictions from the user's cache.
    """

    data: str | None = None
    rescore: bool = True
    cached: bool = False
    tolerance: float = TOLERANCE
    limits: Limits = LIMITS


@dataclass(frozen=True, slots=True)
class Report:
    """Findings over all submissions looked at, their re-scored results, and counts by task."""

    submissions: int
    findings: tuple[Finding, ...]
    errors: int
    results: tuple[Result, ...]
    facts: Mapping[str, Facts] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.errors == 0

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "submissions": self.submissions,
            "errors": self.errors,
            "findings": [finding.to_json() for finding in self.findings],
            "facts": {name: facts.to_json() for name, facts in self.facts.items()},
            "results": [result.to_json() for result in self.results],
        }


def validate(
    paths: Sequence[Path], options: Options | None = None, *, progress: Progress | None = None
) -> Report:
    """Check submissions, stores and archives.

    Raises:
        InputError: a path is neither a folder nor an archive.
        DataError: our own examples, which nothing can be checked without, are not found.
    """
    options = options or Options()
    found, facts = Findings(), dict[str, Facts]()
    results: list[Result] = []
    count = 0
    for path in paths:
        try:
            with opened(path, options.limits) as root:
                above = root.resolve().parts if path.is_dir() else ()
                places = submission_folders(root, str(path), found, options.limits, above=above)
                if not places:
                    found.add(
                        "error", "no-submission", str(path), "holds no submission",
                        fix="make one with `empathy-bench leaderboard submit`",
                    )  # fmt: skip
                for place in places:
                    count += 1
                    results += _check(place, options, found, facts, progress)
        except Refused as error:
            found.add(
                "error", error.code, str(path), error.problem,
                fix=error.fix, line=error.line, value=error.value or "",
            )  # fmt: skip
    return Report(count, found.all(), found.errors, tuple(results), facts)


def _check(
    place: Place,
    options: Options,
    found: Findings,
    facts: dict[str, Facts],
    progress: Progress | None,
) -> list[Result]:
    submitted = read_submission(place, found, options.limits)
    results: list[Result] = []
    if submitted is None:
        return results
    check_claimed_tasks(submitted.card, submitted.tasks, place.name(CARD), found)
    for task in submitted.tasks:
        if progress:
            progress(place.name(task))
        result = _check_task(submitted, task, options, found, facts)
        if result is not None:
            results.append(result)
    return results


def _check_task(
    submitted: Submitted,
    task: str,
    options: Options,
    found: Findings,
    facts: dict[str, Facts],
) -> Result | None:
    before = found.errors
    answers = read_answers(submitted, task, found, options.limits)
    plan = None if answers is None else _plan(answers, task, options, found)
    if answers is None or plan is None:
        return None
    check_answers(answers, plan.task, plan.examples, found)
    if plan.task.kind == "response" and answers.rows:
        place = submitted.place.name(task)
        training = _training(plan, options.data, answers.file, found)
        facts[place] = reply_facts(answers.rows, plan.examples, training)
        seen = getattr(submitted.card, f"{plan.task.dataset}_test_seen")
        check_copies(answers, facts[place], seen, found)
    counted = facts.get(submitted.place.name(task))
    claimed = read_claims(submitted, task, found, options.limits)
    if found.errors > before or not options.rescore:
        return None
    result = rescore(plan, answers, submitted.card, data=options.data, cached=options.cached)
    if counted is not None:
        note_floor(answers, counted, result, found)
    if claimed is not None:
        name = submitted.place.name(task, CLAIMS)
        check_claims(claimed, result, name, found, tolerance=options.tolerance)
    name = submitted.place.name(CARD)
    check_card_claims(submitted.card, result, name, found, tolerance=options.tolerance)
    return result


def _plan(answers: Answers, task: str, options: Options, found: Findings) -> Plan | None:
    """Our own examples for what the header says was asked; None where it asked something else."""
    header = answers.header
    if header.task_version != TASKS[task].version:
        found.add(
            "error", "task-version", answers.file, f"this is version {TASKS[task].version}",
            fix="run the task again with this version", line=1, value=header.task_version,
        )  # fmt: skip
        return None
    try:
        plan = Plan.of(header, options.data)
    except DataError:
        raise
    except EmpathyBenchError as error:
        found.add("error", "examples", answers.file, str(error), line=1)
        return None
    if header.fingerprint != plan.examples.fingerprint or header.size != len(plan.examples):
        found.add(
            "error", "fingerprint", answers.file,
            f"answers other examples than the {len(plan.examples):,} of {plan.examples.name}, "
            f"whose fingerprint is {plan.examples.fingerprint[:19]}…",
            fix="run on the unchanged data (`empathy-bench data check`)", line=1,
            value=header.fingerprint,
        )  # fmt: skip
        return None
    if header.limit is not None:
        found.add(
            "warning", "limited", answers.file,
            f"only the first {len(plan.examples):,} examples: a table of its own on any board",
            fix="run without --limit", line=1, value=header.limit,
        )  # fmt: skip
    return plan


def _training(plan: Plan, data: str | None, file: str, found: Findings) -> frozenset[str] | None:
    data = "sample" if data is None and "/sample-" in plan.examples.name else data
    try:
        return _replies(plan.task.dataset, data)
    except EmpathyBenchError:
        found.add(
            "note", "training-replies", file,
            f"the training split of {plan.task.dataset} is not at hand, so copies were not looked "
            "for",
            fix="give it with --data",
        )  # fmt: skip
        return None


@lru_cache(maxsize=4)
def _replies(dataset: str, data: str | None) -> frozenset[str]:
    """What listeners say in a training split, `plain`."""
    dialogues = load_dialogues(cast("Dataset", dataset), "train", data)
    turns = (turn for dialogue in dialogues for turn in dialogue.turns)
    return frozenset(plain(turn.text) for turn in turns if turn.role == "listener")
