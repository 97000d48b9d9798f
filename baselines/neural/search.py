"""From log-probabilities to replies: greedy, beam, and top-k sampling, batched.

All three work on an `Architecture` and the `Memory` of B contexts and return B lists of word
numbers without EOS. PAD, UNK, SOS and role marks are never said: a reply with "<unk>" in it helps
nobody, and no metric should count it as a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from baselines.neural.cache import Cache
from baselines.neural.vocabulary import EOS, SOS, SPECIAL

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.architecture import Architecture, Memory

__all__ = ["MAX_LENGTH", "beam", "greedy", "sample"]

MAX_LENGTH = 50
_CROWD = 0.75
_NEVER = [number for number in range(len(SPECIAL)) if number != EOS]


def greedy(model: Architecture, memory: Memory, *, length: int = MAX_LENGTH) -> list[list[int]]:
    """The most probable word each time."""
    return _step_by_step(model, memory, length, _most_probable)


def sample(
    model: Architecture,
    memory: Memory,
    *,
    k: int = 5,
    generator: torch.Generator,
    length: int = MAX_LENGTH,
) -> list[list[int]]:
    """One of the k most probable words each time, by their probabilities."""

    def choose(scores: Tensor) -> Tensor:
        top = scores.topk(min(k, scores.shape[-1]), dim=-1)
        drawn = torch.multinomial(top.values.softmax(-1), 1, generator=generator)
        return top.indices.gather(-1, drawn)[:, 0]

    return _step_by_step(model, memory, length, choose)


def beam(
    model: Architecture, memory: Memory, *, width: int = 5, length: int = MAX_LENGTH
) -> list[list[int]]:
    """The reply of the highest summed log-probability among those a beam of `width` meets.

    No length normalisation, as in the published code. Beams that ended compete with those that
    go on; a row stops when its best beam has ended, since sums only fall.
    """
    size, device = memory.states.shape[0], memory.states.device
    index = torch.arange(size, device=device).repeat_interleave(width)
    spread = memory.rows(index)
    tokens = torch.full((size * width, 1), SOS, device=device)
    # At first all beams of a row are equal: only the first may grow.
    scores = torch.full((size, width), -torch.inf, device=device)
    scores[:, 0] = 0.0
    ended = torch.zeros(size * width, dtype=torch.bool, device=device)
    cache = Cache(size * width)
    for _ in range(length):
        following = _next(model, spread, tokens, cache)  # (B · width, V)
        # What has ended stays as it is, at its score.
        following = following.masked_fill(ended[:, None], -torch.inf)
        following[:, EOS] = following[:, EOS].masked_fill(ended, 0.0)
        totals = (scores.view(-1, 1) + following).view(size, -1)
        scores, flat = totals.topk(width, dim=-1)
        first = torch.arange(size, device=device)[:, None] * width
        origin = (flat // following.shape[-1] + first).view(-1)
        word = flat % following.shape[-1]
        tokens = torch.cat([tokens[origin], word.view(-1, 1)], dim=1)
        ended = ended[origin] | (word.view(-1) == EOS)
        cache = cache.rows(origin)
        if bool(ended.view(size, width)[:, 0].all()):
            break
    best = tokens.view(size, width, -1)[:, 0, 1:]
    return [_until_end(row) for row in best.tolist()]


def _most_probable(scores: Tensor) -> Tensor:
    # The first of equals, as argmax takes, which is ten times slower on a CPU.
    best = scores.amax(-1, keepdim=True)
    return (scores == best).to(torch.uint8).argmax(-1)


def _step_by_step(
    model: Architecture, memory: Memory, length: int, choose: object
) -> list[list[int]]:
    assert callable(choose)
    size, device = memory.states.shape[0], memory.states.device
    tokens = torch.full((size, 1), SOS, device=device)
    going = torch.arange(size, device=device)
    said: list[list[int]] = [[] for _ in range(size)]
    cache = Cache(size)
    for _ in range(length):
        word = choose(_next(model, memory, tokens, cache))
        for row, number in zip(going.tolist(), word.tolist(), strict=True):
            said[row].append(number)
        tokens = torch.cat([tokens, word[:, None]], dim=1)
        kept = (tokens != EOS).all(1).nonzero()[:, 0]
        if not len(kept):
            break
        # Rows that have ended leave, so that a long reply costs its own row only; not one by one,
        # since each leaving copies what stays.
        if len(kept) <= _CROWD * len(going):
            memory, cache = memory.rows(kept), cache.rows(kept)
            tokens, going = tokens[kept], going[kept]
    return [_until_end(row) for row in said]


def _next(model: Architecture, memory: Memory, tokens: Tensor, cache: Cache) -> Tensor:
    """(B, V) log-probabilities of the next word, those never said at -inf."""
    scores = model.following(memory, tokens, cache)
    scores[:, _NEVER] = -torch.inf
    return scores


def _until_end(numbers: list[int]) -> list[int]:
    return numbers[: numbers.index(EOS)] if EOS in numbers else numbers
