"""A language of a few tokens, and a model of it that knows nothing yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from harness.parallel import World
from stride_ed.training.ppo.policy import Policy, make_policy
from stride_ed.training.ppo.step import Learner, make_learner, take_step
from stride_ed.training.settings import PpoSettings


class Words:
    """A tokenizer whose tokens are words; token 0 pads."""

    pad_token_id = 0

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)

    def decode(self, tokens: Sequence[int], skip_special_tokens: bool = False) -> str:
        return "".join(self.words[token] for token in tokens)


DIGITS = Words([*"01234567"])


def model(seed: int, words: Words = DIGITS, *, spread: float = 0.02, width: int = 16) -> Any:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words.words), hidden_size=width, intermediate_size=2 * width,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64, pad_token_id=0,
        bos_token_id=None, eos_token_id=None, initializer_range=spread,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def settings(seed: int = 0, **changes: Any) -> PpoSettings:
    given: dict[str, Any] = {
        "sft": "", "lora": False, "rank": 4, "alpha": 8, "rate": 5e-3, "critic_rate": 1e-2,
        "kl": 0.0, "batch_size": 64, "mini_batch": 32, "micro_batch": 64, "ppo_epochs": 2,
        "max_response": 2, "kl_stop": 1.0, "lam": 0.95, "seed": seed,
    }  # fmt: skip
    return PpoSettings(**(given | changes))


def learner(
    judge: Callable[[int, str], Mapping[str, float]],
    wanted: PpoSettings,
    *,
    words: Words = DIGITS,
    begun: Any = None,
    world: World = World(),  # noqa: B008
) -> Learner:
    begun = model(wanted.seed, words) if begun is None else begun
    policy: Policy = make_policy(
        begun, words, lora=wanted.lora, rank=wanted.rank, alpha=wanted.alpha
    )
    return make_learner(
        policy, ended=lambda tokens: False, judge=judge, settings=wanted, world=world
    )


PROMPTS = [(0, [1, 2]), (1, [2]), (2, [1, 1, 2])]


def rewards(one: Learner, steps: int) -> list[float]:
    """The mean reward of each step."""
    size = one.settings.batch_size
    chosen = [PROMPTS[place % len(PROMPTS)] for place in range(size)]
    return [take_step(one, chosen, n, one.settings.kl)["reward"] for n in range(steps)]
