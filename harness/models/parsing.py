"""Reply parsing: from what a model wrote to the reply or label that is scored.

Every rule is declared here and named in `SIGNATURE`, which enters the protocol card: a number
depends on how replies were read. The rules, in order:

    think     `<think>…</think>`, `<thinking>…</thinking>` are dropped; never closed is a failure
    answer    inside `<answer>…</answer>` only, where there is one
    turn      everything from a new "Speaker:" or "Listener:" line on is dropped
    role      a leading "Listener:", "Assistant:", "Supporter:", "Response:" or "Reply:" is dropped
    strategy  a leading "(Strategy Name)" or "[Strategy Name]" is taken out of the text
    quotes    quotation marks around the whole reply are dropped
    space     runs of white space become one space

A reply that is empty after this is a failure with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.dialogue import ESCONV_STRATEGIES

__all__ = ["SIGNATURE", "Reply", "parse_label", "parse_reply", "strip_reasoning"]

SIGNATURE = "parse|think|answer|turn|role|strategy|quotes|space|v1"

_OPEN = re.compile(r"<think(ing)?>", re.IGNORECASE)
_CLOSE = {
    "": re.compile(r"</think>", re.IGNORECASE),
    "ing": re.compile(r"</thinking>", re.IGNORECASE),
}
_ORPHAN_END = re.compile(r"^.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL | re.IGNORECASE)
_NEXT_TURN = re.compile(r"\n\s*(?:speaker|listener|user|seeker|human)\s*:", re.IGNORECASE)
_ROLE = re.compile(r"^\s*(?:listener|assistant|supporter|response|reply)\s*:\s*", re.IGNORECASE)
_STRATEGY = re.compile(r"^\s*[(\[]\s*([A-Z][A-Za-z-]*(?:\s+[A-Za-z-]+){0,5})\s*[)\]]\s*:?\s*")
_QUOTED = re.compile(r'^(?:"([^"]*)"|“([^”]*)”)$')

_LABEL_ALIASES = {
    "questions": "question",
    "other": "others",
    "suggestions": "providing suggestions",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A parsed reply: its text, the strategy it announced, or the reason there is none."""

    text: str = ""
    strategy: str | None = None
    error: str | None = None


def strip_reasoning(raw: str) -> str | None:
    """`raw` without reasoning blocks; None when one was opened and never closed."""
    text = _ORPHAN_END.sub("", _without_blocks(raw))
    return None if _OPEN.search(text) else text


def _without_blocks(raw: str) -> str:
    """`raw` without what stands between a tag and the next of its kind that closes it.

    A pattern `<think>.*?</think>` would do the same in time that grows with the square of the
    number of tags never closed, and replies are untrusted.
    """
    kept: list[str] = []
    place = start = 0
    closable = set(_CLOSE)
    while closable and (opened := _OPEN.search(raw, place)):
        kind = (opened[1] or "").lower()
        closed = _CLOSE[kind].search(raw, opened.end()) if kind in closable else None
        if closed is None:
            closable.discard(kind)
            place = opened.end()
            continue
        kept.append(raw[start : opened.start()])
        place = start = closed.end()
    return "".join([*kept, raw[start:]])


def parse_reply(raw: str) -> Reply:
    """Read a generated reply by the rules of this module."""
    text = strip_reasoning(raw)
    if text is None:
        return Reply(error="the reasoning block never ends")
    answer = _ANSWER.search(text)
    text = answer.group(1) if answer else text
    text = _NEXT_TURN.split("\n" + _ROLE.sub("", text.lstrip()), maxsplit=1)[0].strip()
    text = _ROLE.sub("", text)
    strategy = None
    announced = _STRATEGY.match(text)
    if announced:
        strategy = _match_label(announced.group(1), ESCONV_STRATEGIES)
        text = text[announced.end() :]
    text = " ".join(text.split())
    quoted = _QUOTED.match(text)
    if quoted:
        text = " ".join((quoted.group(1) or quoted.group(2) or "").split())
    if not text:
        return Reply(strategy=strategy, error="empty reply")
    return Reply(text=text, strategy=strategy)


def parse_label(raw: str, labels: Sequence[str]) -> Reply:
    """Read a generated label.

    The first non-empty line counts: it is a label, or it mentions exactly one label of the set.
    Otherwise its text is kept as it is, so that it scores as an invalid answer.
    """
    text = strip_reasoning(raw)
    if text is None:
        return Reply(error="the reasoning block never ends")
    answer = _ANSWER.search(text)
    text = answer.group(1) if answer else text
    line = next((part.strip() for part in text.splitlines() if part.strip()), "")
    if not line:
        return Reply(error="empty reply")
    exact = _match_label(line, labels)
    if exact:
        return Reply(text=exact)
    mentioned = {label for label in labels if _mentions(line, label)}
    return Reply(text=mentioned.pop() if len(mentioned) == 1 else line[:200])


def _match_label(text: str, labels: Sequence[str]) -> str | None:
    wanted = " ".join(text.casefold().strip(" .,:;!*\"'()[]").split())
    wanted = _LABEL_ALIASES.get(wanted, wanted)
    return next((label for label in labels if label.casefold() == wanted), None)


def _mentions(line: str, label: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(label)}(?![\w-])", line, re.IGNORECASE) is not None
