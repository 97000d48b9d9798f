"""BERT's forward pass (Devlin et al. 2019) over texts laid end to end, without padding or mask.

On CPU an encoder's time goes into matrix products, which want many rows; so texts of several
lengths share them, and only attention is done length by length. One product gives queries, keys
and values; sums and GELU are made in place; there is no dropout and no pooler. The operations are
those of transformers in their order, so the numbers are the same. Models of another build run
through transformers' own forward pass, one length after the other.

    groups: tokens (texts, length) of each length   →   states (texts, length, width) of each
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Forward", "forward_pass"]

# Their layers are alike in every name and step; only the embeddings differ.
_ALIKE = {"BertModel", "RobertaModel", "XLMRobertaModel"}

Forward = Callable[[Sequence["Tensor"]], list["Tensor"]]


def forward_pass(model: Any) -> Forward:
    """Token ids, grouped by length → the last layer's states, grouped alike."""
    import torch

    config = model.config
    plain = (
        type(model).__name__ in _ALIKE
        and config.hidden_act == "gelu"
        and not config.is_decoder
        and getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
    )
    if not plain:
        return lambda groups: [model(tokens)[0] for tokens in groups]
    layers = [_layer(layer, config.num_attention_heads) for layer in model.encoder.layer]

    def forward(groups: Sequence[Tensor]) -> list[Tensor]:
        embedded = [model.embeddings(tokens) for tokens in groups]
        shapes = [states.shape for states in embedded]
        joined = torch.cat([states.flatten(0, 1) for states in embedded])
        for layer in layers:
            joined = layer(joined, shapes)
        parts = joined.split([texts * length for texts, length, _ in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    return forward


def _layer(layer: Any, heads: int) -> Callable[[Tensor, Sequence[tuple[int, ...]]], Tensor]:
    """One layer: states (all tokens, width) and the groups' shapes → states."""
    import torch
    from torch.nn import functional

    attention, mixed = layer.attention.self, layer.attention.output
    parts = (attention.query, attention.key, attention.value)
    # Copies: the model is moved to its device before this is made.
    weight = torch.cat([part.weight.detach() for part in parts])  # [3 · width, width]
    bias = torch.cat([part.bias.detach() for part in parts])

    def attend(states: Tensor, shapes: Sequence[tuple[int, ...]]) -> Tensor:
        projected = functional.linear(states, weight, bias)
        found, start = torch.empty_like(states), 0
        for texts, length, width in shapes:
            end = start + texts * length
            split = projected[start:end].view(texts, length, 3, heads, width // heads)
            query, key, value = split.permute(2, 0, 3, 1, 4)  # [texts, heads, length, …]
            mixture = functional.scaled_dot_product_attention(query, key, value)
            found[start:end] = mixture.transpose(1, 2).reshape(-1, width)
            start = end
        return found

    def forward(states: Tensor, shapes: Sequence[tuple[int, ...]]) -> Tensor:
        states = mixed.LayerNorm(mixed.dense(attend(states, shapes)).add_(states))
        inner = torch.ops.aten.gelu_(layer.intermediate.dense(states))
        after: Tensor = layer.output.LayerNorm(layer.output.dense(inner).add_(states))
        return after

    return forward
