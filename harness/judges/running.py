"""Asking a judge, and its verdicts: one per question and criterion, failures among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.clients import Asker, Reply, Request
from harness.errors import DataError, InputError, located
from harness.files import write_atomic
from harness.jsonl import brief, read_lines
from harness.judges.protocols import Criterion, Protocol
from harness.judges.questions import Asking, Question, requests
from harness.judges.reading import Answer, read_digit, read_object
from harness.judges.verdicts import Game, Grade, Verdict

__all__ = ["NO_REPLY", "ask_judge", "by_rule", "read_verdicts", "to_ask", "write_verdicts"]

SCHEMA = "empathy-bench/verdicts/1"
NO_REPLY, SAME = "rule: no reply", "rule: the same reply"
_NAMES = {"grade": Grade, "game": Game}


def by_rule(question: Question) -> tuple[str, float] | None:
    """(why, share of the scale or preference) where no judge is needed; see `planning`."""
    texts = [" ".join(shown.text.split()) for shown in question.shown]
    if len(texts) == 1:
        # The null control is there to be judged.
        empty = not texts[0] and not question.shown[0].system.startswith("control:")
        return (NO_REPLY, 0.0) if empty else None
    if texts[0] == texts[1]:
        return SAME, 0.5
    for text, preference, shown in zip(texts, (0.0, 1.0), question.shown, strict=True):
        if not text and not shown.system.startswith("control:"):
            return NO_REPLY, preference
    return None


def to_ask(questions: Sequence[Question], asking: Asking) -> list[Request]:
    """Every request that these questions take: for an estimate."""
    open_ones = [question for question in questions if by_rule(question) is None]
    return [request for q in open_ones for request in requests(q, asking).values()]


def ask_judge(
    asker: Asker,
    questions: Sequence[Question],
    asking: Asking,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """A verdict for each question and criterion, in order.

    Answers known from before are taken from the store; a failure is asked again.

    Raises:
        ModelError: the judge refuses everybody alike.
        StorageError: an answer cannot be written.
    """
    asked = [{} if by_rule(q) else requests(q, asking) for q in questions]
    flat = [request for group in asked for request in group.values()]
    replies = iter(asker.replies(flat, progress) if flat else [])
    found: list[Verdict] = []
    for question, group in zip(questions, asked, strict=True):
        given = {name: next(replies) for name in group}
        answers = _answers(question, asking.protocol, given)
        found += [
            _verdict(asker.name, question, asking.protocol, criterion, answers[criterion.name])
            for criterion in asking.protocol.criteria
        ]
    return found


def _answers(
    question: Question, protocol: Protocol, replies: Mapping[str, Reply]
) -> dict[str, Answer]:
    rule = by_rule(question)
    if rule is not None:
        why, value = rule
        return {
            criterion.name: Answer(
                value if protocol.kind == "pairwise" else float(criterion.low), reason=why
            )
            for criterion in protocol.criteria
        }
    if "" in replies:
        return read_object(replies[""], protocol)
    return {
        criterion.name: read_digit(replies[criterion.name], protocol, criterion)
        for criterion in protocol.criteria
    }


def _verdict(
    judge: str, question: Question, protocol: Protocol, criterion: Criterion, answer: Answer
) -> Verdict:
    known: dict[str, Any] = {
        "judge": judge,
        "item": question.example.id,
        "cluster": question.example.dialogue_id,
        "criterion": criterion.name,
        "repeat": question.repeat,
        "mass": answer.mass,
        "failure": answer.failure,
        "reason": answer.reason,
    }
    if protocol.kind == "absolute":
        (shown,) = question.shown
        return Grade(**known, system=shown.system, value=answer.value, words=shown.words)
    first, second = question.shown
    return Game(
        **known,
        first=first.system,
        second=second.system,
        preference=answer.value,
        words=(first.words, second.words),
    )


def write_verdicts(path: Path, settings: Mapping[str, Any], verdicts: Sequence[Verdict]) -> None:
    """A header with `settings`, then a verdict a line; atomic.

    Raises:
        StorageError: the disk refuses.
    """
    import json
    from dataclasses import asdict

    rows: list[dict[str, Any]] = [{"schema": SCHEMA, "settings": dict(settings)}]
    for verdict in verdicts:
        kind = "grade" if isinstance(verdict, Grade) else "game"
        row = {"kind": kind, **asdict(verdict)}
        rows.append({key: value for key, value in row.items() if value is not None})
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    write_atomic(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))


def read_verdicts(path: Path) -> tuple[dict[str, Any], list[Verdict]]:
    """What `write_verdicts` wrote.

    Raises:
        InputError: there is no such file, or a line is damaged.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; `empathy-bench judge run` writes it")
    settings: dict[str, Any] | None = None
    found: list[Verdict] = []
    for line, row in read_lines(path, error=DataError):
        if not isinstance(row, dict):
            raise DataError(located(path, line, f"expected an object, found {brief(row)}"))
        if settings is None:
            if row.get("schema") != SCHEMA or not isinstance(row.get("settings"), dict):
                raise DataError(located(path, line, f"is no header of {SCHEMA}: {brief(row)}"))
            settings = row["settings"]
            continue
        found.append(_parsed(row, located(path, line, "")))
    if settings is None:
        raise DataError(f"{path}: is empty")
    return settings, found


def _parsed(row: Mapping[str, Any], place: str) -> Verdict:
    fields = dict(row)
    kind = _NAMES.get(str(fields.pop("kind", "")))
    value = fields.get("value" if kind is Grade else "preference")
    number = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    if kind is None or not (number or isinstance(fields.get("failure"), str)):
        raise DataError(f"{place}needs a kind, and a value or a failure; found {brief(row)}")
    if kind is Game:
        fields["words"] = tuple(fields.get("words") or (0, 0))
        fields.setdefault("preference", None)
    else:
        fields.setdefault("value", None)
    try:
        made: Verdict = kind(**fields)
        return made
    except TypeError as bad:
        raise DataError(f"{place}is no {kind.__name__.lower()} ({bad})") from bad
