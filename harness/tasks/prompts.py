"""The prompts: how an example is put to a language model, as plain text or as chat messages.

Both our own `predict` and plain lm-eval render through `text` and `messages`, so the two ask the
same question to the letter. A change of any word here is a new task version.

Plain text, for base models                 Messages, for a chat template
    <instruction>                               system     <instruction> [+ demonstrations]
                                                user       <speaker's turns>
    Speaker: …                                  assistant  <listener's turns>
    Listener:                                   user       …
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from harness.dialogue import Example, Role, Turn
from harness.files import canonical_json, sha256_text
from harness.tasks import Task

__all__ = [
    "STOP",
    "Message",
    "continuation",
    "demonstrations",
    "messages",
    "prompt_hash",
    "text",
]

Message = dict[str, str]

# A base model that goes on with the next turn has finished its own.
STOP: tuple[str, ...] = ("\nSpeaker:", "\nListener:")

_NAMES: dict[Role, str] = {"speaker": "Speaker", "listener": "Listener"}
_CHAT_ROLES: dict[Role, str] = {"speaker": "user", "listener": "assistant"}
_OPENING = "(joins the chat)"

_REPLY_PLAIN = {
    "ed": (
        "The following is a conversation between a Speaker, who tells of something personal, "
        "and a Listener, who answers with empathy in one or two short sentences."
    ),
    "esconv": (
        "The following is a conversation between a Speaker, who seeks emotional support, "
        "and a Listener, who supports them like a caring peer, in one to three sentences a turn."
    ),
}
_REPLY_CHAT = {
    "ed": (
        "You are a good listener. The user tells you something personal. Reply to their last "
        "message with empathy, as a caring person would in a chat, in one or two short sentences."
    ),
    "esconv": (
        "You are a caring peer supporter. The user seeks emotional support. Reply to their last "
        "message as a supportive person would in a chat, in one to three sentences."
    ),
}
_LABEL_QUESTION = {
    "emotion": "Which one of these emotions does the Speaker feel? Answer with one word.",
    "strategy": (
        "Which one of these support strategies should the Listener use in the next turn? "
        "Answer with its name."
    ),
}
_ANSWER = {"emotion": "Emotion:", "strategy": "Strategy:"}


def text(task: Task, example: Example, shots: Sequence[Example] = ()) -> str:
    """The prompt as plain text; the answer follows it after one space."""
    if task.kind == "response":
        blocks = [f"{_transcript(s.context)}\nListener: {_line(s.reference)}" for s in shots]
        blocks.append(f"{_transcript(example.context)}\nListener:")
        return "\n\n".join([_REPLY_PLAIN[task.dataset], *blocks])
    cue = _ANSWER[task.kind]
    blocks = [f"{_transcript(s.context)}\n{cue} {task.gold(s)}" for s in shots]
    blocks.append(f"{_transcript(example.context)}\n{cue}")
    return "\n\n".join([_instruction(task), *blocks])


def messages(task: Task, example: Example, shots: Sequence[Example] = ()) -> list[Message]:
    """The prompt as chat messages, user and assistant alternating, the last one the user's."""
    if task.kind == "response":
        system = _REPLY_CHAT[task.dataset]
        if shots:
            shown = (f"{_transcript(s.context)}\nListener: {_line(s.reference)}" for s in shots)
            system += "\n\nExamples of good replies:\n\n" + "\n\n".join(shown)
        return [_message("system", system), *_chat(example.context)]
    asked = [_message("system", _instruction(task))]
    for shot in shots:
        asked.append(_message("user", _transcript(shot.context)))
        asked.append(_message("assistant", task.gold(shot)))
    return [*asked, _message("user", _transcript(example.context))]


def continuation(answer: str, *, chat: bool) -> str:
    """`answer` as it continues the prompt, for likelihoods."""
    return answer if chat else f" {answer}"


def demonstrations(
    task: Task, example: Example, pool: Sequence[Example], count: int, seed: int
) -> tuple[Example, ...]:
    """`count` examples of `pool`, drawn by seed and example id alone.

    Neither the order of evaluation nor a limit changes what an example is shown. No
    demonstration shares the example's dialogue.
    """
    if count <= 0:
        return ()
    draw = Random(f"{seed}|{task.name}|{example.id}")
    chosen: dict[str, Example] = {}
    for candidate in draw.sample(pool, min(len(pool), count * 4)):
        if candidate.dialogue_id != example.dialogue_id:
            chosen.setdefault(candidate.dialogue_id, candidate)
    return tuple(chosen.values())[:count]


def prompt_hash(task: Task) -> str:
    """Twelve hex digits that change when any word of the task's prompts changes."""
    turns = (Turn(0, "listener", "a"), Turn(1, "speaker", "b"), Turn(2, "speaker", "c"))
    probe = Example(
        id="probe/0",
        dialogue_id="probe",
        context=turns,
        reference="d",
        emotion="sad",
        strategy="Others",
    )
    rendered = [
        text(task, probe),
        text(task, probe, [probe]),
        messages(task, probe),
        messages(task, probe, [probe]),
        list(STOP),
    ]
    return sha256_text(canonical_json(rendered))[:12]


def _instruction(task: Task) -> str:
    return f"{_LABEL_QUESTION[task.kind]}\n{', '.join(task.labels)}."


def _transcript(turns: Sequence[Turn]) -> str:
    return "\n".join(f"{_NAMES[turn.role]}: {_line(turn.text)}" for turn in turns)


def _chat(turns: Sequence[Turn]) -> list[Message]:
    """Turns as alternating messages: chat templates refuse two of one role in a row."""
    merged: list[Message] = []
    if not turns or turns[0].role == "listener":
        merged.append(_message("user", _OPENING))
    for turn in turns:
        role = _CHAT_ROLES[turn.role]
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += "\n" + _line(turn.text)
        else:
            merged.append(_message(role, _line(turn.text)))
    if merged[-1]["role"] == "assistant":
        # The supporter speaks twice in a row: the model must add a turn, not a reply.
        merged.append(_message("user", "(says nothing yet)"))
    return merged


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _line(utterance: str) -> str:
    return " ".join(utterance.split())
