"""What the skeleton asks of an architecture, and the parts that all of them have.

encode: Batch          → Memory
logits: Memory, tokens (B, T) already said → scores of the next words, (…, V)
terms:  Memory, Batch  → named losses beside that of the words, summed, and over how many rows
word_terms: scores (N, V), targets (N,) → the same for losses that look at the scores of the words
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from baselines.neural.layers import DecoderLayer, Embedding, Encoder, Sizes
from baselines.neural.vocabulary import PAD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from baselines.neural.batches import Batch, Encoded
    from baselines.neural.cache import Cache
    from baselines.neural.pointer import Pointer
    from baselines.neural.vocabulary import Vocabulary

__all__ = ["Architecture", "Decoder", "Draw", "Memory"]


@dataclass(frozen=True, slots=True)
class Memory:
    """What decoding needs of the contexts, row by row.

    `states` (B, S, d), `seen` (B, S) true where there is a word, `source` (B, S) the words that
    the states stand for, `emotion` (B, C) logits or None, `more`: further tensors whose first
    dimension is B.
    """

    states: Tensor
    seen: Tensor
    source: Tensor
    emotion: Tensor | None = None
    more: Mapping[str, Tensor] = field(default_factory=dict)

    def rows(self, index: Tensor) -> Memory:
        """The memory of rows `index` (R,), in that order."""
        return replace(
            self,
            states=self.states[index],
            seen=self.seen[index],
            source=self.source[index],
            emotion=None if self.emotion is None else self.emotion[index],
            more={name: tensor[index] for name, tensor in self.more.items()},
        )


@dataclass(frozen=True, slots=True)
class Draw:
    """What a training step draws: the same for a batch, however many processes share it.

    This process reads rows `rank`, `rank + size`, … of the batch's `rows`.
    """

    generator: torch.Generator
    rows: int
    rank: int = 0
    size: int = 1

    def chance(self) -> float:
        """Uniform between 0 and 1, one for the batch."""
        return float(torch.rand((), generator=self.generator))

    def normal(self, width: int) -> Tensor:
        """Standard normal (B, width), B this process's rows; one row where it has none."""
        whole = torch.randn(self.rows, width, generator=self.generator)
        return whole[self.rank :: self.size] if self.rank < self.rows else whole[:1]


class Decoder(nn.Module):
    """A stack of decoder layers and a final norm: (B, T, d) → (B, T, d)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width)

    def forward(
        self, states: Tensor, memory: Tensor, seen: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """With a cache `states` (B, 1, d) is the newest alone."""
        for layer in self.layers:
            states = layer(states, memory, seen, cache)
        normed: Tensor = self.norm(states)
        return normed


class Architecture(nn.Module):
    """Embedding, context encoder, emotion head over the CLS state, projection to words.

    `classes` is the number of labels C; 0 leaves the emotion head out. `pointer` and `quirks`
    are set from the settings once it is built.
    """

    pointer: Pointer | None
    quirks: frozenset[str]

    def __init__(self, *, vocabulary: int, classes: int, sizes: Sizes) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, sizes.width)
        self.encoder = Encoder(sizes)
        self.emotion = nn.Linear(sizes.width, classes) if classes else None
        self.words = nn.Linear(sizes.width, vocabulary)
        self.pointer = None
        self.quirks = frozenset()

    def learn_from(
        self, rows: Sequence[Encoded], vocabulary: Vocabulary, files: Mapping[str, Path]
    ) -> None:
        """Take from the training set, or from `files`, what is not learnt by steps."""

    def encode(self, batch: Batch, *, draw: Draw | None = None) -> Memory:
        """Read the contexts. `draw` is there in training only."""
        seen = batch.context != PAD
        states = self.encoder(self.embedding(batch.context, batch.roles), seen)
        logits = None if self.emotion is None else self.emotion(states[:, 0])
        return Memory(states, seen, batch.context, logits)

    def states(self, memory: Memory, embedded: Tensor, cache: Cache | None = None) -> Tensor:
        """Embedded words said so far (B, T, d) → decoder states (B, T, d).

        With a cache T is 1: the newest word alone, after those that the cache has seen.
        """
        raise NotImplementedError

    def logits(
        self, memory: Memory, tokens: Tensor, wanted: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """Scores of the next word after the `wanted` ones (B, T) of tokens (B, T): (N, V).

        The vocabulary is by far the largest dimension, so padding is dropped before it.
        """
        start = 0 if cache is None else cache.length
        wanted = wanted[:, start:]
        embedded = self.embedding(tokens[:, start:], start=start)
        states = self.states(memory, embedded, cache)
        if cache is not None:
            cache.length = tokens.shape[1]
        scores: Tensor = self.words(states[wanted])
        return scores if self.pointer is None else self.pointer(scores, states, memory, wanted)

    def following(self, memory: Memory, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Log-probabilities of the word after tokens (B, T): (B, V)."""
        last = torch.zeros_like(tokens, dtype=torch.bool)
        last[:, -1] = True
        return functional.log_softmax(self.logits(memory, tokens, last, cache).float(), dim=-1)

    def terms(self, memory: Memory, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        """The emotion's summed cross-entropy over rows with a gold label, where there is a head."""
        if memory.emotion is None:
            return {}
        loss = functional.cross_entropy(
            memory.emotion, batch.label, ignore_index=-1, reduction="sum"
        )
        return {"emotion": (loss, int((batch.label >= 0).sum()))}

    def word_terms(self, scores: Tensor, target: Tensor) -> dict[str, tuple[Tensor, int]]:
        """None, unless an architecture has some. `scores` (N, V), `target` (N,)."""
        return {}
