"""What a classifier may read of an example: the turns before the one to predict, nothing else.

Fine-tuned encoders read tokens:   CLS  speaker: …  listener: …  speaker: …  SEP
    The last turns that fit are kept; the oldest of them loses its beginning, not its speaker.
Linear classifiers read vectors:   last turn · mean of the speaker's · mean of the listener's
    Each turn is encoded by itself, so a dialogue's turns are encoded once for all its examples.

With `history` the strategies of the listener's earlier turns are shown, which ESConv's protocol
knows at inference: as words after the speaker's name, or as shares and a mark on the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.dialogue import ESCONV_STRATEGIES, Example, Turn

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ContextTokens", "context_features", "mark", "turn_texts"]


def mark(turn: Turn, *, history: bool) -> str:
    """Who speaks, and with which strategy if that is shown."""
    if history and turn.role == "listener" and turn.strategy:
        return f"{turn.role} ({turn.strategy}):"
    return f"{turn.role}:"


@dataclass(frozen=True)
class ContextTokens:
    """Contexts → token ids, `max_len` at most, special tokens included.

    `tokenizer` is one of transformers. A turn is tokenised once.
    """

    tokenizer: Any
    max_len: int
    history: bool
    _known: dict[str, list[int]] = field(default_factory=dict, repr=False)

    def __call__(self, example: Example) -> list[int]:
        opening, closing = self._around
        room = self.max_len - len(opening) - len(closing)
        kept: list[int] = []
        for turn in reversed(example.context):
            name = self._ids(mark(turn, history=self.history))
            left = room - len(kept) - len(name)
            words = self._ids(" " + turn.text)
            if left < min(1, len(words)):
                break
            kept = [*name, *words[-left:], *kept]
            if len(words) > left:
                break
        return [*opening, *kept, *closing]

    def _ids(self, text: str) -> list[int]:
        if text not in self._known:
            ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            # Nothing before the last `max_len` tokens of a turn is ever read.
            self._known[text] = list(ids)[-self.max_len :]
        return self._known[text]

    @cached_property
    def _around(self) -> tuple[list[int], list[int]]:
        """The special tokens before and after a text."""
        bare = list(self.tokenizer("a", add_special_tokens=False)["input_ids"])
        dressed = list(self.tokenizer("a")["input_ids"])
        first = next(n for n in range(len(dressed)) if dressed[n : n + len(bare)] == bare)
        return dressed[:first], dressed[first + len(bare) :]


def turn_texts(examples: Sequence[Example]) -> list[str]:
    """Every different text of the contexts, in the order in which they first occur."""
    return list(dict.fromkeys(turn.text for e in examples for turn in e.context))


def context_features(
    examples: Sequence[Example],
    vectors: Callable[[Sequence[str]], NDArray[Any]],
    *,
    history: bool = False,
) -> NDArray[Any]:
    """(n, 3d), or (n, 3d + 16) with history; `vectors` gives (m, d) of m different texts.

    A side that has not spoken yet has the zero vector.
    """
    import numpy as np

    texts = turn_texts(examples)
    rows = {text: row for row, text in enumerate(texts)}
    units = np.asarray(vectors(texts), dtype=np.float64)
    parts = np.zeros((len(examples), 3, units.shape[-1]))
    for part, example in zip(parts, examples, strict=True):
        part[0] = units[rows[example.context[-1].text]]
        for place, role in ((1, "speaker"), (2, "listener")):
            said = [rows[turn.text] for turn in example.context if turn.role == role]
            if said:
                part[place] = units[said].mean(0)
    features = parts.reshape(len(examples), -1)
    if not history:
        return features
    return np.concatenate([features, [_used(e) for e in examples]], axis=1)


def _used(example: Example) -> list[float]:
    """Share of each strategy among the listener's earlier turns, then 1 for the last one's."""
    used = [turn.strategy for turn in example.context if turn.role == "listener" and turn.strategy]
    shares = [used.count(name) / max(len(used), 1) for name in ESCONV_STRATEGIES]
    return [*shares, *(float(used[-1:] == [name]) for name in ESCONV_STRATEGIES)]
