"""What every architecture of the family is built of (Lin et al. 2019, section 3; FIELD's sizes).

Embedding e(w)·√d + sinusoidal position (+ role embedding); pre-norm attention with key and value
depth below d; a feed-forward part of two width-3 convolutions. Shapes: B batch, S source, T target,
d width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from baselines.neural.vocabulary import PAD

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.cache import Cache

__all__ = [
    "Attention",
    "Conditioned",
    "DecoderLayer",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "Sizes",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """d = `width`; `depth` is the key and value depth of all heads together; `filters` of the
    convolutions; `layers` of encoder and decoder each (MoEL's repository: 1; its baselines: 2).
    """

    width: int = 300
    heads: int = 2
    depth: int = 40
    filters: int = 50
    layers: int = 1
    dropout: float = 0.0


class Embedding(nn.Module):
    """Words (B, L) and roles (B, L) or None → (B, L, d)."""

    def __init__(self, vocabulary: int, width: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width, padding_idx=PAD)
        nn.init.normal_(self.words.weight, std=0.01)
        with torch.no_grad():
            self.words.weight[PAD].zero_()
        self.width = width

    def forward(self, words: Tensor, roles: Tensor | None = None, *, start: int = 0) -> Tensor:
        """`start` is the position of the first of the words."""
        embedded = self.words(words) * math.sqrt(self.width)
        where = positions(start + words.shape[1], self.width)[start:]
        embedded = embedded + where.to(embedded)
        return embedded if roles is None else embedded + self.words(roles)


def positions(length: int, width: int) -> Tensor:
    """Sinusoidal timing signal (Vaswani et al. 2017, section 3.5), sines before cosines: (L, d)."""
    half = width // 2
    rates = torch.exp(-math.log(10_000.0) * torch.arange(half) / max(half - 1, 1))
    angles = torch.arange(length)[:, None] * rates
    signal = torch.cat([angles.sin(), angles.cos()], dim=1)
    return functional.pad(signal, (0, width - signal.shape[1]))


class Attention(nn.Module):
    """Multi-head attention without biases: queries (B, T, d), memory (B, S, d) → (B, T, d)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.dropout = sizes.heads, sizes.dropout
        self.query = nn.Linear(sizes.width, sizes.depth, bias=False)
        self.key = nn.Linear(sizes.width, sizes.depth, bias=False)
        self.value = nn.Linear(sizes.width, sizes.depth, bias=False)
        self.output = nn.Linear(sizes.depth, sizes.width, bias=False)

    def forward(
        self, queries: Tensor, memory: Tensor, *, seen: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """`seen` (B, S) is True where the memory may be looked at."""
        return self.attend(queries, *self.project(memory), seen=seen, causal=causal)

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of a memory (B, S, d), each (B, heads, S, depth of a head)."""
        return self._heads(self.key(memory)), self._heads(self.value(memory))

    def attend(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        *,
        seen: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """As `forward`, with keys and values at hand."""
        mask = None if seen is None else seen[:, None, None, :]
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            self._heads(self.query(queries)),
            keys,
            values,
            attn_mask=mask,
            dropout_p=dropout,
            is_causal=causal,
        )
        output: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return output

    def _heads(self, states: Tensor) -> Tensor:
        return states.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    """Two convolutions of width 3; `causal` ones look back only. (B, L, d) → (B, L, d).

    A convolution reads its neighbours: `seen` (B, L) keeps what lies behind a text's end at zero,
    so that no text's states depend on how far its batch is padded.
    """

    def __init__(self, sizes: Sizes, *, causal: bool) -> None:
        super().__init__()
        self.padding = (2, 0) if causal else (1, 1)
        self.inner = nn.Conv1d(sizes.width, sizes.filters, 3)
        self.outer = nn.Conv1d(sizes.filters, sizes.width, 3)
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, states: Tensor, seen: Tensor | None = None) -> Tensor:
        keep = 1.0 if seen is None else seen[:, None, :]
        states = states.transpose(1, 2) * keep
        hidden = self.inner(functional.pad(states, self.padding)).relu() * keep
        hidden = self.outer(functional.pad(self.dropout(hidden), self.padding)) * keep
        return hidden.transpose(1, 2)

    def follow(self, state: Tensor, cache: Cache) -> Tensor:
        """A causal one's answer to one more state (B, 1, d), after those that `cache` has seen."""
        hidden = self.inner(cache.window(self, "inner", state.transpose(1, 2))).relu()
        output: Tensor = self.outer(cache.window(self, "outer", self.dropout(hidden)))
        return output.transpose(1, 2)


class EncoderLayer(nn.Module):
    """x + attention, then + feed-forward, each on the normalised states; padding stays zero."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.attention = Attention(sizes)
        self.feed_forward = FeedForward(sizes, causal=False)
        self.norms = nn.ModuleList(nn.LayerNorm(sizes.width) for _ in range(2))
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        normed = self.norms[0](states)
        states = states + self.dropout(self.attention(normed, normed, seen=seen))
        return states + self.dropout(self.feed_forward(self.norms[1](states), seen))


class Encoder(nn.Module):
    """Embedded context (B, S, d) and where it is (B, S) → states (B, S, d)."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        for layer in self.layers:
            states = layer(states, seen)
        normed: Tensor = self.norm(states)
        return normed


class Conditioned(nn.Module):
    """Context states (B, S, d) read again with one vector (B, d) beside every word."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.join = nn.Linear(2 * sizes.width, sizes.width, bias=False)
        self.encoder = Encoder(sizes)

    def forward(self, states: Tensor, vector: Tensor, seen: Tensor) -> Tensor:
        beside = vector[:, None].expand_as(states)
        joined = self.join(torch.cat([states, beside], dim=-1))
        timed = joined + positions(states.shape[1], states.shape[2]).to(joined)
        encoded: Tensor = self.encoder(timed, seen)
        return encoded


class DecoderLayer(nn.Module):
    """x + causal self-attention, + attention to the memory, + causal feed-forward."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.self_attention = Attention(sizes)
        self.attention = Attention(sizes)
        self.feed_forward = FeedForward(sizes, causal=True)
        self.norms = nn.ModuleList(nn.LayerNorm(sizes.width) for _ in range(3))
        self.dropout = nn.Dropout(sizes.dropout)

    def forward(
        self, states: Tensor, memory: Tensor, seen: Tensor, cache: Cache | None = None
    ) -> Tensor:
        """With a cache `states` (B, 1, d) is the newest alone."""
        normed = self.norms[0](states)
        if cache is None:
            own = self.self_attention(normed, normed, causal=True)
            memorised = self.attention.project(memory)
        else:
            own = self.self_attention.attend(
                normed, *cache.longer(self.self_attention, self.self_attention.project(normed))
            )
            memorised = cache.once(self.attention, lambda: self.attention.project(memory))
        states = states + self.dropout(own)
        read = self.attention.attend(self.norms[1](states), *memorised, seen=seen)
        states = states + self.dropout(read)
        normed = self.norms[2](states)
        changed = (
            self.feed_forward(normed) if cache is None else self.feed_forward.follow(normed, cache)
        )
        result: Tensor = states + self.dropout(changed)
        return result
