"""Examples as rows of tokens: what STRIDE-ED's model reads, and what it learns to write.

    traced          prompt = format in words + dialogue      completion = the trace, end of turn
    response-only   prompt = the task's own                  completion = the reply, end of turn

The system message tells the two apart, so that neither kind of row unlearns the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.dialogue import Example
from harness.errors import ModelError
from harness.tasks.prompts import Message
from harness.tuning.tokens import IGNORED, Rows, Tokens, encode_pair, end_of_turn
from stride_ed.offline.evaluators import Item
from stride_ed.prompts import model_messages
from stride_ed.trace import Stage, plain, render

__all__ = ["completion", "make_rows", "prompt_text", "prompt_tokens"]


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """Messages through the chat template, up to where the model begins to write.

    Raises:
        ModelError: the tokenizer has no chat template.
    """
    if not tokenizer.chat_template:
        raise ModelError(
            "this model's tokenizer has no chat template, through which STRIDE-ED is asked; "
            "give an instruction-tuned base"
        )
    # Templates that know no such switch ignore it; Qwen3's would open a thinking block of its own.
    text: str = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    return text


def prompt_tokens(tokenizer: Any, example: Example, stages: tuple[Stage, ...]) -> Tokens:
    """What the model reads before it writes."""
    return encode_pair(tokenizer, prompt_text(tokenizer, model_messages(example, stages)), "")[0]


def completion(item: Item, stages: tuple[Stage, ...]) -> str:
    """What the model learns to write; without stages, the reply alone."""
    example, trace = item
    return render(trace, stages) if stages else plain(example.reference)


def make_rows(
    items: Sequence[Item],
    plain_examples: Sequence[Example],
    stages: tuple[Stage, ...],
    tokenizer: Any,
    *,
    longest: int,
) -> Rows:
    """Traced rows, then response-only ones; what is longer than `longest` tokens is counted."""
    end = end_of_turn(tokenizer, chat=True)
    asked = [(model_messages(item[0], stages), completion(item, stages)) for item in items]
    asked += [(model_messages(e, ()), " ".join(e.reference.split())) for e in plain_examples]
    rows: list[dict[str, Tokens]] = []
    too_long = 0
    for messages, answer in asked:
        head, tail = encode_pair(tokenizer, prompt_text(tokenizer, messages), answer + end)
        if len(head) + len(tail) > longest:
            too_long += 1
            continue
        rows.append({"input_ids": head + tail, "labels": [IGNORED] * len(head) + tail})
    return Rows(tuple(rows), too_long=too_long)
