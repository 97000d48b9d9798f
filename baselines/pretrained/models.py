"""A base model with label tokens and adapters, as a run begins with it."""

from __future__ import annotations

from typing import Any

from baselines.pretrained.settings import Settings, label_token
from harness.tuning.bases import Base, load_base
from harness.tuning.kept import with_adapters

__all__ = ["build", "label_ids"]


def build(settings: Settings, base: Base, *, dtype: str = "float32") -> tuple[Any, Any]:
    """The model as it is before the first step, and its tokenizer."""
    model, tokenizer = load_base(base, settings.kind, dtype=dtype)
    if settings.joint:
        _add_labels(model, tokenizer, settings)
    if settings.lora:
        model = with_adapters(
            model,
            settings.kind,
            rank=settings.rank,
            alpha=settings.alpha,
            dropout=settings.dropout,
            tokens=label_ids(settings, tokenizer),
        )
    return model, tokenizer


def label_ids(settings: Settings, tokenizer: Any) -> list[int]:
    """The tokens of the labels, in the order of `settings.labels`."""
    if not settings.joint:
        return []
    tokens = [label_token(settings.joint, label) for label in settings.labels]
    ids: list[int] = tokenizer.convert_tokens_to_ids(tokens)
    return ids


def _add_labels(model: Any, tokenizer: Any, settings: Settings) -> None:
    """One token per label; its embeddings begin as the mean of those of the label's words."""
    import torch
    from tokenizers import AddedToken

    assert settings.joint is not None
    words = [tokenizer(f" {x}", add_special_tokens=False)["input_ids"] for x in settings.labels]
    tokens = [
        AddedToken(label_token(settings.joint, label), special=True, normalized=False)
        for label in settings.labels
    ]
    tokenizer.add_tokens(tokens, special_tokens=True)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    ids = label_ids(settings, tokenizer)
    with torch.no_grad():
        for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
            weight = layer.weight
            for token, parts in zip(ids, words, strict=True):
                weight[token] = weight[parts].mean(0)
