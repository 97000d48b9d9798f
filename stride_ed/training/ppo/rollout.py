"""Answers written in batches: KV cache, left padding, an end that the caller defines.

What a row draws depends on its own random numbers alone, one per token: token t is the first whose
cumulated probability reaches u_t. So neither the batch that a row stands in nor the number of
processes changes what it draws. Rows that have ended leave the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.tuning.passes import last, numbering, padded
from harness.tuning.tokens import Tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Answer", "Ended", "ending", "uniforms", "write"]

Ended = Callable[[Sequence[int]], bool]
# The share of rows that must have ended before the cache is copied without them.
_WORTH_COPYING = 0.25
_END = "</answer>"
_TAIL = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """What a row wrote, and ln p of each token under the policy that wrote it.

    `ended`: it came to its end by itself; else `most` tokens were reached.
    """

    tokens: Tokens
    log_p: list[float]
    ended: bool


def ending(tokenizer: Any, stops: Sequence[int]) -> Ended:
    """Ends an answer at one of `stops`, or when `</answer>` stands in it."""
    ends = frozenset(stops)

    def ended(tokens: Sequence[int]) -> bool:
        return tokens[-1] in ends or _END in tokenizer.decode(tokens[-_TAIL:])

    return ended


def uniforms(seed: Sequence[int], most: int) -> NDArray[Any]:
    """`most` numbers in [0, 1) that follow from `seed` alone."""
    import numpy as np

    return np.random.default_rng(list(seed)).random(most)


def write(
    model: Any,
    prompts: Sequence[Tokens],
    *,
    pad: int,
    most: int,
    ended: Ended,
    temperature: float = 0.0,
    drawn: Sequence[NDArray[Any]] | None = None,
) -> list[Answer]:
    """Answers of at most `most` tokens, in order; greedy at temperature 0, else by `drawn`."""
    import torch
    from transformers import DynamicCache

    written: list[Tokens] = [[] for _ in prompts]
    log_p: list[list[float]] = [[] for _ in prompts]
    done = [False] * len(prompts)
    alive = list(range(len(prompts)))
    tokens, mask = (x.to(model.device) for x in padded(prompts, pad, left=True))
    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        for t in range(most):
            logits = model(
                input_ids=tokens,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
                **{k: v[:, -tokens.shape[1] :] for k, v in numbering(model, mask).items()},
                **last(model, 1),
            ).logits[:, -1]
            numbers = None if drawn is None else [float(drawn[row][t]) for row in alive]
            chosen, nats = _choose(logits.float(), temperature, numbers)
            for row, token, value in zip(alive, chosen.tolist(), nats.tolist(), strict=True):
                if not done[row]:
                    written[row].append(token)
                    log_p[row].append(value)
                    done[row] = ended(written[row])
            stay = [place for place, row in enumerate(alive) if not done[row]]
            if not stay:
                break
            if len(stay) <= (1 - _WORTH_COPYING) * len(alive):
                picked = torch.tensor(stay, device=model.device)
                cache.batch_select_indices(picked)
                chosen, mask, alive = chosen[picked], mask[picked], [alive[p] for p in stay]
            tokens = chosen[:, None]
            mask = torch.cat([mask, torch.ones_like(tokens)], dim=1)
    return [Answer(*row) for row in zip(written, log_p, done, strict=True)]


def _choose(
    logits: Tensor, temperature: float, numbers: Sequence[float] | None
) -> tuple[Tensor, Tensor]:
    """[rows] tokens and their ln p under logits [rows, vocabulary]."""
    import torch

    if temperature == 0:
        log_p = logits.log_softmax(-1)
        chosen = log_p.argmax(-1)
    else:
        assert numbers is not None
        log_p = (logits / temperature).log_softmax(-1)
        # In float64: 49,152 cumulated float32 probabilities miss 1 by more than a rare token has.
        reached = log_p.double().exp().cumsum(-1)
        wanted = torch.tensor(numbers, dtype=torch.float64, device=logits.device)[:, None]
        chosen = torch.searchsorted(reached, wanted * reached[:, -1:], right=True)[:, 0]
        chosen = chosen.clamp(max=logits.shape[-1] - 1)
    return chosen, log_p.gather(1, chosen[:, None])[:, 0]
