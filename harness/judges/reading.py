"""From what a judge wrote to a value per criterion; whatever is not exactly a verdict is none.

The client has checked the schema, seal included. Here a key that stands twice is refused (two
verdicts are none), and the probabilities of the score tokens are read where they were given: with
p(s) over the valid scores s,

    value = Σ p(s) worth(s) / Σ p(s),   mass = Σ p(s)      (G-Eval, Liu et al. 2023, Equation 1)

and the mass says how much of the judge's belief fell on a score at all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.clients import Reply, unfenced
from harness.judges.protocols import Criterion, Protocol

__all__ = ["Answer", "read_digit", "read_object"]

# Every string of a JSON text, and, where it is a key of a number, that number.
_STRINGS = re.compile(r'"((?:[^"\\]|\\.)*)"(?:\s*:\s*(-?\d+))?', re.S)
_NUMBER = re.compile(r'[\s":,]*(\d+)[\s",}]*')


@dataclass(frozen=True, slots=True)
class Answer:
    """A criterion's value, or the failure that stands in its place."""

    value: float | None
    mass: float | None = None
    failure: str | None = None
    reason: str | None = None


def read_object(reply: Reply, protocol: Protocol) -> dict[str, Answer]:
    """Criterion → answer, from one sealed object; a failed reply fails every criterion."""
    names = [criterion.name for criterion in protocol.criteria]
    if reply.text is None:
        return dict.fromkeys(names, Answer(None, None, reply.failure, reply.reason))
    body = unfenced(reply.text)
    try:
        verdict = json.loads(body, object_pairs_hook=_once)
    except ValueError as bad:
        return dict.fromkeys(names, Answer(None, None, "contradictory", str(bad)))
    reason = str(verdict["reason"])
    places = {m[1]: m.start(2) for m in _STRINGS.finditer(reply.text) if m[2] is not None}
    tokens = _spans(reply)
    found = {}
    for criterion in protocol.criteria:
        row = _covering(tokens, places.get(criterion.name))
        value, mass = _expected(row, protocol, criterion) or (None, None)
        if value is None:
            value = protocol.worth(verdict[criterion.name])
        found[criterion.name] = Answer(value, mass, None, reason)
    return found


def read_digit(reply: Reply, protocol: Protocol, criterion: Criterion) -> Answer:
    """The answer of a reply that is one digit."""
    if reply.text is None:
        return Answer(None, None, reply.failure, reply.reason)
    said = int(json.loads(unfenced(reply.text)))
    tokens = _spans(reply)
    row = next((row for _, row in tokens if _number(row.get("token")) == said), None)
    value, mass = _expected(row, protocol, criterion) or (protocol.worth(said), None)
    return Answer(value, mass)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:40]!r} stands twice in the verdict")
    return found


def _spans(reply: Reply) -> list[tuple[range, Mapping[str, Any]]]:
    """The characters of each token, with what is known of it; nothing if they are not the text."""
    found: list[tuple[range, Mapping[str, Any]]] = []
    at = 0
    for row in reply.logprobs or ():
        token = row.get("token")
        if not isinstance(token, str):
            return []
        found.append((range(at, at + len(token)), row))
        at += len(token)
    whole = "".join(str(row["token"]) for _, row in found)
    # Servers may keep the end-of-turn token in this list, and leave it out of the text.
    return found if reply.text is not None and whole.startswith(reply.text) else []


def _covering(
    tokens: Sequence[tuple[range, Mapping[str, Any]]], place: int | None
) -> Mapping[str, Any] | None:
    return next((row for span, row in tokens if place is not None and place in span), None)


def _expected(
    row: Mapping[str, Any] | None, protocol: Protocol, criterion: Criterion
) -> tuple[float, float] | None:
    """(expected worth, mass) over the valid scores among a token's alternatives."""
    alternatives = (row or {}).get("top_logprobs")
    if not isinstance(alternatives, list):
        return None
    shares: dict[int, float] = {}
    for alternative in alternatives:
        if not isinstance(alternative, dict):
            return None
        number, share = _number(alternative.get("token")), _share(alternative.get("logprob"))
        if number is not None and number in protocol.allowed(criterion):
            shares[number] = shares.get(number, 0.0) + share
    mass = sum(shares.values())
    # Rounding may carry a sum over 1 a little; more than that are no probabilities.
    if not 0 < mass < 1.01:
        return None
    value = sum(share * protocol.worth(number) for number, share in shares.items()) / mass
    return value, min(mass, 1.0)


def _share(logprob: object) -> float:
    """The probability of a log-probability; 0 where it is none."""
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or not logprob <= 1e-6:
        return 0.0
    return math.exp(logprob)


def _number(token: object) -> int | None:
    found = _NUMBER.fullmatch(token) if isinstance(token, str) else None
    return int(found[1]) if found and len(found[1]) < 3 else None
