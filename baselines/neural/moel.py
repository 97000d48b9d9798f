"""MoEL (Lin et al. 2019): one listener per emotion, mixed by how probable the emotion is.

    q = H[CLS];  p = softmax(W q) over C emotions, the top k kept          (eq. 3)
    V_0 = shared listener,  V_i = listener i;  V_M = V_0 + Σ_i p_i V_i     (eq. 6)
    the meta-listener decodes from V_M                                      (eq. 7)

In training the gold emotion takes the place of p with probability ε(t) = γ + (1 − γ) e^(−t / T),
γ = 1e-4, T = 10,000 (the repository's schedule of the paper's oracle). At validation and test it
never does; the published code kept the last draw's value there, which the quirk
`keep-oracle` restores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from baselines.neural.architecture import Architecture, Decoder, Draw, Memory
from baselines.neural.layers import DecoderLayer, Sizes

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.batches import Batch
    from baselines.neural.cache import Cache

__all__ = ["MoEL", "mixture", "oracle_rate"]

TOP_K = 5
_FLOOR, _DECAY = 1e-4, 10_000


def oracle_rate(step: int) -> float:
    """ε(t): how often the gold emotion mixes the listeners at training step t."""
    return _FLOOR + (1 - _FLOOR) * math.exp(-step / _DECAY)


def mixture(logits: Tensor, k: int) -> Tensor:
    """(B, C) logits → (B, C) weights: softmax over the k largest, zero elsewhere."""
    kept = logits.topk(min(k, logits.shape[-1]), dim=-1).indices
    mask = torch.full_like(logits, -torch.inf).scatter(-1, kept, 0.0)
    return functional.softmax(logits + mask, dim=-1)


class MoEL(Architecture):
    """`steps` counts training steps, for the oracle's schedule."""

    def __init__(self, *, vocabulary: int, labels: Sequence[str], sizes: Sizes) -> None:
        super().__init__(vocabulary=vocabulary, classes=len(labels), sizes=sizes)
        self.shared = DecoderLayer(sizes)
        self.listeners = nn.ModuleList(DecoderLayer(sizes) for _ in labels)
        self.meta = Decoder(sizes)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("last_oracle", torch.zeros((), dtype=torch.bool))

    def encode(self, batch: Batch, *, draw: Draw | None = None) -> Memory:
        memory = super().encode(batch)
        assert memory.emotion is not None, "MoEL has an emotion head"
        oracle = "keep-oracle" in self.quirks and bool(self.last_oracle)
        if draw is not None:
            oracle = draw.chance() < oracle_rate(int(self.steps))
            self.last_oracle.fill_(oracle)
            self.steps += 1
        weights = mixture(memory.emotion, TOP_K)
        if oracle:
            gold = functional.one_hot(batch.label.clamp(min=0), weights.shape[-1]).to(weights)
            weights = torch.where(batch.label[:, None] >= 0, gold, weights)
        return replace(memory, more={"listeners": weights})

    def states(self, memory: Memory, embedded: Tensor, cache: Cache | None = None) -> Tensor:
        weights = memory.more["listeners"]
        mixed = self.shared(embedded, memory.states, memory.seen, cache)
        for number, listener in enumerate(self.listeners):
            # Only the rows that listen with this one: k of C per row.
            rows = weights[:, number].nonzero()[:, 0]
            if len(rows):
                part = None if cache is None else cache.part(listener, rows)
                # What a listener attends to is kept from the first word on.
                known = part is not None and part.length
                heard = memory.states if known else memory.states[rows]
                said = listener(embedded[rows], heard, memory.seen[rows], part)
                if part is not None:
                    part.length += 1
                mixed = mixed.index_add(0, rows, weights[rows, number][:, None, None] * said)
        decoded: Tensor = self.meta(mixed, memory.states, memory.seen, cache)
        return decoded
