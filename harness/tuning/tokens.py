"""Texts as rows of tokens, as every fine-tuning and every question to a tuned model has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["IGNORED", "Rows", "Tokens", "encode_pair", "end_of_turn"]

Tokens = list[int]

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows {"input_ids", "labels"} in the order of their examples, and how many were left out.

    `too_long`: the reply would have been cut off. `empty`: there is no reply, or no gold label.
    `shortened`: the dialogue lost its beginning, and the row stayed (encoder–decoders only).
    """

    rows: tuple[dict[str, Tokens], ...]
    too_long: int = 0
    empty: int = 0
    shortened: int = 0

    def __len__(self) -> int:
        return len(self.rows)


def encode_pair(tokenizer: Any, prompt: str, completion: str) -> tuple[Tokens, Tokens]:
    """Tokens of the prompt as they are without the completion, and those of the completion."""
    # As lm-eval does: a template that writes BOS itself gets no second one.
    special = not (tokenizer.bos_token and prompt.startswith(tokenizer.bos_token))
    head: Tokens = tokenizer(prompt, add_special_tokens=special)["input_ids"]
    whole: Tokens = tokenizer(prompt + completion, add_special_tokens=special)["input_ids"]
    if whole[: len(head)] == head:
        return head, whole[len(head) :]
    return head, tokenizer(completion, add_special_tokens=False)["input_ids"]


def end_of_turn(tokenizer: Any, *, chat: bool) -> str:
    """What the template writes behind a reply; the tokenizer's EOS where it has no template."""
    end: str = tokenizer.eos_token or ""
    if not chat:
        return end
    asked = [{"role": "user", "content": "a"}]
    answered = [*asked, {"role": "assistant", "content": "b"}]
    before: str = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    after: str = tokenizer.apply_chat_template(answered, tokenize=False)
    if not after.startswith(before):
        return end
    return after.removeprefix(before).rpartition("b")[2].strip() or end
