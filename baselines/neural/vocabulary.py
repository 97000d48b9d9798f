"""Words as numbers: the closed vocabulary of one training set.

Words are 13a tokens, lower-cased, as the metrics count them. What training never showed is UNK.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import ModelError
from harness.files import write_atomic
from harness.metrics.tokens import tokens_13a

__all__ = ["CLS", "EOS", "LISTENER", "PAD", "SOS", "SPEAKER", "UNK", "Vocabulary", "build"]

SPECIAL = ("<pad>", "<unk>", "<eos>", "<sos>", "<cls>", "<speaker>", "<listener>")
PAD, UNK, EOS, SOS, CLS, SPEAKER, LISTENER = range(len(SPECIAL))


@dataclass(frozen=True)
class Vocabulary:
    """`words[i]` has number i; the special ones come first."""

    words: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, text: str) -> list[int]:
        """The numbers of a text's words; nothing is put before or behind."""
        index = self._index
        return [index.get(word, UNK) for word in tokens_13a(text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The words up to the first EOS, with spaces between; special ones are left out."""
        words = []
        for number in numbers:
            if number == EOS:
                break
            if number >= len(SPECIAL):
                words.append(self.words[number])
        return " ".join(words)

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are UNK here."""
        return [word for word in tokens_13a(text) if word not in self._index]

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_atomic(path, json.dumps(list(self.words), ensure_ascii=False, indent=0) + "\n")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote.

        Raises:
            ModelError: the file is missing or is no vocabulary.
        """
        try:
            words = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: no readable vocabulary ({error})") from error
        if (
            not isinstance(words, list)
            or tuple(words[: len(SPECIAL)]) != SPECIAL
            or not all(isinstance(word, str) for word in words)
        ):
            raise ModelError(f"{path}: not a vocabulary of these baselines")
        return cls(tuple(words))


def build(texts: Iterable[str], *, min_count: int = 1) -> Vocabulary:
    """The words that occur at least `min_count` times, frequent ones first, ties by spelling."""
    counts = Counter(word for text in texts for word in tokens_13a(text))
    kept = [word for word, count in counts.items() if count >= min_count and word not in SPECIAL]
    return Vocabulary(SPECIAL + _ordered(kept, counts))


def _ordered(words: Sequence[str], counts: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(words, key=lambda word: (-counts[word], word)))
