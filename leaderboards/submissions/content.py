"""What the answers themselves say: complete, honest about failures, their own, and not one reply.

Replies are compared without case, punctuation and spacing. Only those of eight words or more
count as copies: "I am sorry to hear that" is said by everybody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from harness.datasets.sets import ExampleSet
from harness.predictions import Prediction
from harness.results import Result
from harness.tasks import Task
from leaderboards.submissions.findings import Findings
from leaderboards.submissions.reading import Answers

__all__ = ["Facts", "check_answers", "check_copies", "note_floor", "plain", "reply_facts"]

MIN_WORDS = 8
# On ED's test set the commonest human reply stands 10 times in 5,255; MIME's says one 638 times.
_SAME_REPLY = 0.05
_COPIES = 0.01
# Nobody writes every fifth reply word for word as the test set has it.
_TOO_MANY_COPIES = 0.20


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Counts over `replies` (those not failed) of one task.

    `commonest` is the reply said most, `commonest_count` times; `gold` equal the reference of
    their own example and `training` any listener turn of the training split (None where that is
    not at hand), both among the `long` replies of eight words or more. `human_*` are the same
    counts for the references.
    """

    replies: int
    failed: int
    distinct: int
    commonest: str
    commonest_count: int
    human_commonest_count: int
    long: int
    gold: int
    training: int | None
    human_long: int
    human_training: int | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def plain(text: str) -> str:
    """Words in lower case, a space between each."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def check_answers(answers: Answers, task: Task, examples: ExampleSet, found: Findings) -> None:
    """Every example answered once, none unknown, every failure said to be one."""
    known = {example.id for example in examples}
    for row in answers.rows:
        line = answers.at[row.id]
        if row.id not in known:
            found.add(
                "error", "unknown-id", answers.file, f"no example of {examples.name}",
                fix="answer the task's own examples", line=line, value=row.id,
            )  # fmt: skip
            continue
        _check_answer(row, line, task, answers.file, found)
    for example in examples:
        if example.id not in answers.at:
            found.add(
                "error", "missing-id", answers.file, "an example has no prediction",
                fix='answer it, or say why not in "error"', value=example.id,
            )  # fmt: skip


def _check_answer(row: Prediction, line: int, task: Task, file: str, found: Findings) -> None:
    answer = getattr(row, task.kind)
    if row.error is not None:
        if answer is not None and answer.strip():
            found.add(
                "warning", "failed-with-answer", file, "declared as failed: its answer is unread",
                fix='leave out "error" where there is an answer', line=line, value=row.id,
            )  # fmt: skip
        return
    if answer is None or not answer.strip():
        found.add(
            "error", "empty", file, f'no "{task.kind}", and not declared as failed',
            fix='add "error" with the reason to the row', line=line, value=row.id,
        )  # fmt: skip
    elif task.labels and answer not in task.labels:
        found.add(
            "warning", "unknown-label", file, f"no {task.kind} of this task; it counts as wrong",
            fix=f"use one of the {len(task.labels)} labels", line=line, value=answer,
        )  # fmt: skip


def reply_facts(
    rows: Sequence[Prediction], examples: ExampleSet, training: Collection[str] | None
) -> Facts:
    """Count; `training` holds `plain` listener turns of the training split."""
    references = {example.id: plain(example.reference) for example in examples}
    said = {
        row.id: plain(row.response or "")
        for row in rows
        if row.error is None and row.id in references
    }
    commonest, count = _commonest(said)
    long = {key: text for key, text in said.items() if _long(text)}
    human_long = [text for text in references.values() if _long(text)]
    return Facts(
        replies=len(said),
        failed=sum(row.error is not None for row in rows),
        distinct=len(set(said.values())),
        commonest=commonest,
        commonest_count=count,
        human_commonest_count=_commonest(references)[1],
        long=len(long),
        gold=sum(text == references[key] for key, text in long.items()),
        training=None if training is None else sum(t in training for t in long.values()),
        human_long=len(human_long),
        human_training=None if training is None else sum(t in training for t in human_long),
    )


def check_copies(answers: Answers, facts: Facts, seen: str, found: Findings) -> None:
    """Flag one reply over many contexts, and replies that are the reference's or training's.

    `seen` is what the card says of this test set: yes, no or unknown.
    """
    if _repeats(facts):
        share = facts.commonest_count / facts.replies
        line = _line(answers, facts.commonest)
        found.add(
            "warning", "same-reply", answers.file,
            f"one reply over {facts.commonest_count:,} of {facts.replies:,} contexts "
            f"({share:.1%}; people: {facts.human_commonest_count:,}; a constant reply: all), "
            f"{facts.distinct:,} different replies in all",
            fix="look at its numbers beside the constant floor's", line=line,
            value=facts.commonest,
        )  # fmt: skip
    _check_gold(answers, facts, seen, found)
    if facts.training is not None and facts.training > max(2, _COPIES * facts.long):
        found.add(
            "warning", "training-replies", answers.file,
            f"{facts.training:,} of {facts.long:,} replies of {MIN_WORDS} words or more are "
            f"training replies word for word (of the references {facts.human_training:,} of "
            f"{facts.human_long:,})",
            fix="say in the card that it retrieves, or look for a leak",
        )  # fmt: skip


def note_floor(answers: Answers, facts: Facts, ours: Result, found: Findings) -> None:
    """Beside a reply that is said too often, what the constant reply scores in the same place."""
    if not _repeats(facts):
        return
    sides = []
    for metric in ours.metrics:
        floors = [value for name, value in metric.floors.items() if name.startswith("Constant")]
        if floors and metric.value is not None and metric.direction == "higher":
            sides.append(f"{metric.name} {metric.value:.4g} (constant reply {max(floors):.4g})")
    if sides:
        found.add("note", "constant-floor", answers.file, "; ".join(sides))


def _repeats(facts: Facts) -> bool:
    return facts.commonest_count >= max(3, _SAME_REPLY * facts.replies)


def _check_gold(answers: Answers, facts: Facts, seen: str, found: Findings) -> None:
    if facts.gold <= max(2, _COPIES * facts.long):
        return
    share = facts.gold / facts.long
    said = f"the card says this test set was {'' if seen == 'yes' else 'not '}seen"
    found.add(
        "error" if share >= _TOO_MANY_COPIES else "warning", "gold-replies", answers.file,
        f"{facts.gold:,} of {facts.long:,} replies of {MIN_WORDS} words or more ({share:.1%}) are "
        "the reference of their own example word for word; "
        + (said if seen != "unknown" else "the card does not say whether the test set was seen"),
        fix="answer without sight of the references; train on no test dialogue",
    )  # fmt: skip


def _line(answers: Answers, text: str) -> int | None:
    """Where a reply is first said."""
    return next(
        (answers.at[row.id] for row in answers.rows if plain(row.response or "") == text), None
    )


def _commonest(texts: Mapping[str, str]) -> tuple[str, int]:
    counts = Counter(texts.values())
    return counts.most_common(1)[0] if counts else ("", 0)


def _long(text: str) -> bool:
    return text.count(" ") >= MIN_WORDS - 1
