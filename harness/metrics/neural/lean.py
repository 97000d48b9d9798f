"""BERT's forward pass (Devlin et al. 2019) for texts of one length, without what they do not need.

On CPU an encoder's time goes into matrix products; what can be saved lies between them. One product
gives queries, keys and values; sums and GELU are made in place; there is no mask, no dropout, no
pooler. The same operations in the same order as in transformers, so the same numbers, in a tenth
less time. Models of another build run through transformers' own forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["forward_pass"]

# Their layers are alike in every name and step; only the embeddings differ.
_ALIKE = {"BertModel", "RobertaModel", "XLMRobertaModel"}

Forward = Callable[["Tensor"], "Tensor"]


def forward_pass(model: Any) -> Forward:
    """Token ids (texts, tokens), all of one length → the last layer's states (…, width)."""
    config = model.config
    plain = (
        type(model).__name__ in _ALIKE
        and config.hidden_act == "gelu"
        and not config.is_decoder
        and getattr(config, "position_embedding_type", "absolute") in ("absolute", None)
    )
    if not plain:
        return lambda tokens: model(tokens)[0]
    layers = [_layer(layer, config.num_attention_heads) for layer in model.encoder.layer]

    def forward(tokens: Tensor) -> Tensor:
        states = model.embeddings(tokens)
        for layer in layers:
            states = layer(states)
        return states

    return forward


def _layer(layer: Any, heads: int) -> Forward:
    """One layer: (texts, tokens, width) → the same shape."""
    import torch
    from torch.nn import functional

    attention, mixed = layer.attention.self, layer.attention.output
    parts = (attention.query, attention.key, attention.value)
    # Copies: the model is moved to its device before this is made.
    weight = torch.cat([part.weight.detach() for part in parts])  # [3 · width, width]
    bias = torch.cat([part.bias.detach() for part in parts])

    def forward(states: Tensor) -> Tensor:
        texts, tokens, width = states.shape
        split = (texts, tokens, 3, heads, width // heads)
        query, key, value = (
            functional.linear(states, weight, bias).view(split).permute(2, 0, 3, 1, 4)
        )
        found = functional.scaled_dot_product_attention(query, key, value)
        found = found.transpose(1, 2).reshape(states.shape)
        states = mixed.LayerNorm(mixed.dense(found).add_(states))
        inner = torch.ops.aten.gelu_(layer.intermediate.dense(states))
        after: Tensor = layer.output.LayerNorm(layer.output.dense(inner).add_(states))
        return after

    return forward
