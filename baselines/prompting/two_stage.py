"""Two stages: the model names the speaker's emotion (32-way), then replies with it in the prompt.

Stage one is the task `ed_emotion` (label likelihood) where the model gives likelihoods, else
`ed_emotion_generate` (in words, read by the label parser). An answer that is no label of the 32
is never named to stage two and stays in the row, where it counts as invalid. No gold label of the
evaluated example is looked at. A label task has nothing to reply to: the model answers it as ever.

The trace of a row: {"emotion": {"answer", "raw", "error"}, "named": emotion or null,
"response": {"raw"}}, raw where the stage wrote words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.prompting.wrapped import extended, load_inner, raw_text, words_hash
from harness.models import Question, Settings
from harness.predictions import Prediction
from harness.tasks import TASKS, Task
from harness.tasks.prompts import Message, prompt_hash

if TYPE_CHECKING:
    from harness.models.language_model import LanguageModel

__all__ = ["VERSION", "TwoStage", "load", "reply_prompt"]

# Changes with the hash whenever a word below changes.
VERSION = 1

_CHAT = "The user feels {emotion}. Let your reply show that you understand this feeling."
_PLAIN = "(The Speaker feels {emotion}, and the Listener understands.)\nListener:"


@dataclass(frozen=True)
class TwoStage:
    """A language model asked twice."""

    inner: LanguageModel

    @property
    def card(self) -> Mapping[str, Any]:
        return {
            **self.inner.card,
            "name": f"{self.inner.card['name']} (two-stage)",
            "prompting": "two-stage",
        }

    @property
    def stage_one(self) -> Task:
        """The emotion task in the form that the model can answer."""
        return TASKS["ed_emotion" if self.inner.likelihood else "ed_emotion_generate"]

    def generation(self, task: Task) -> Mapping[str, Any]:
        prompting: dict[str, Any] = {"method": "two-stage", "version": VERSION}
        if task.kind == "response":
            stage = self.stage_one
            prompting["hash"] = words_hash(partial(reply_prompt, emotion="sad"))
            prompting["stage_one"] = {
                "task": stage.name,
                "version": stage.version,
                "hash": prompt_hash(stage),
                **self.inner.generation(stage),
            }
        return {**self.inner.generation(task), "prompting": prompting}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return self.inner.batches(task, questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        if task.kind != "response":
            return self.inner.predict(task, batch)
        stage = self.stage_one
        found = self.inner.predict(stage, [_about_emotion(stage, question) for question in batch])
        named = [label.emotion if label.emotion in stage.labels else None for label in found]
        prompts = [
            reply_prompt(task, question, self.inner.chat, emotion=emotion)
            for question, emotion in zip(batch, named, strict=True)
        ]
        replies = self.inner.answer(task, batch, prompts)
        return [_joined(task, stage, *row) for row in zip(replies, found, named, strict=True)]


def reply_prompt(
    task: Task, question: Question, chat: bool, *, emotion: str | None
) -> str | list[Message]:
    """The prompt of stage two; without an emotion it is the task's own."""
    if chat:
        return extended(task, question, chat=_CHAT.format(emotion=emotion) if emotion else "")
    return extended(task, question, plain=_PLAIN.format(emotion=emotion) if emotion else None)


def _about_emotion(stage: Task, question: Question) -> Question:
    """The question with those demonstrations whose label is one of the 32 (ESConv's are not)."""
    shots = tuple(shot for shot in question.shots if stage.gold(shot) in stage.labels)
    return replace(question, shots=shots)


def _joined(
    task: Task, stage: Task, reply: Prediction, label: Prediction, named: str | None
) -> Prediction:
    """One row of both stages."""
    wrote = raw_text(label) if stage.method == "generate" else None
    about = {"answer": label.emotion, "raw": wrote, "error": label.error}
    trace = {
        "emotion": {key: value for key, value in about.items() if value is not None},
        "named": named,
        "response": {"raw": raw_text(reply)},
    }
    if task.dataset != "ed":
        # ESConv's own emotions are others than these 32, so these cannot be scored against them.
        return replace(reply, trace=trace)
    emotion = label.emotion or f"({label.error})"
    return replace(reply, emotion=emotion, emotion_scores=label.emotion_scores, trace=trace)


def load(argument: str, settings: Settings) -> TwoStage:
    """`two-stage:MODEL`.

    Raises:
        ModelError: MODEL is missing, cannot be loaded, or is no language model.
    """
    return TwoStage(load_inner("two-stage", argument, settings))
