"""EPITOME's bi-encoder (Sharma et al. 2020, section 5) over any encoder of transformers.

    seeker post   (B, S) ─▶ frozen seeker encoder ─▶ (B, S, H) key, value ─┐
    response post (B, R) ─▶ response encoder ─▶ its first token (B, H) ──────┴▶ attention, added
                                    ─▶ linear ─▶ relu ─▶ linear ─▶ (B, 3) logits of one mechanism

As in the authors' code, the attention has one head, its result is added to the response's state,
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

from harness.errors import ModelError

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


class BiEncoder(nn.Module):  # type: ignore[misc]
    """Two encoders and one attention head per mechanism; `seeker` is never trained."""

    def __init__(
        self, seeker: Any, response: Any, mechanisms: Sequence[str], levels: int, dropout: float
    ) -> None:
        super().__init__()
        self.seeker = seeker.requires_grad_(False)
        self.response = response
        hidden = int(response.config.hidden_size)
        self.mechanisms = nn.ModuleDict(
            {name: _Mechanism(hidden, levels, dropout) for name in mechanisms}
        )

    def train(self, mode: bool = True) -> BiEncoder:
        """Dropout in what is trained only: the seeker's states are fixed."""
        super().train(mode)
        self.seeker.eval()
        return self

    def encode_seekers(self, tokens: Tensor, mask: Tensor) -> list[Tensor]:
        """(B, S) tokens, (B, S) mask → B states (length, H), without padding or gradient."""
        with torch.no_grad():
            states = self.seeker(input_ids=tokens, attention_mask=mask).last_hidden_state
        return [row[:length].clone() for row, length in zip(states, mask.sum(1), strict=True)]

    def forward(self, seekers: Sequence[Tensor], tokens: Tensor, mask: Tensor) -> Tensor:
        """B seeker states (length, H), (B, R) response tokens and mask → (B, mechanisms, 3)."""
        states = nn.utils.rnn.pad_sequence(list(seekers), batch_first=True)
        lengths = torch.tensor([len(row) for row in seekers], device=states.device)
        seeker_mask = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        first = self.response(input_ids=tokens, attention_mask=mask).last_hidden_state[:, 0]
        heads = [head(first, states, seeker_mask) for head in self.mechanisms.values()]
        return torch.stack(heads, dim=1)


def freeze(encoder: Any, layers: int) -> None:
    """Fix the embeddings, the unused pooler and the lowest `layers` layers of an encoder.

    Raises:
        ModelError: the encoder has fewer layers.
    """
    depth = int(encoder.config.num_hidden_layers)
    stacks = [
        module
        for module in encoder.modules()
        if isinstance(module, nn.ModuleList) and len(module) == depth
    ]
    if layers > depth or not stacks:
        raise ModelError(f"cannot freeze {layers} layers of an encoder that has {depth}")
    # Embedding tables are half of a small encoder; training them gains nothing and costs memory.
    fixed = [getattr(encoder, name, None) for name in ("embeddings", "pooler")]
    for module in (*fixed, *stacks[0][:layers]):
        if module is not None:
            module.requires_grad_(False)


def trained_parameters(model: BiEncoder) -> dict[str, Tensor]:
    """What training changes, by name: everything else comes with the encoder."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}
