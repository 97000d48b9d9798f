"""Chain of empathy: the model reasons as a psychotherapist of one school would, then replies.

Lee, Lee, Shin, Bae & Hahn 2023 (arXiv:2311.04915): what the reasoning looks for differs by school.

    cbt   cognitive-behavioural: thoughts about the situation and their errors, to reframe them
    dbt   dialectical-behavioural: emotion that is hard to regulate, opposites that are both true
    pct   person-centred: the situation from within, without judging, towards self-understanding
    rt    reality therapy: the need that is not met, and what lies in one's own power

The idea is theirs, the words are ours. The answer must hold one line that starts with "Reply:";
everything before it is the reasoning (row field `trace`), the rest is the reply, read by the rules
of `harness.models.parsing`. No such line, or several, is a failure with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.prompting.wrapped import extended, load_inner, raw_text, words_hash
from harness.errors import ModelError, UnknownNameError
from harness.models import Question, Settings
from harness.models.parsing import SIGNATURE as REPLY_SIGNATURE
from harness.models.parsing import Reply, parse_reply, strip_reasoning
from harness.predictions import Prediction
from harness.tasks import Task
from harness.tasks.prompts import Message

if TYPE_CHECKING:
    from harness.models.language_model import LanguageModel

__all__ = [
    "DEFAULT_VARIANT",
    "REASONING_TOKENS",
    "SIGNATURE",
    "VARIANTS",
    "VERSION",
    "ChainOfEmpathy",
    "load",
    "parse_chain",
    "reasoning_prompt",
]

# Changes with the hash whenever a word below changes.
VERSION = 1
SIGNATURE = f"coe|think|one Reply line|v1|{REPLY_SIGNATURE}"

# What the reasoning may take beside the task's own bound for the reply, in model tokens.
REASONING_TOKENS = 256

# The variant whose replies the paper found the most balanced.
DEFAULT_VARIANT = "cbt"


@dataclass(frozen=True, slots=True)
class Variant:
    """A school of psychotherapy: its name, and what the reasoning goes through."""

    school: str
    steps: tuple[str, ...]


_FEELING = "Feeling: what does {who} feel, and how strongly?"

VARIANTS: Mapping[str, Variant] = {
    "cbt": Variant(
        "cognitive-behavioural therapy",
        (
            _FEELING,
            "Thought: what does {who} think about what happened? Is there an error in it, such "
            "as all-or-nothing thinking, reading minds, or taking all the blame?",
            "Reframing: what fairer way of seeing the situation could be offered gently?",
        ),
    ),
    "dbt": Variant(
        "dialectical-behaviour therapy",
        (
            _FEELING,
            "Tension: what makes this feeling hard to steer, and which two opposite things are "
            "both true for {who}?",
            "Balance: what can be accepted as it is, and what could calm or change?",
        ),
    ),
    "pct": Variant(
        "person-centred therapy",
        (
            _FEELING,
            "Inner view: what does the situation mean from within, to {who}, without judging it?",
            "Self: what does the feeling say about what matters to {who}, or who they want to be?",
        ),
    ),
    "rt": Variant(
        "reality therapy",
        (
            _FEELING,
            "Need: which need (safety, belonging, worth, freedom, joy) is met or not met here?",
            "Choice: what is {who} doing about it, and what lies in their own power?",
        ),
    ),
}

_CHAT = (
    "Before you reply, think it through as in {school}. Write one short line for each step:\n"
    "{steps}\n"
    'Then write one last line that starts with "Reply:" and holds nothing but your reply to the '
    "user."
)
_PLAIN = (
    "[The Listener first thinks it through as in {school}, one short line for each step:\n"
    "{steps}\n"
    'Then the Listener answers, on one line that starts with "Reply:".]\n'
    "1. Feeling:"
)
_REPLY = re.compile(r"^[ \t]*(?:\d+[.)][ \t]*)?[*_#> \t]*reply[*_]*[ \t]*:[*_]*", re.I | re.M)


@dataclass(frozen=True)
class ChainOfEmpathy:
    """A language model that reasons before it replies."""

    inner: LanguageModel
    variant: str

    @property
    def card(self) -> Mapping[str, Any]:
        return {
            **self.inner.card,
            "name": f"{self.inner.card['name']} (CoE, {self.variant.upper()})",
            "prompting": f"chain of empathy, {self.variant}",
        }

    def generation(self, task: Task) -> Mapping[str, Any]:
        """As `Model.generation`.

        Raises:
            ModelError: the task asks for a label.
        """
        if task.kind != "response":
            raise ModelError(
                f"coe writes replies and {task.name} asks for a label; "
                "use --task ed_response,esconv_response, or the model without coe"
            )
        prompting = {
            "method": "chain of empathy",
            "variant": self.variant,
            "version": VERSION,
            "hash": words_hash(partial(reasoning_prompt, variant=self.variant)),
        }
        settings = self.inner.generation(_longer(task))
        return {**settings, "parser": SIGNATURE, "prompting": prompting}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return self.inner.batches(task, questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        prompts = [
            reasoning_prompt(task, question, self.inner.chat, variant=self.variant)
            for question in batch
        ]
        written = self.inner.answer(_longer(task), batch, prompts)
        return [_read(answer.id, raw_text(answer), self.variant) for answer in written]


def reasoning_prompt(
    task: Task, question: Question, chat: bool, *, variant: str
) -> str | list[Message]:
    """The task's prompt with the variant's steps and the form of the answer added."""
    chosen = VARIANTS[variant]
    who = "the user" if chat else "the Speaker"
    steps = "\n".join(
        f"{number}. {step.format(who=who)}" for number, step in enumerate(chosen.steps, start=1)
    )
    words = (_CHAT if chat else _PLAIN).format(school=chosen.school, steps=steps)
    return extended(task, question, **{"chat" if chat else "plain": words})


def parse_chain(raw: str) -> tuple[Reply, str]:
    """The reply, and the reasoning before it; a reply that is not there has its reason.

    The form is strict: one line starts with "Reply:" (bold or numbered at most). What follows it
    is read as any reply is. Without one, nothing tells reasoning from reply, and both are empty.
    """
    text = strip_reasoning(raw)
    if text is None:
        return Reply(error="the reasoning block never ends"), ""
    found = list(_REPLY.finditer(text))
    if not found:
        return Reply(error='no line starts with "Reply:"'), ""
    reasoning = text[: found[0].start()].strip()
    if len(found) > 1:
        return Reply(error=f'{len(found)} lines start with "Reply:", expected one'), reasoning
    return parse_reply(text[found[0].end() :]), reasoning


def _read(example_id: str, raw: str, variant: str) -> Prediction:
    reply, reasoning = parse_chain(raw)
    trace = {"variant": variant} | ({"reasoning": reasoning} if reasoning else {})
    if reply.error:
        return Prediction(id=example_id, error=reply.error, raw=raw, trace=trace)
    return Prediction(
        id=example_id, response=reply.text, strategy=reply.strategy, raw=raw, trace=trace
    )


def _longer(task: Task) -> Task:
    return replace(task, max_tokens=task.max_tokens + REASONING_TOKENS)


def load(argument: str, settings: Settings) -> ChainOfEmpathy:
    """`coe:MODEL[,VARIANT]`.

    Raises:
        ModelError: MODEL is missing, cannot be loaded, or is no language model.
        UnknownNameError: no such variant.
    """
    spec, comma, variant = argument.rpartition(",")
    if variant not in VARIANTS:
        if comma and re.fullmatch(r"[A-Za-z]*", variant):
            raise UnknownNameError("variant of coe", variant, VARIANTS)
        spec, variant = argument, DEFAULT_VARIANT
    elif not comma:
        spec = ""  # `coe:cbt` names no model
    # The reference reply does not follow this prompt: it would have to follow a reasoning.
    return ChainOfEmpathy(
        load_inner("coe", spec, replace(settings, reference_likelihood=False)), variant
    )
