"""Raters' answers, un-blinded: ratings in a table, and verdicts of one judge called "people".

A rater is a repeat. In pairs each rater saw one order; the k-th who saw a pair one way and the
k-th who saw it the other way are the two orders of repeat k, so that the reports on games hold for
people as they do for judges.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.judges.people.results import Answered, Key
from harness.judges.verdicts import Game, Grade, Verdict

__all__ = ["ratings_csv", "values_of", "verdicts_of"]

JUDGE = "people"
_HEADS = ("item", "system", "rater", "criterion", "value", "response", "context", "reference",
          "emotion", "group")  # fmt: skip


def _rated(key: Key, kept: Sequence[Answered]) -> Iterator[tuple[Answered, Any, Mapping[str, int]]]:
    """(rater, what the code stood for, values), checks left out, in the order of the key."""
    for answered in kept:
        for code, item in key.forms[answered.form]["items"].items():
            if not item["check"] and code in answered.answers:
                yield answered, item, answered.answers[code]


def verdicts_of(key: Key, kept: Sequence[Answered]) -> list[Verdict]:
    """A grade or game for each answer and criterion."""
    seen: Counter[tuple[str, ...]] = Counter()
    found: list[Verdict] = []
    for _, item, values in _rated(key, kept):
        shown = (item["item"], *item["systems"])
        repeat, sizes = seen[shown], [len(text.split()) for text in item["replies"]]
        seen[shown] += 1
        for criterion, value in values.items():
            known: dict[str, Any] = {
                "judge": JUDGE,
                "item": item["item"],
                "cluster": item["dialogue"],
                "criterion": criterion,
                "repeat": repeat,
            }
            if key.protocol.kind == "absolute":
                (system,) = item["systems"]
                found.append(Grade(**known, system=system, value=float(value), words=sizes[0]))
            else:
                first, second = item["systems"]
                found.append(
                    Game(
                        **known,
                        first=first,
                        second=second,
                        preference=key.protocol.worth(value),
                        words=(sizes[0], sizes[1]),
                    )
                )
    return found


def values_of(key: Key, kept: Sequence[Answered], criterion: str) -> dict[str, dict[str, float]]:
    """Reply or pair → rater → value; of a pair the worth of the one that comes first by name."""
    found: dict[str, dict[str, float]] = {}
    for answered, item, values in _rated(key, kept):
        systems = item["systems"]
        value = key.protocol.worth(values[criterion])
        if len(systems) == 2 and systems[0] > systems[1]:
            value = 1 - value
        name = "/".join([item["item"], *sorted(systems)])
        found.setdefault(name, {})[answered.rater] = value
    return found


def ratings_csv(key: Key, kept: Sequence[Answered]) -> str:
    """The table that `judge validate --ratings csv:FILE` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADS)
    for answered, item, values in _rated(key, kept):
        (system,), (reply,) = item["systems"], item["replies"]
        context = "\n".join(f"{role.capitalize()}: {_line(said)}" for role, said in item["context"])
        for criterion, value in values.items():
            writer.writerow(
                (item["item"], _cell(system), answered.rater, criterion, value, _cell(reply),
                 context, _cell(item["reference"]), item["emotion"] or "", JUDGE)
            )  # fmt: skip
    return text.getvalue()


def _cell(text: str) -> str:
    """One line that a spreadsheet does not run; readers of ratings drop the blank in front."""
    line = _line(text)
    return f" {line}" if line.startswith(("=", "+", "-", "@")) else line


def _line(text: str) -> str:
    return " ".join(text.split())
