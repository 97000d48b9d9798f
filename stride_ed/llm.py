"""Annotators and evaluators that ask a language model.

Prompts in `stride_ed.prompts`, asking in `harness.clients`, reading here. Whatever comes back that
cannot be read is a failure with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.clients import Asker, Reply, Request, unfenced
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

__all__ = ["LLMAnnotator", "LLMEvaluator"]


@dataclass(frozen=True)
class LLMAnnotator:
    """One request per listener turn; emotion and reply are known, the rest is asked for."""

    asker: Asker

    @property
    def identity(self) -> Mapping[str, Any]:
        return self.asker.identity(prompt_hashes()["annotation"])

    def request(self, example: Example) -> Request:
        """What is asked about one listener turn."""
        messages = annotation_messages(example, emotion=str(example.emotion))
        return self.asker.request(messages, ANNOTATION_SCHEMA)

    def annotate(self, examples: Sequence[Example]) -> list[Annotation]:
        """One record per example, in order."""
        asked = [e for e in examples if e.emotion in ED_EMOTIONS]
        replies = self.asker.replies([self.request(example) for example in asked])
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


@dataclass(frozen=True)
class LLMEvaluator:
    """One request per trace, for all four grades."""

    asker: Asker

    @property
    def identity(self) -> Mapping[str, Any]:
        return self.asker.identity(prompt_hashes()["evaluation"]) | {"rubric": RUBRIC_HASH}

    def request(self, item: Item) -> Request:
        """What is asked about one trace."""
        return self.asker.request(evaluation_messages(*item), EVALUATION_SCHEMA)

    def grade(self, items: Sequence[Item]) -> list[Score]:
        """One record per item, in order."""
        replies = self.asker.replies([self.request(item) for item in items])
        return [_score(e.id, reply) for (e, _), reply in zip(items, replies, strict=True)]


def _score(identity: str, reply: Reply) -> Score:
    if reply.text is None:
        return Score(id=identity, error=f"{reply.failure}: {reply.reason}")
    # The client has checked the schema.
    value = json.loads(unfenced(reply.text))
    return Score(id=identity, values={name: float(value[name]) for name in DIMENSIONS})
