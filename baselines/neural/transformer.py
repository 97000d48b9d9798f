"""Transformer, Multi-TRS and EmoPrepend-1: the plain members of the family.

Transformer      L = L_gen
Multi-TRS        L = L_gen + L_emo: the encoder also names the emotion (Rashkin et al. 2019)
EmoPrepend-1     the emotion that a bag-of-words classifier predicts stands before the context
                 (Rashkin et al. 2019's fastText classifier; here learnt along, from the same words)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from baselines.neural.architecture import Architecture, Decoder, Draw, Memory
from baselines.neural.layers import Sizes
from baselines.neural.vocabulary import CLS, PAD

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.batches import Batch
    from baselines.neural.cache import Cache

__all__ = ["EmoPrepend", "Transformer"]


class Transformer(Architecture):
    """Encoder and decoder; with `labels` it is Multi-TRS."""

    def __init__(self, *, vocabulary: int, labels: Sequence[str], sizes: Sizes) -> None:
        super().__init__(vocabulary=vocabulary, classes=len(labels), sizes=sizes)
        self.decoder = Decoder(sizes)

    def states(self, memory: Memory, embedded: Tensor, cache: Cache | None = None) -> Tensor:
        decoded: Tensor = self.decoder(embedded, memory.states, memory.seen, cache)
        return decoded


class EmoPrepend(Transformer):
    """The predicted label's own vector takes the place of CLS, in training as at test."""

    def __init__(self, *, vocabulary: int, labels: Sequence[str], sizes: Sizes) -> None:
        super().__init__(vocabulary=vocabulary, labels=(), sizes=sizes)
        self.bag = nn.EmbeddingBag(vocabulary, sizes.width, mode="mean", padding_idx=PAD)
        self.classifier = nn.Linear(sizes.width, len(labels))
        self.labels = nn.Embedding(len(labels), sizes.width)

    def encode(self, batch: Batch, *, draw: Draw | None = None) -> Memory:
        words = batch.context.masked_fill(batch.context == CLS, PAD)
        logits = self.classifier(self.bag(words))
        embedded = self.embedding(batch.context, batch.roles)
        # The choice of a label has no gradient; the classifier learns from its own loss alone.
        first = embedded[:, :1] + self.labels(logits.argmax(-1))[:, None]
        seen = batch.context != PAD
        states = self.encoder(torch.cat([first, embedded[:, 1:]], dim=1), seen)
        return Memory(states, seen, batch.context, logits)
