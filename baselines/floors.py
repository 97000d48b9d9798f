"""Rows that no model may be worse than, and the human row that none need be better than.

constant    one reply for everything (it beats several published models on BLEU-1); for label
            tasks the commonest training label
shuffled    every example gets another dialogue's human reply or label
longest     every example gets the longer of two other dialogues' human replies (for label tasks the
            longer name), to show what a metric or judge pays for length alone
echo        the speaker's last turn said back (for label tasks the commonest label): what
            similarity to the context alone is worth
human       the reference itself; for label tasks the gold label
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from textwrap import shorten
from typing import Any

from baselines.answers import answer, chunks, commonest_label, training_examples
from harness.dialogue import Example
from harness.errors import ModelError
from harness.floors import HUMAN_NAME
from harness.models import Question, Settings
from harness.predictions import Prediction
from harness.tasks import Task

__all__ = [
    "Constant",
    "Echo",
    "Human",
    "Longest",
    "Shuffled",
    "load_constant",
    "load_echo",
    "load_human",
    "load_longest",
    "load_shuffled",
]

DEFAULT_REPLY = "I am sorry to hear that. I hope you get it."


@dataclass(frozen=True)
class Constant:
    """One answer for every example."""

    reply: str
    settings: Settings

    @property
    def card(self) -> Mapping[str, Any]:
        name = "Constant reply"
        if self.reply != DEFAULT_REPLY:
            name += f" ({shorten(self.reply, 24, placeholder='…')})"
        return {"name": name, "kind": "floor", "reply": self.reply}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {"method": "constant"}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return chunks(questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        text = self.reply
        if task.kind != "response":
            text = commonest_label(task, training_examples(task, self.settings))
        return [answer(task, question, text) for question in batch]


@dataclass(frozen=True)
class Echo:
    """What the speaker just said."""

    settings: Settings

    @property
    def card(self) -> Mapping[str, Any]:
        return {"name": "Echo of the last turn", "kind": "floor"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {"method": "echo"}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return chunks(questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        if task.kind != "response":
            label = commonest_label(task, training_examples(task, self.settings))
            return [answer(task, question, label) for question in batch]
        return [answer(task, question, question.example.context[-1].text) for question in batch]


@dataclass(frozen=True)
class Human:
    """The people of the data set."""

    @property
    def card(self) -> Mapping[str, Any]:
        return {"name": HUMAN_NAME, "kind": "human"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {"method": "reference"}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return chunks(questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        return [answer(task, question, task.gold(question.example)) for question in batch]


@dataclass(frozen=True)
class Shuffled:
    """Human answers to other dialogues, drawn from the evaluated examples by seed."""

    seed: int
    _drawn: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def card(self) -> Mapping[str, Any]:
        return {"name": "Shuffled human replies", "kind": "floor"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {"method": "shuffled", "seed": self.seed}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        examples = [question.example for question in questions]
        self._drawn.update(
            (example.id, task.gold(donor))
            for example, donor in zip(examples, derange(examples, self.seed), strict=True)
        )
        return chunks(questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        return [answer(task, question, self._drawn[question.example.id]) for question in batch]


@dataclass(frozen=True)
class Longest:
    """The longer of two human answers to other dialogues, drawn by seed."""

    seed: int
    _drawn: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def card(self) -> Mapping[str, Any]:
        return {"name": "Longest of two human replies", "kind": "floor"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {"method": "longest-of-two", "seed": self.seed}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        examples = [question.example for question in questions]
        donors = [derange(examples, self.seed + offset) for offset in (0, 1)]
        for example, *two in zip(examples, *donors, strict=True):
            self._drawn[example.id] = max((task.gold(donor) for donor in two), key=len)
        return chunks(questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        return [answer(task, question, self._drawn[question.example.id]) for question in batch]


def derange(examples: Sequence[Example], seed: int) -> list[Example]:
    """A random permutation of `examples` in which nobody gets an answer of their own dialogue.

    Raises:
        ModelError: one dialogue holds more than half of the examples, so there is none.
    """
    sizes = Counter(example.dialogue_id for example in examples)
    if 2 * max(sizes.values(), default=0) > len(examples):
        raise ModelError(
            f"cannot shuffle {len(examples)} examples of {len(sizes)} dialogue(s) so that each "
            "gets another dialogue's answer; evaluate more examples"
        )
    draw = Random(seed)
    donors = list(examples)
    draw.shuffle(donors)
    for place, example in enumerate(examples):
        own = example.dialogue_id
        if donors[place].dialogue_id == own:
            # At least one such place exists while no dialogue holds more than half.
            free = [
                other
                for other, donor in enumerate(donors)
                if donor.dialogue_id != own and examples[other].dialogue_id != own
            ]
            chosen = draw.choice(free)
            donors[place], donors[chosen] = donors[chosen], donors[place]
    return donors


def load_constant(argument: str, settings: Settings) -> Constant:
    """`constant` or `constant:ANY TEXT`."""
    return Constant(argument or DEFAULT_REPLY, settings)


def load_echo(argument: str, settings: Settings) -> Echo:
    """`echo`."""
    _refuse("echo", argument)
    return Echo(settings)


def load_shuffled(argument: str, settings: Settings) -> Shuffled:
    """`shuffled`: seeded by --seed."""
    _refuse("shuffled", argument)
    return Shuffled(settings.seed)


def load_longest(argument: str, settings: Settings) -> Longest:
    """`longest`: seeded by --seed."""
    _refuse("longest", argument)
    return Longest(settings.seed)


def load_human(argument: str, settings: Settings) -> Human:
    """`human`: the references."""
    _refuse("human", argument)
    return Human()


def _refuse(name: str, argument: str) -> None:
    if argument:
        raise ModelError(f"--model {name} takes no argument, found {argument!r}")
