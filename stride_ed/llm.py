"""Annotators and evaluators that ask a language model.

Prompts in `stride_ed.prompts`, asking in `harness.clients`, reading here. Whatever comes back that
cannot be read is a failure with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.clients import Cache, Client, Message, Purse, Reply, Request, ask, unfenced
from harness.dialogue import ED_EMOTIONS, Example
from stride_ed.offline.evaluators import Item
from stride_ed.prompts import (
    ANNOTATION_SCHEMA,
    EVALUATION_SCHEMA,
    annotation_messages,
    evaluation_messages,
    prompt_hashes,
)
from stride_ed.records import Annotation, Score
from stride_ed.rubric import DIMENSIONS, RUBRIC_HASH
from stride_ed.trace import Failure, read_leniently

__all__ = ["LLMAnnotator", "LLMEvaluator", "Spent"]

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Spent:
    """What asking has taken so far, in this process."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failed: int = 0
    attempts: int = 0

    def add(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            self.requests += 1
            self.failed += reply.failure is not None
            self.attempts += reply.attempts
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens


@dataclass(slots=True, kw_only=True)
class LLMAnnotator:
    """One request per listener turn; emotion and reply are known, the rest is asked for."""

    client: Client
    cache: Cache
    max_tokens: int
    seed: int
    purse: Purse
    spent: Spent

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "kind": "llm",
            "client": dict(self.client.identity),
            "prompt": prompt_hashes()["annotation"],
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }

    def request(self, example: Example) -> Request:
        return Request(
            messages=_messages(annotation_messages(example, emotion=str(example.emotion))),
            max_tokens=self.max_tokens,
            seed=self.seed,
            schema=ANNOTATION_SCHEMA,
        )

    def annotate(
        self, examples: Sequence[Example], progress: Progress | None = None
    ) -> list[Annotation]:
        """One record per example, in order."""
        asked = [e for e in examples if e.emotion in ED_EMOTIONS]
        requests = [self.request(example) for example in asked]
        replies = ask(self.client, requests, cache=self.cache, purse=self.purse, progress=progress)
        self.spent.add(replies)
        found = {e.id: _annotation(e, r) for e, r in zip(asked, replies, strict=True)}
        return [
            found.get(e.id) or Annotation(id=e.id, error=f"no emotion of the 32: {e.emotion!r}")
            for e in examples
        ]


def _annotation(example: Example, reply: Reply) -> Annotation:
    if reply.text is None:
        return Annotation(id=example.id, error=f"{reply.failure}: {reply.reason}")
    trace, mended = read_leniently(
        reply.text, emotion=str(example.emotion), response=example.reference
    )
    if isinstance(trace, Failure):
        return Annotation(id=example.id, error=str(trace), mended=mended)
    return Annotation(id=example.id, trace=trace, mended=mended)


@dataclass(slots=True, kw_only=True)
class LLMEvaluator:
    """One request per trace, for all four grades."""

    name: str
    client: Client
    cache: Cache
    max_tokens: int
    seed: int
    purse: Purse
    spent: Spent

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "kind": "llm",
            "client": dict(self.client.identity),
            "prompt": prompt_hashes()["evaluation"],
            "rubric": RUBRIC_HASH,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }

    def request(self, item: Item) -> Request:
        example, trace = item
        return Request(
            messages=_messages(evaluation_messages(example, trace)),
            max_tokens=self.max_tokens,
            seed=self.seed,
            schema=EVALUATION_SCHEMA,
        )

    def grade(self, items: Sequence[Item], progress: Progress | None = None) -> list[Score]:
        """One record per item, in order."""
        requests = [self.request(item) for item in items]
        replies = ask(self.client, requests, cache=self.cache, purse=self.purse, progress=progress)
        self.spent.add(replies)
        return [
            _score(example.id, reply) for (example, _), reply in zip(items, replies, strict=True)
        ]


def _score(identity: str, reply: Reply) -> Score:
    if reply.text is None:
        return Score(id=identity, error=f"{reply.failure}: {reply.reason}")
    # The client has checked the schema.
    value = json.loads(unfenced(reply.text))
    return Score(id=identity, values={name: float(value[name]) for name in DIMENSIONS})


def _messages(rows: Sequence[Mapping[str, str]]) -> tuple[Message, ...]:
    return tuple(Message(row["role"], row["content"]) for row in rows)
