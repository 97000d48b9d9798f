"""How often a judge is won over: attacks against the human reply to the same dialogue.

An attack succeeds on an example if the judge gives it, over all criteria, at least the human
reply's mean grade; in pairs, if both orders together prefer it. The dull reply that most attacks
are added to is judged alike: only what attacks win beyond it is their doing. A judge's failure is
no success and is counted apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.dialogue import Example
from harness.judges.attacks import ATTACKS, BASE
from harness.judges.planning import HUMAN
from harness.judges.protocols import Protocol
from harness.judges.questions import Question, Shown
from harness.judges.results import grades_of, preferences_of
from harness.judges.verdicts import Verdict

__all__ = ["DULL", "Won", "attack_questions", "won"]

DULL = "the dull reply alone"


@dataclass(frozen=True, slots=True)
class Won:
    """Of `judged` (attack, example) pairs of a family, those that succeeded, and the failures."""

    family: str
    judged: int
    succeeded: int
    failed: int

    @property
    def rate(self) -> float | None:
        return self.succeeded / self.judged if self.judged else None


def attack_questions(protocol: Protocol, examples: Sequence[Example]) -> list[Question]:
    """Every attack, the dull reply and the human reply; in pairs each against the human, twice."""
    questions = []
    for example in examples:
        human = Shown(HUMAN, example.reference)
        others = [Shown(DULL, BASE), *(Shown(attack.name, attack.text) for attack in ATTACKS)]
        if protocol.kind == "absolute":
            questions += [Question(example, (shown,)) for shown in [human, *others]]
        else:
            questions += [
                Question(example, pair) for o in others for pair in ((o, human), (human, o))
            ]
    return questions


def won(protocol: Protocol, verdicts: Sequence[Verdict]) -> list[Won]:
    """By family of attacks, the dull reply first."""
    families: dict[str, list[str]] = {DULL: [DULL]}
    for attack in ATTACKS:
        families.setdefault(attack.family, []).append(attack.name)
    found = []
    for family, names in families.items():
        margins = [margin for name in names for margin in _margins(protocol, verdicts, name)]
        known = [margin for margin in margins if margin is not None]
        # A preference of exactly a half is a tie, as much the human's as the attack's.
        beat = [m >= 0 if protocol.kind == "absolute" else m > 0 for m in known]
        found.append(Won(family, len(known), sum(beat), len(margins) - len(known)))
    return found


def _margins(protocol: Protocol, verdicts: Sequence[Verdict], name: str) -> list[float | None]:
    """The reply's mean over criteria less the human's, by example; None where one failed."""
    by_item: dict[str, list[float | None]] = {}
    for criterion in protocol.criteria:
        if protocol.kind == "pairwise":
            preferences = preferences_of(verdicts, name, HUMAN, criterion.name).values
            for item, value in preferences.items():
                by_item.setdefault(item, []).append(None if value is None else value - 0.5)
            continue
        human = grades_of(verdicts, HUMAN, criterion.name).values
        for item, value in grades_of(verdicts, name, criterion.name).values.items():
            other = human.get(item)
            known = value is not None and other is not None
            by_item.setdefault(item, []).append(value - other if known else None)  # type: ignore[operator]
    return [
        None if None in margins else sum(m for m in margins if m is not None) / len(margins)
        for margins in by_item.values()
    ]
