"""Batches of token rows through a model of either kind: padding, positions, the first logits."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError
from harness.tuning.bases import Kind

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["first_logits", "last", "numbering", "padded", "positions", "start_token"]


def positions(model: Any) -> int | None:
    """How many tokens the model can number; None where it need not number them (T5)."""
    found = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) and found > 0 else None


def start_token(model: Any) -> int:
    """What an encoder–decoder's reply begins from.

    Raises:
        ModelError: its configuration does not say so.
    """
    for config in (model.config, model.generation_config):
        found = getattr(config, "decoder_start_token_id", None)
        if isinstance(found, int):
            return found
    raise ModelError(
        f"{model.config.model_type}: config.json has no decoder_start_token_id; name it there"
    )


def padded(rows: Sequence[Sequence[int]], pad: int, *, left: bool) -> tuple[Tensor, Tensor]:
    """[rows, longest] tokens and attention mask."""
    import torch

    width = max(1, *map(len, rows))
    tokens = torch.full((len(rows), width), pad)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        tokens[number, place] = torch.tensor(row, dtype=torch.long)
        mask[number, place] = 1
    return tokens, mask


def first_logits(
    model: Any, kind: Kind, rows: Sequence[Sequence[int]], chosen: Sequence[int], pad: int
) -> Tensor:
    """[rows, chosen] logits of the first token to be written, at the chosen tokens."""
    import torch

    tokens, mask = (x.to(model.device) for x in padded(rows, pad, left=kind == "causal"))
    with torch.inference_mode():
        if kind == "seq2seq":
            start = torch.full((len(rows), 1), start_token(model))
            logits = model(
                input_ids=tokens, attention_mask=mask, decoder_input_ids=start.to(model.device)
            ).logits[:, -1]
        else:
            logits = model(
                input_ids=tokens, attention_mask=mask, **numbering(model, mask), **last(model, 1)
            ).logits[:, -1]
    return logits[:, list(chosen)].float()


def numbering(model: Any, mask: Tensor) -> dict[str, Any]:
    """Positions of left-padded rows, for models that take them."""
    if "position_ids" not in inspect.signature(model.forward).parameters:
        return {}
    return {"position_ids": (mask.cumsum(-1) - 1).clamp(min=0)}


def last(model: Any, count: int) -> dict[str, int]:
    """Asks for logits of the last positions only, where the model can do so."""
    known = "logits_to_keep" in inspect.signature(model.forward).parameters
    return {"logits_to_keep": count} if known else {}
