"""Actor, critic and frozen reference, all begun from one SFT model.

LoRA    one base with the SFT weights, frozen; adapters "actor" and "critic" on every linear layer;
        the reference is the base with adapters off
full    three models: actor and critic learn, the reference is a frozen copy

The critic is the backbone of the SFT model with a linear head in the place of the vocabulary; the
head begins at 0, so that every value does. V at a token's place is of the state before that token.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.tuning.passes import last, numbering, padded
from harness.tuning.tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "Policy", "batched", "make_policy"]

_ACTOR, _CRITIC = "actor", "critic"


@dataclass(frozen=True, slots=True)
class Batch:
    """Prompts and answers as one batch, ends aligned: `mask` [rows, longest answer] is of answers.

    `tokens` and `attention` are [rows, longest prompt and answer].
    """

    tokens: Tensor
    attention: Tensor
    answers: Tensor
    mask: Tensor


def batched(
    prompts: Sequence[Tokens], answers: Sequence[Tokens], *, pad: int, device: Any
) -> Batch:
    """Rows of prompt and answer, padded on the left."""
    rows = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
    tokens, attention = padded(rows, pad, left=True)
    said, mask = padded(answers, pad, left=True)
    return Batch(*(x.to(device) for x in (tokens, attention, said, mask.float())))


@dataclass(frozen=True)
class Policy:
    """What PPO learns and what it holds on to; made by `make_policy`.

    `model` carries the adapters; without adapters `critic` and `reference` are models of their own.
    """

    model: Any
    head: Any
    tokenizer: Any
    critic: Any = None
    reference: Any = None

    @property
    def lora(self) -> bool:
        return self.reference is None

    @property
    def device(self) -> Any:
        return self.model.device

    @contextlib.contextmanager
    def acting(self) -> Iterator[Any]:
        """The actor."""
        if self.lora:
            self.model.set_adapter(_ACTOR)
        yield self.model

    @contextlib.contextmanager
    def referring(self) -> Iterator[Any]:
        """The reference."""
        if not self.lora:
            yield self.reference
            return
        with self.model.disable_adapter():
            yield self.model

    def actor_weights(self) -> dict[str, Tensor]:
        """What the actor learns, by name."""
        return self._weights(self.model, _ACTOR)

    def critic_weights(self) -> dict[str, Tensor]:
        """What the critic learns, by name."""
        body = self._weights(self.model if self.lora else self.critic, _CRITIC)
        return {**body, "head.weight": self.head.weight, "head.bias": self.head.bias}

    def _weights(self, model: Any, adapter: str) -> dict[str, Tensor]:
        named = dict(model.named_parameters())
        if not self.lora:
            return named
        return {name: w for name, w in named.items() if f".{adapter}." in name}

    def log_probabilities(
        self, batch: Batch, model: Any, *, temperature: float
    ) -> tuple[Tensor, Tensor]:
        """ln p of every answer token and the entropy at its place (nats), [rows, answer]."""
        width = batch.answers.shape[1]
        logits = model(
            input_ids=batch.tokens,
            attention_mask=batch.attention,
            **numbering(model, batch.attention),
            **last(model, width + 1),
        ).logits[:, -width - 1 : -1]
        log_p = (logits.float() / temperature).log_softmax(-1)
        chosen = log_p.gather(-1, batch.answers[..., None])[..., 0]
        entropy = -(log_p.detach().exp() * log_p.detach()).sum(-1)
        return chosen * batch.mask, entropy * batch.mask

    def values(self, batch: Batch) -> Tensor:
        """V of the state before each answer token, [rows, answer]."""
        width = batch.answers.shape[1]
        if self.lora:
            self.model.set_adapter(_CRITIC)
            causal = self.model.get_base_model()
        else:
            causal = self.critic
        body = getattr(causal, causal.base_model_prefix)
        hidden = body(
            input_ids=batch.tokens,
            attention_mask=batch.attention,
            **numbering(causal, batch.attention),
        ).last_hidden_state[:, -width - 1 : -1]
        found: Tensor = self.head(hidden.to(self.head.weight.dtype))[..., 0]
        return found * batch.mask


def make_policy(
    model: Any, tokenizer: Any, *, lora: bool, rank: int, alpha: int, checkpointing: bool = False
) -> Policy:
    """Actor, critic and reference from an SFT `model` whose adapters are merged."""
    import torch

    width = model.config.get_text_config().hidden_size
    head = torch.nn.Linear(width, 1, dtype=torch.float32, device=model.device)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    if lora:
        return Policy(_adapted(model, rank, alpha, checkpointing), head, tokenizer)
    from copy import deepcopy

    critic, reference = deepcopy(model), deepcopy(model).eval().requires_grad_(False)
    for learner in (model, critic):
        learner.requires_grad_(True)
        if checkpointing:
            learner.gradient_checkpointing_enable({"use_reentrant": False})
    if critic.get_output_embeddings().weight is not critic.get_input_embeddings().weight:
        critic.get_output_embeddings().requires_grad_(False)
    return Policy(model, head, tokenizer, critic, reference)


def _adapted(model: Any, rank: int, alpha: int, checkpointing: bool) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=alpha, lora_dropout=0.0,
        target_modules="all-linear",
    )  # fmt: skip
    wrapped = get_peft_model(model, config, adapter_name=_ACTOR)
    wrapped.add_adapter(_CRITIC, config)
    if checkpointing:
        wrapped.gradient_checkpointing_enable({"use_reentrant": False})
        wrapped.enable_input_require_grads()
    return wrapped
