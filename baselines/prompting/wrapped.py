"""What prompting baselines share: the model inside, and words added to a task's own prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.dialogue import Example, Turn
from harness.errors import ModelError
from harness.files import canonical_json, sha256_text
from harness.models import Question, Settings, load_model
from harness.tasks import TASKS, Task
from harness.tasks.prompts import Message, messages, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.models.language_model import LanguageModel
    from harness.predictions import Prediction

    # (task, question, chat) → the prompt.
    Render = Callable[[Task, Question, bool], str | list[Message]]

__all__ = ["extended", "load_inner", "raw_text", "words_hash"]

_CUE = "Listener:"
_PROBE = Question(
    Example(
        id="probe/0",
        dialogue_id="probe",
        context=(Turn(0, "listener", "a"), Turn(1, "speaker", "b")),
        reference="c",
    )
)


def load_inner(method: str, spec: str, settings: Settings) -> LanguageModel:
    """The language model that `method` puts its questions to.

    Raises:
        ModelError: none is named, it cannot be loaded, or it takes no prompts.
        UnknownNameError: no such name is installed.
    """
    from harness.models.language_model import LanguageModel

    if not spec:
        raise ModelError(f"--model {method} needs a language model behind it: {method}:smollm2")
    model = load_model(spec, settings)
    if not isinstance(model, LanguageModel):
        raise ModelError(
            f"--model {method}:{spec}: {model.card['name']} takes no prompts; "
            "name a language model, as in smollm2, hf:PATH_OR_ID or openai:URL#NAME"
        )
    return model


def extended(
    task: Task, question: Question, *, chat: str | None = None, plain: str | None = None
) -> str | list[Message]:
    """The task's own reply prompt with words added, in one of its two forms.

    `chat` goes behind the system message, `plain` between the transcript and the answer, in place
    of the cue "Listener:", which it may repeat.
    """
    if chat is not None:
        asked = messages(task, question.example, question.shots)
        system = _message_with(asked[0], chat)
        return [system, *asked[1:]]
    prompt = text(task, question.example, question.shots)
    return prompt if plain is None else prompt.removesuffix(_CUE) + plain


def raw_text(prediction: Prediction) -> str:
    """What the model wrote, which a row keeps apart only where parsing changed it."""
    if prediction.raw is not None:
        return prediction.raw
    return prediction.response or prediction.emotion or ""


def words_hash(render: Render) -> str:
    """Twelve hex digits that change when any word of the rendered reply prompts changes."""
    rendered = [
        render(task, _PROBE, chat)
        for task in TASKS.values()
        if task.kind == "response"
        for chat in (True, False)
    ]
    return sha256_text(canonical_json(rendered))[:12]


def _message_with(message: Message, words: str) -> Message:
    return message | {"content": f"{message['content']}\n\n{words}"} if words else message
