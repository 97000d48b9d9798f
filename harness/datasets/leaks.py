"""Which evaluation examples occur in training data.

Texts are compared without case, punctuation and spacing. *Exact*: the situation, the whole context
or the reference is a training text. *Near*: half or more of the context's different 8-grams of
words occur in training (contexts of fewer than eight words are only compared exactly).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.dialogue import Dialogue, Example, Turn

__all__ = ["LeakReport", "find_leaks"]

GRAM = 8
_NEAR = 0.5
# Replies like "That's great!" are said in every dialogue; only longer ones point to a leak.
_MIN_REFERENCE_WORDS = 8


@dataclass(frozen=True, slots=True)
class LeakReport:
    """Ids of evaluation examples whose parts occur in training; `examples` were looked at."""

    examples: int
    situations: tuple[str, ...]
    contexts: tuple[str, ...]
    references: tuple[str, ...]
    near_contexts: tuple[str, ...]

    @property
    def leaking(self) -> frozenset[str]:
        """Examples with any finding but a shared reference, which chance also gives."""
        return frozenset(self.situations) | frozenset(self.contexts) | frozenset(self.near_contexts)


def find_leaks(examples: Iterable[Example], training: Sequence[Dialogue]) -> LeakReport:
    """Compare evaluation examples with training dialogues."""
    situations = {_plain(d.situation) for d in training if d.situation}
    replies = {_plain(t.text) for d in training for t in d.turns if t.role == "listener"}
    contexts = {prefix for d in training for prefix in _prefixes(d.turns)}
    grams = {gram for d in training for gram in _grams(_words(d.turns))}
    found: dict[str, list[str]] = {"situation": [], "context": [], "reference": [], "near": []}
    count = 0
    for example in examples:
        count += 1
        if example.situation and _plain(example.situation) in situations:
            found["situation"].append(example.id)
        if _joined(example.context) in contexts:
            found["context"].append(example.id)
        else:
            own = set(_grams(_words(example.context)))
            if own and len(own & grams) >= _NEAR * len(own):
                found["near"].append(example.id)
        long = len(example.reference.split()) >= _MIN_REFERENCE_WORDS
        if long and _plain(example.reference) in replies:
            found["reference"].append(example.id)
    return LeakReport(
        examples=count,
        situations=tuple(found["situation"]),
        contexts=tuple(found["context"]),
        references=tuple(found["reference"]),
        near_contexts=tuple(found["near"]),
    )


def _plain(text: str) -> str:
    return re.sub(r"[^\w]+", " ", text.casefold()).strip()


def _joined(turns: Sequence[Turn]) -> str:
    return "\n".join(_plain(turn.text) for turn in turns)


def _prefixes(turns: Sequence[Turn]) -> Iterator[str]:
    """Every context that the dialogue offers, one per listener turn."""
    plain = [_plain(turn.text) for turn in turns]
    for place, turn in enumerate(turns):
        if place and turn.role == "listener":
            yield "\n".join(plain[:place])


def _words(turns: Sequence[Turn]) -> list[str]:
    return " ".join(_plain(turn.text) for turn in turns).split()


def _grams(words: Sequence[str]) -> Iterator[int]:
    """Hashes of the 8-grams: training has millions, and equality is all that is asked."""
    for start in range(len(words) - GRAM + 1):
        yield hash(tuple(words[start : start + GRAM]))
