"""What raters are shown: the same examples for all, blind, each rater in an order of their own.

A form holds texts and codes, never a system's name: what a code stands for is in the key, which
stays with the researcher. Of two replies each stands first for half of the raters. Among the items
stand attention checks that any reader passes: a reply that says which answer to give; two replies
that are the same; a reply about something else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from random import Random
from typing import Any

from harness.dialogue import Example
from harness.files import canonical_json, sha256_text
from harness.judges.planning import Plan
from harness.judges.protocols import ABSENT, Criterion, Protocol
from harness.judges.questions import Question

__all__ = ["SCHEMA", "Check", "Form", "Screen", "make_forms"]

SCHEMA = "empathy-bench/people/1"
# What nobody can see otherwise: a reply about trains does none of these for what was told.
_ABOUT_THIS = ("relevance", "empathy", "comforting", "identification", "interpretations")
# What a judge is asked of each reply, said as people say it of two.
_PAIRED = {
    ("ed-pairwise", "empathy"): "Which reply shows more understanding of what the speaker feels?",
    ("ed-pairwise", "relevance"): "Which reply answers better what was said in this dialogue?",
    ("ed-pairwise", "fluency"): "Which reply is the more correct and natural English here?",
}
_OFF_TOPIC = "The train to the airport leaves at nine from platform four ."


@dataclass(frozen=True, slots=True)
class Check:
    """An attention check: its kind, and for each criterion the answers that pass."""

    kind: str
    passes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Screen:
    """One item of a form. `systems` and `check` are for the key alone."""

    code: str
    example: Example
    replies: tuple[str, ...]
    systems: tuple[str, ...] = ()
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """One rater's form; `rater` is a code, too."""

    rater: str
    protocol: Protocol
    screens: tuple[Screen, ...]
    title: str
    contact: str = ""

    @property
    def shown(self) -> dict[str, Any]:
        """What is in the form: texts, questions, codes."""
        return {
            "schema": SCHEMA,
            "rater": self.rater,
            "title": self.title,
            "contact": self.contact,
            "pairs": self.protocol.kind == "pairwise",
            "criteria": [_question(self.protocol, c) for c in self.protocol.criteria],
            "items": [
                {
                    "code": screen.code,
                    "context": [[turn.role, turn.text] for turn in screen.example.context],
                    "replies": [reply.strip() or ABSENT for reply in screen.replies],
                }
                for screen in self.screens
            ],
        }

    @property
    def hash(self) -> str:
        """Sixteen digits of all that is shown: results name the form that they answer."""
        return sha256_text(canonical_json(self.shown))[:16]

    @property
    def key(self) -> dict[str, Any]:
        """What the codes stand for: never given to raters."""
        return {
            "rater": self.rater,
            "items": {
                screen.code: {
                    "item": screen.example.id,
                    "dialogue": screen.example.dialogue_id,
                    "systems": list(screen.systems),
                    "replies": list(screen.replies),
                    "context": [[turn.role, turn.text] for turn in screen.example.context],
                    "reference": screen.example.reference,
                    "emotion": screen.example.emotion,
                    "check": asdict(screen.check) if screen.check else None,
                }
                for screen in self.screens
            },
        }


def make_forms(
    protocol: Protocol,
    plan: Plan,
    *,
    raters: int,
    attention: int = 2,
    seed: int = 1234,
    title: str = "",
    contact: str = "",
) -> list[Form]:
    """One form for each rater, of the plan's questions (each pair once, in one of its orders)."""
    # Of the two orders of a pair the plan has both; people see one each, turned about over raters.
    asked = [question for question in plan.questions if _is_first(question, plan.systems)]
    return [
        _form(protocol, plan, asked, number, attention, seed, title, contact)
        for number in range(raters)
    ]


def _is_first(question: Question, systems: Sequence[str]) -> bool:
    names = [shown.system for shown in question.shown]
    return len(names) == 1 or systems.index(names[0]) < systems.index(names[1])


def _form(
    protocol: Protocol,
    plan: Plan,
    asked: Sequence[Question],
    number: int,
    attention: int,
    seed: int,
    title: str,
    contact: str,
) -> Form:
    rng = Random(f"{seed}|{number}")
    rater = f"r{sha256_text(f'{seed}|rater|{number}')[:6]}"
    screens = []
    met: Counter[frozenset[str]] = Counter()
    for question in asked:
        shown = question.shown
        # Counted by pair: half of the items of each are turned for one rater, the others for the
        # next. Counted over all items, an even number of pairs would always stand the same way.
        pair = frozenset(s.system for s in shown)
        if len(shown) == 2 and (met[pair] + number) % 2:
            shown = (shown[1], shown[0])
        met[pair] += 1
        screens.append(
            Screen(
                code="",
                example=question.example,
                replies=tuple(_encodable(s.text) for s in shown),
                systems=tuple(s.system for s in shown),
            )
        )
    rng.shuffle(screens)
    for place in range(attention):
        example = rng.choice(plan.examples)
        check = _check(protocol, example, place, rng)
        screens.insert(rng.randrange(1, len(screens) + 1), check)
    # Codes count what is shown: one that followed the plan would tell who shared it the systems.
    coded = tuple(replace(screen, code=f"{n:03d}") for n, screen in enumerate(screens, start=1))
    name = title or "Rating replies in conversations"
    return Form(rater, protocol, coded, name, contact)


def _check(protocol: Protocol, example: Example, place: int, rng: Random) -> Screen:
    names = [criterion.name for criterion in protocol.criteria]
    fits = {
        c.name: tuple(range(c.low, c.low + (c.high - c.low) // 2 + 1))
        for c in protocol.criteria
        if c.name in _ABOUT_THIS and protocol.kind == "absolute"
    }
    # Without a criterion that a reply about trains must miss, nobody could fail on it.
    if place % 2 == 0 or (protocol.kind == "absolute" and not fits):
        answer = rng.choice(protocol.allowed(protocol.criteria[0])[1:])
        said = {0: "no difference", 1: "reply 1", 2: "reply 2"}.get(answer, "")
        wanted = said if protocol.kind == "pairwise" else str(answer)
        text = f"This is an attention check: please answer “{wanted}” to every question here."
        replies = (text,) * (2 if protocol.kind == "pairwise" else 1)
        return Screen("", example, replies, (), Check("told", dict.fromkeys(names, (answer,))))
    if protocol.kind == "pairwise":
        same = Check("the same reply twice", dict.fromkeys(names, (0,)))
        return Screen("", example, (example.reference, example.reference), (), same)
    return Screen("", example, (_OFF_TOPIC,), (), Check("about something else", fits))


def _encodable(text: str) -> str:
    """A lone surrogate is valid in JSON, and neither in a hash nor in a file."""
    return text.encode("utf-8", "replace").decode()


def _question(protocol: Protocol, criterion: Criterion) -> dict[str, Any]:
    if protocol.kind == "pairwise":
        plain = criterion.question.startswith("Which")
        known = f"{'' if plain else 'Of which reply is this more true? '}{criterion.question}"
        which = _PAIRED.get((protocol.name, criterion.name), known)
        options = [[1, "Reply 1", ""], [2, "Reply 2", ""], [0, "No difference", ""]]
        return {"name": criterion.name, "question": which, "options": options}
    options = [
        [value, str(value), criterion.anchors.get(value, "")]
        for value in protocol.allowed(criterion)
    ]
    return {"name": criterion.name, "question": criterion.question, "options": options}
