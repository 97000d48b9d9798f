"""The stepwise trace: context → emotion → strategy → action → response, and its one spelling.

    <thinking><Context> … <Emotion> label <Strategy> name <Action> … </thinking><answer>listener:
    (Strategy) response</answer>                                        (one line, no break)

`render` and `parse` are inverse. `parse` is strict and is never more lenient than the reward
(`stride_ed.rewards`): what it accepts earns the format reward, and both read the same labels.
`read_leniently` is for annotators' answers alone and tells what it mended.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from harness.dialogue import ED_EMOTIONS
from stride_ed.strategies import STRATEGY_NAMES

__all__ = [
    "FAILURES",
    "STAGES",
    "Failure",
    "FailureKind",
    "Stage",
    "Trace",
    "parse",
    "plain",
    "read_leniently",
    "read_stages",
    "render",
]

FailureKind = Literal[
    "not_the_format",
    "missing_section",
    "repeated_section",
    "wrong_order",
    "empty_section",
    "unknown_emotion",
    "unknown_strategy",
    "strategy_mismatch",
    "no_listener_prefix",
    "empty_response",
    "not_plain",
]
FAILURES: tuple[FailureKind, ...] = get_args(FailureKind)

Stage = Literal["Context", "Emotion", "Strategy", "Action"]
STAGES: tuple[Stage, ...] = get_args(Stage)

_WHOLE = re.compile(
    r"<thinking>(?P<thinking>[^<]*(?:<(?:Context|Emotion|Strategy|Action)>[^<]*)*)</thinking>"
    r"<answer>(?P<answer>[^<>]*)</answer>"
)
_MARK = re.compile(r"<(Context|Emotion|Strategy|Action)>")
_ANSWER = re.compile(r"listener: \((?P<strategy>[^()]*)\) (?P<response>.*)", re.DOTALL)
_BARE_ANSWER = re.compile(r"listener: (?P<response>.*)", re.DOTALL)
# A reply this long is no reply; every pattern is linear, this only bounds memory.
_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a text is no trace."""

    kind: FailureKind
    detail: str = ""

    def __post_init__(self) -> None:
        # Details quote what was found, which may be no text that a file can hold.
        whole = self.detail.encode("utf-8", "replace").decode("utf-8")
        object.__setattr__(self, "detail", whole)

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One listener turn with the steps that led to it. All texts are plain (see `plain`).

    `emotion` is one of ED's 32, `strategy` one of the 14.

    Raises:
        ValueError: a label is unknown, or a text is empty or not plain.
    """

    context: str
    emotion: str
    strategy: str
    action: str
    response: str

    def __post_init__(self) -> None:
        if self.emotion not in ED_EMOTIONS:
            raise ValueError(f"unknown_emotion: {self.emotion[:80]!r}")
        if self.strategy not in STRATEGY_NAMES:
            raise ValueError(f"unknown_strategy: {self.strategy[:80]!r}")
        for name in ("context", "action", "response"):
            text = getattr(self, name)
            if not text or text != plain(text):
                raise ValueError(f"{'not_plain' if text else 'empty_section'}: {name}")

    def to_json(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__slots__}


def plain(text: str) -> str:
    """`text` as it may stand in a trace: one line, single blanks, no angle brackets.

    Brackets become ‹ and ›, so that nothing in a section can open or close another; half a
    surrogate pair, which no file can hold, becomes a question mark.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(whole.replace("<", "‹").replace(">", "›").split())


def render(trace: Trace, stages: tuple[Stage, ...] = STAGES) -> str:
    """The one spelling of a trace; ablated ones leave out stages.

    Without its strategy stage a trace does not announce the strategy in its answer either.
    """
    return _spelt(trace.to_json(), stages)


def _spelt(fields: Mapping[str, str], stages: tuple[Stage, ...]) -> str:
    thinking = " ".join(f"<{stage}> {fields[stage.lower()]}" for stage in stages)
    announced = f"({fields['strategy']}) " if "Strategy" in stages else ""
    answer = f"listener: {announced}{fields['response']}"
    return f"<thinking>{thinking} </thinking><answer>{answer}</answer>"


def parse(text: str) -> Trace | Failure:
    """The trace that `render` spells so, or the first thing wrong; linear in the length."""
    fields = read_stages(text, STAGES)
    return fields if isinstance(fields, Failure) else Trace(**fields)


def read_stages(text: str, stages: tuple[Stage, ...]) -> dict[str, str] | Failure:
    """`parse` for a trace of these stages: their texts in lower case names, and the response."""
    found = _WHOLE.fullmatch(text)
    if found is None:
        return Failure("not_the_format", _outside(text))
    sections = _sections(found["thinking"], stages)
    if isinstance(sections, Failure):
        return sections
    announces = "Strategy" in stages
    answer = (_ANSWER if announces else _BARE_ANSWER).fullmatch(found["answer"])
    if answer is None:
        return Failure("no_listener_prefix", found["answer"][:80])
    fields = {**sections, "response": answer["response"]}
    wrong = _wrong(fields)
    if wrong is not None:
        return wrong
    if announces and answer["strategy"] != fields["strategy"]:
        return Failure("strategy_mismatch", f"{fields['strategy']} / {answer['strategy'][:80]}")
    if _spelt(fields, stages) != text:
        return Failure("not_plain", "blanks or line breaks")
    return fields


