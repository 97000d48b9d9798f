"""EPITOME's bi-encoder (Sharma et al. 2020, section 5) over any encoder of transformers.

    seeker post   (B, S) ─▶ frozen seeker encoder ──▶ (B, S, H) ──┐ key, value
    response post (B, R) ─▶ response encoder ───────▶ (B, R, H) ──┴▶ attention, residual ─▶ (B, R, H)
                                                        first token ─▶ linear ─▶ relu ─▶ linear
                                                        ─▶ (B, 3) logits of one mechanism

As in the authors' code, the attention has one head, its result is added to the response's states,
and the seeker encoder is not trained, so its states can be computed once (`encode_seekers`). Where
they fit three models, one response encoder serves the three mechanisms here, each with an attention
and a head of its own; and the seeker post's padding is masked, which theirs attends to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["BiEncoder", "freeze", "trained_parameters"]


class _Mechanism(nn.Module):  # type: ignore[misc]
    """Attention over the seeker post and the classification head of one mechanism."""

    def __init__(self, hidden: int, levels: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.output = nn.Linear(hidden, hidden)
        self.dense = nn.Linear(hidden, hidden)
        self.levels = nn.Linear(hidden, levels)
        self.dropout = nn.Dropout(dropout)
        for layer in self.children():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, response: Tensor, seeker: Tensor, seeker_mask: Tensor) -> Tensor:
        """(B, H) of the response's first token, (B, S, H), (B, S) → (B, 3)."""
        query = self.query(response).unsqueeze(1)
        scores = query @ self.key(seeker).transpose(1, 2) / math.sqrt(response.shape[-1])
        scores = scores.masked_fill(seeker_mask.unsqueeze(1) == 0, -torch.inf)
        weights = self.dropout(scores.softmax(-1))
        attended = self.output((weights @ self.value(seeker)).squeeze(1))
        state = self.dropout(response + self.dropout(attended))
        logits: Tensor = self.levels(self.dropout(torch.relu(self.dense(state))))
        return logits
