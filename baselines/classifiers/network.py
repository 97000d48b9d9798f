"""An encoder of transformers with a linear head on the mean of its last states.

tokens (B, S), mask (B, S) ─▶ states (B, S, H) ─▶ mean over what is seen (B, H) ─▶ logits (B, L)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.encoders import load_encoder
from harness.epitome.model import freeze
from harness.errors import ModelError

__all__ = ["EncoderClassifier", "build", "log_probabilities", "pad"]

_BATCH = 64


class EncoderClassifier(nn.Module):
    """`inner` is one of transformers' AutoModel."""

    def __init__(self, inner: Any, labels: int, dropout: float) -> None:
        super().__init__()
        self.inner = inner
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(int(inner.config.hidden_size), labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, S) tokens and mask, 1 where there is a token → (B, L) logits."""
        states = self.inner(input_ids=tokens, attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states)
        mean = (states * weights).sum(1) / weights.sum(1).clamp(min=1)
        logits: Tensor = self.head(self.dropout(mean))
        return logits

    def trained(self) -> dict[str, Tensor]:
        """What training changes, by name: everything else comes with the encoder."""
        return {name: value for name, value in self.named_parameters() if value.requires_grad}


def build(
    folder: Path, *, labels: int, max_len: int, dropout: float, frozen_layers: int, seed: int
) -> EncoderClassifier:
    """The classifier before its first step, on the encoder kept in `folder`.

    Raises:
        ModelError: the encoder is damaged, reads fewer tokens, or has fewer layers.
    """
    inner = load_encoder(folder)
    positions = getattr(inner.config, "max_position_embeddings", max_len)
    if inner.config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= 2  # they count positions from behind the padding's
    if max_len > positions:
        raise ModelError(f"max_len is {max_len}, but the encoder reads {positions} tokens at most")
    freeze(inner, frozen_layers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EncoderClassifier(inner, labels, dropout)


def pad(rows: Sequence[Sequence[int]], padding: int) -> tuple[Tensor, Tensor]:
    """Token ids of B contexts → (B, S) tokens and (B, S) mask, S the longest of them."""
    longest = max(map(len, rows))
    tokens = torch.full((len(rows), longest), padding)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[number, : len(row)] = 1
    return tokens, mask


def log_probabilities(
    model: EncoderClassifier, rows: Sequence[Sequence[int]], *, padding: int, device: str
) -> Tensor:
    """Token ids of n contexts → (n, L) float32 log-probabilities, in order, on the CPU."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    found = torch.empty(len(rows), model.head.out_features)
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            batch = order[start : start + _BATCH]
            tokens, mask = pad([rows[number] for number in batch], padding)
            found[batch] = model(tokens.to(device), mask.to(device)).log_softmax(-1).float().cpu()
    return found
