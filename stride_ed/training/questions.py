"""What is practised on: prompts within bounds, and what answers to them earn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import DataError
from harness.tuning.tokens import Tokens, end_of_turn
from stride_ed.offline.evaluators import Item
from stride_ed.rewards import reward
from stride_ed.training.rows import prompt_tokens
from stride_ed.training.variants import Variant

__all__ = ["Judge", "Prompt", "Questions", "judge_of", "questions", "stops_of"]

# A question's number, and what the model reads.
Prompt = tuple[int, Tokens]
# The parts of an answer's reward by name, "reward" among them, given its prompt's number and text.
Judge = Callable[[int, str], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Questions:
    """Prompts within bounds, with the items that they are of; `too_long` were left out."""

    prompts: list[Prompt]
    items: list[Item]
    too_long: int


def questions(
    items: Sequence[Item], *, tokenizer: Any, variant: Variant, longest: int
) -> Questions:
    """The prompts of items, but for those beyond `longest` tokens.

    Raises:
        DataError: none is left.
    """
    kept: list[Item] = []
    prompts: list[Prompt] = []
    for item in items:
        tokens = prompt_tokens(tokenizer, item[0], variant.stages)
        if len(tokens) <= longest:
            prompts.append((len(kept), tokens))
            kept.append(item)
    if not kept:
        raise DataError(f"no prompt fits into --max-prompt {longest} tokens; raise it")
    return Questions(prompts, kept, len(items) - len(kept))


def judge_of(items: Sequence[Item], variant: Variant) -> Judge:
    """Rewards by gold: the data set's emotion, the annotated strategy of the person's reply."""

    def judge(number: int, text: str) -> Mapping[str, float]:
        example, trace = items[number]
        found = reward(text, emotion=example.emotion, strategy=trace.strategy)
        return {
            "reward": found.of(variant.parts),
            "format": found.format,
            **{part: getattr(found, part) for part in variant.parts},
        }

    return judge


def stops_of(tokenizer: Any) -> list[int]:
    """The tokens that end a turn."""
    ends = tokenizer(end_of_turn(tokenizer, chat=True), add_special_tokens=False)["input_ids"]
    return sorted({tokenizer.eos_token_id, *(ends if len(ends) == 1 else [])})
