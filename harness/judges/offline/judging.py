"""The offline judge before the same questions as any other: `judge run -j offline:FOLDER`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.judges.offline.features import Reply, load_vectors
from harness.judges.offline.kept import identity_of, load_offline_judge
from harness.judges.planning import CONTROLS
from harness.judges.protocols import Protocol
from harness.judges.questions import Question
from harness.judges.running import NO_REPLY
from harness.judges.verdicts import Grade, Verdict

__all__ = ["PREFIX", "offline_verdicts"]

PREFIX = "offline:"


def offline_verdicts(
    folder: Path, questions: Sequence[Question], protocol: Protocol
) -> tuple[dict[str, Any], list[Verdict]]:
    """The judge's name and identity, and a grade for each question on the criterion it knows.

    Raises:
        InputError: the protocol has no such criterion, or asks for more than a grade of a reply.
        ModelError: there is no judge in the folder, or its sentence encoder is not here.
    """
    judge = load_offline_judge(folder)
    criterion = next((c for c in protocol.criteria if c.name == judge.criterion), None)
    if protocol.kind != "absolute" or protocol.shows != "reply" or criterion is None:
        raise InputError(
            f"{PREFIX}{folder}: grades {judge.criterion} of single replies; {protocol.name} asks "
            "for something else"
        )
    replies = [
        Reply(str(number), tuple(turn.text for turn in q.example.context), q.shown[0].text)
        for number, q in enumerate(questions)
    ]
    scores = judge.scores(replies, load_vectors()) if replies else {}
    name = f"offline-{identity_of(judge)[:6]}"
    found: list[Verdict] = []
    for number, question in enumerate(questions):
        (shown,) = question.shown
        failed = not shown.text.strip() and shown.system not in CONTROLS
        share = 0.0 if failed else scores[str(number)]
        found.append(
            Grade(
                judge=name,
                item=question.example.id,
                cluster=question.example.dialogue_id,
                criterion=criterion.name,
                repeat=question.repeat,
                reason=NO_REPLY if failed else None,
                system=shown.system,
                value=criterion.low + share * (criterion.high - criterion.low),
                words=shown.words,
            )
        )
    return {"name": name, "client": "offline", "weights": identity_of(judge)}, found
