"""Copying from the context: a pointer-generator (See et al. 2017, section 2.2).

    a_t = softmax(q(s_t) · k(h_i) / √d) over the words of the context that can be said
    h*_t = Σ_i a_t,i h_i;   p_gen = σ(w_h · h*_t + w_s · s_t + b)                     (eq. 8)
    P(w) = p_gen P_vocab(w) + (1 − p_gen) Σ_{i: x_i = w} a_t,i                        (eq. 9)

The vocabulary is closed: a word that training never showed cannot be copied. Where a context has
nothing to copy, p_gen is 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

from baselines.neural.vocabulary import SPECIAL

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.architecture import Memory

__all__ = ["Pointer"]

# Keeps the logarithm finite; far below what float32 resolves next to 1.
_LEAST = 1e-30


class Pointer(nn.Module):
    """Scores of the vocabulary → log-probabilities of saying or copying."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(2 * width, 1)

    def forward(self, scores: Tensor, states: Tensor, memory: Memory, wanted: Tensor) -> Tensor:
        """Scores (N, V) of the `wanted` of states (B, T, d) → log P, (N, V)."""
        attention = self.attention(states, memory)[wanted].float()  # (N, S)
        rows = wanted.nonzero()[:, 0]
        read = torch.einsum("ns,nsd->nd", attention, memory.states[rows].float())
        generate = self.gate(torch.cat([read, states[wanted].float()], dim=-1)).sigmoid()
        # What has nothing to copy puts no weight on copying.
        generate = torch.where(attention.sum(-1, keepdim=True) > 0, generate, 1.0)
        mixed = generate * scores.float().softmax(-1)
        mixed = mixed.scatter_add(1, memory.source[rows], (1 - generate) * attention)
        return mixed.clamp_min(_LEAST).log()

    def attention(self, states: Tensor, memory: Memory) -> Tensor:
        """Decoder states (B, T, d) → weights over the context's words, (B, T, S)."""
        can_be_said = memory.seen & (memory.source >= len(SPECIAL))
        fit = self.query(states) @ self.key(memory.states).transpose(1, 2)
        fit = fit / math.sqrt(states.shape[-1])
        # A finite floor: a row without any word keeps finite gradients, and is zeroed below.
        fit = fit.masked_fill(~can_be_said[:, None, :], -1e9)
        weights: Tensor = fit.softmax(-1) * can_be_said[:, None, :]
        return weights