def _outside(text: str) -> str:
    for mark in ("<thinking>", "</thinking>", "<answer>", "</answer>"):
        if text.count(mark) != 1:
            return f"{text.count(mark)} times {mark}"
    return "text or tags outside the format"


def _sections(thinking: str, stages: tuple[Stage, ...]) -> dict[str, str] | Failure:
    """What stands behind each of the marks, stripped."""
    parts = _MARK.split(thinking)
    if parts[0].strip():
        return Failure("not_the_format", "text before the first stage")
    names, texts = parts[1::2], [part.strip() for part in parts[2::2]]
    for name in stages:
        if names.count(name) != 1:
            return Failure("repeated_section" if name in names else "missing_section", name)
    if tuple(names) != stages:
        return Failure("wrong_order", ", ".join(names))
    return dict(zip((name.lower() for name in names), texts, strict=True))


def _wrong(fields: Mapping[str, str]) -> Failure | None:
    """The first field that no trace may hold."""
    for name, text in fields.items():
        if not text.strip():
            return Failure("empty_response" if name == "response" else "empty_section", name)
    if fields.get("emotion", ED_EMOTIONS[0]) not in ED_EMOTIONS:
        return Failure("unknown_emotion", fields["emotion"][:80])
    if fields.get("strategy", STRATEGY_NAMES[0]) not in STRATEGY_NAMES:
        return Failure("unknown_strategy", fields["strategy"][:80])
    for name, text in fields.items():
        if text != plain(text):
            return Failure("not_plain", name)
    return None


_FENCE = re.compile(r"```[a-zA-Z]*\n?|```")
_NAMES = {"".join(c for c in name.casefold() if c.isalpha()): name for name in STRATEGY_NAMES}


def read_leniently(
    text: str, *, emotion: str, response: str
) -> tuple[Trace | Failure, tuple[str, ...]]:
    """An annotator's answer as a trace, and the names of everything that was mended.

    Emotion and response are known, the data set's and the person's, whatever the answer says of
    them. Read are the trace's own spelling, with or without its answer part, and a JSON object
    with context, strategy and action; around either may stand code fences or a reasoning block.
    Nothing is executed; linear in the length, of which 100,000 characters are read.
    """
    mended: list[str] = []
    body = text[:_LIMIT]
    if len(text) > _LIMIT:
        mended.append("cut")
    if body.lstrip().startswith("<think>"):
        _, ended, body = body.partition("</think>")
        mended.append("reasoning")
        if not ended:
            return Failure("not_the_format", "reasoning without an end"), tuple(mended)
    if "```" in body:
        mended.append("fence")
        body = _FENCE.sub("", body)
    body = body.strip()
    fields = _from_json(body, mended) if "{" in body else _from_marks(body, mended)
    if isinstance(fields, Failure):
        return fields, tuple(mended)
    strategy = _canonical(fields["strategy"])
    if strategy is None:
        return Failure("unknown_strategy", fields["strategy"][:80]), tuple(mended)
    if strategy != fields["strategy"]:
        mended.append("strategy")
    if fields.get("emotion", emotion).strip().casefold() != emotion:
        mended.append("emotion")
    for name in ("context", "action"):
        if plain(fields[name]) != fields[name]:
            mended.append(f"{name}_plain")
    made = {
        "context": plain(fields["context"]),
        "emotion": emotion,
        "strategy": strategy,
        "action": plain(fields["action"]),
        "response": plain(response),
    }
    return _wrong(made) or Trace(**made), tuple(mended)


def _from_json(body: str, mended: list[str]) -> dict[str, str] | Failure:
    start = body.index("{")
    try:
        value, end = json.JSONDecoder().raw_decode(body, start)
    except (ValueError, RecursionError):
        return Failure("not_the_format", "no JSON object")
    if body[:start].strip() or body[end:].strip():
        mended.append("prose")
    if not isinstance(value, dict):
        return Failure("not_the_format", "no JSON object")
    fields: dict[str, Any] = {str(key).casefold(): item for key, item in value.items()}
    for name in ("context", "strategy", "action"):
        if name not in fields:
            return Failure("missing_section", name)
        if not isinstance(fields[name], str):
            return Failure("not_the_format", f"{name} is no text")
    return {name: item for name, item in fields.items() if isinstance(item, str)}


def _from_marks(body: str, mended: list[str]) -> dict[str, str] | Failure:
    thinking, _, _ = body.partition("</thinking>")
    before, opened, inside = thinking.rpartition("<thinking>")
    if not opened or before.strip() or "<answer>" not in body:
        mended.append("tags")
    return _sections(inside if opened else thinking, STAGES)


def _canonical(name: str) -> str | None:
    """The strategy of that name, whatever its case, hyphens and blanks."""
    return _NAMES.get("".join(c for c in name.casefold() if c.isalpha()))
