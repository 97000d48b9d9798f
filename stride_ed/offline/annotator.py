"""The annotator that needs no LLM: the person's own reply, read by a classifier.

emotion   the data set's gold label
strategy  ESConv's label of the reply (`reply_classifier`), then the crosswalk, by valence and words
context   the speaker's first and last words, in a frame; the emotion has a stage of its own
action    the table's sentence for the strategy

It reads the speaker's words only to quote them, so nothing written there changes a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.dialogue import ED_EMOTIONS, Example
from stride_ed.crosswalk import RULES, from_esconv
from stride_ed.offline.reply_classifier import ReplyClassifier
from stride_ed.records import Annotation
from stride_ed.strategies import STRATEGIES, valence_of
from stride_ed.trace import Trace, plain

__all__ = ["OfflineAnnotator"]

_QUOTED_WORDS = 20
_VERSION = 2


@dataclass(frozen=True)
class OfflineAnnotator:
    """`annotate` gives one record per example; it fails only where there is no emotion or reply."""

    classifier: ReplyClassifier

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "kind": "offline",
            "version": _VERSION,
            "rules": len(RULES),
            "classifier": self.classifier.identity,
        }

    def annotate(self, examples: Sequence[Example]) -> list[Annotation]:
        """One record per example, in order."""
        rows = self.classifier.probabilities([e.reference for e in examples]).argmax(1)
        return [
            _annotation(example, self.classifier.labels[row])
            for example, row in zip(examples, rows, strict=True)
        ]


def _annotation(example: Example, label: str) -> Annotation:
    emotion = example.emotion
    if emotion not in ED_EMOTIONS:
        return Annotation(id=example.id, error=f"no emotion of the 32: {emotion!r}")
    if not plain(example.reference):
        return Annotation(id=example.id, error="the reply is blank")
    strategy = from_esconv(label, valence=valence_of(emotion), reply=example.reference)
    return Annotation(
        id=example.id,
        trace=Trace(
            context=_context(example),
            emotion=emotion,
            strategy=strategy,
            action=STRATEGIES[strategy].action,
            response=plain(example.reference),
        ),
    )


def _context(example: Example) -> str:
    told = [turn.text for turn in example.context if turn.role == "speaker"]
    if not told:
        return "The speaker has told nothing yet."
    first, last = _quoted(told[0]), _quoted(told[-1])
    opening = f"The speaker tells: “{first}”"
    return plain(opening if len(told) == 1 else f"{opening} Then, last: “{last}”")


def _quoted(text: str) -> str:
    words = text.split()
    return " ".join(words[:_QUOTED_WORDS]) + (" …" if len(words) > _QUOTED_WORDS else "")
