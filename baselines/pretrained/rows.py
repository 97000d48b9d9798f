"""Examples as token rows: what a model reads, what it must write, which rows do not fit.

    causal    input  = prompt of the task + completion     labels = −100 on the prompt
    seq2seq   input  = turn SEP turn … SEP turn            labels = reply

    completion = [<|label|>] reply end-of-turn             reply  = [<|label|>] reply EOS

The prompt is the task's own (harness.tasks.prompts), through the tokenizer's chat template where it
has one: the very tokens that `run` will ask with. An encoder–decoder reads the dialogue as
BlenderBot does: the turns alone, oldest first, joined by the tokenizer's separator; what is too
long loses its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baselines.pretrained.settings import Settings, label_token
from harness.dialogue import Example, Turn
from harness.files import canonical_json, sha256_text
from harness.tasks import Task
from harness.tasks.prompts import continuation, messages, text
from harness.tuning.tokens import IGNORED, Rows, Tokens, encode_pair, end_of_turn

__all__ = [
    "INPUT",
    "gold_label",
    "input_hash",
    "joined",
    "make_rows",
    "prompt_text",
    "source_ids",
    "spoken",
    "target_ids",
]

INPUT = "turns|oldest-first|joined:separator|cut:left|v1"
_PROBE = (Turn(0, "listener", "a"), Turn(1, "speaker", " b\nc"), Turn(2, "speaker", "d"))


def gold_label(example: Example, settings: Settings) -> str | None:
    """The label that `--joint` teaches; None where the example has none."""
    found = example.emotion if settings.joint == "emotion" else example.strategy
    return found if found in settings.labels else None


def make_rows(
    examples: Sequence[Example], tokenizer: Any, settings: Settings, *, positions: int | None
) -> Rows:
    """Every example as a row; `positions` bounds what the model can read or write at all."""
    rows: list[dict[str, Tokens]] = []
    too_long = empty = shortened = 0
    make = _causal_row if settings.kind == "causal" else _seq2seq_row
    for example in examples:
        label = gold_label(example, settings) if settings.joint else None
        if not example.reference.strip() or (settings.joint and label is None):
            empty += 1
            continue
        row, cut = make(example, label, tokenizer, settings, positions)
        if row is None:
            too_long += 1
            continue
        rows.append(row)
        shortened += cut
    return Rows(tuple(rows), too_long, empty, shortened)


def prompt_text(
    task: Task, example: Example, tokenizer: Any, *, chat: bool, shots: Sequence[Example] = ()
) -> str:
    """The prompt of a response task as a causal model reads it."""
    if not chat:
        return text(task, example, shots)
    asked = messages(task, example, shots)
    rendered: str = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    return rendered


def spoken(reply: str, *, chat: bool, label: str = "") -> str:
    """A reply as it continues a causal model's prompt, behind its label token if it has one."""
    return label + continuation(" ".join(reply.split()), chat=chat)


def source_ids(example: Example, tokenizer: Any, *, longest: int) -> tuple[Tokens, bool]:
    """What an encoder reads, and whether the dialogue lost its beginning."""
    ids: Tokens = tokenizer(joined(example.context, tokenizer))["input_ids"]
    if len(ids) <= longest:
        return ids, False
    ends = tokenizer(joined((), tokenizer))["input_ids"]
    lead = int(len(ends) > 1)  # T5 only ends its input, BART also begins it
    return ids[:lead] + ids[len(ids) - longest + lead :], True


def joined(turns: Sequence[Turn], tokenizer: Any) -> str:
    """The turns as one text."""
    separator = tokenizer.sep_token or tokenizer.eos_token
    return f" {separator} ".join(" ".join(turn.text.split()) for turn in turns)


def input_hash(tokenizer: Any) -> str:
    """Twelve hex digits that change when the layout of an encoder's input changes."""
    return sha256_text(canonical_json([INPUT, joined(_PROBE, tokenizer)]))[:12]


def target_ids(reply: str, tokenizer: Any) -> Tokens:
    """What a decoder writes for a reply: its tokens and EOS."""
    ids: Tokens = tokenizer(text_target=" ".join(reply.split()))["input_ids"]
    end = tokenizer.eos_token_id
    return ids if ids and ids[-1] == end else [*ids, end]


def _causal_row(
    example: Example,
    label: str | None,
    tokenizer: Any,
    settings: Settings,
    positions: int | None,
) -> tuple[dict[str, Tokens] | None, bool]:
    chat = bool(tokenizer.chat_template)
    token = label_token(settings.joint, label) if settings.joint and label else ""
    prompt = prompt_text(settings.response_task(), example, tokenizer, chat=chat)
    completion = spoken(example.reference, chat=chat, label=token)
    head, tail = encode_pair(tokenizer, prompt, completion + end_of_turn(tokenizer, chat=chat))
    if len(head) + len(tail) > min(settings.max_len, positions or settings.max_len):
        return None, False
    return {"input_ids": head + tail, "labels": [IGNORED] * len(head) + tail}, False


def _seq2seq_row(
    example: Example,
    label: str | None,
    tokenizer: Any,
    settings: Settings,
    positions: int | None,
) -> tuple[dict[str, Tokens] | None, bool]:
    longest = min(settings.max_len, positions or settings.max_len)
    source, cut = source_ids(example, tokenizer, longest=longest)
    target = target_ids(example.reference, tokenizer)
    if settings.joint and label:
        target = [tokenizer.convert_tokens_to_ids(label_token(settings.joint, label)), *target]
    if len(target) > min(settings.max_reply, positions or settings.max_reply):
        return None, False
    return {"input_ids": source, "labels": target}, cut
