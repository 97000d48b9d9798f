"""The tasks: what is asked about an example, and in which form the answer comes.

A task is a small frozen record; its words live in `prompts`, its lm-eval form in the YAML files
beside this module (`lm-eval run --include_path harness/tasks --tasks empathy`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES, Example
from harness.errors import UnknownNameError

__all__ = ["GROUPS", "TASKS", "Kind", "Task", "get_tasks"]

Kind = Literal["response", "emotion", "strategy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One question asked of every example of one example set.

    `version` changes whenever prompt, labels, example set or parsing change, so that numbers of
    two versions are never compared. `max_tokens` bounds a generated answer, in model tokens.
    """

    name: str
    version: int
    example_set: str
    kind: Kind
    method: Literal["generate", "likelihood"]
    description: str
    labels: tuple[str, ...] = ()
    max_tokens: int = 64

    @property
    def dataset(self) -> str:
        return self.example_set.split("/")[0]

    @property
    def train_set(self) -> str:
        """The example set that demonstrations and retrieval may draw from."""
        return self.example_set.replace("/test", "/train")

    def gold(self, example: Example) -> str:
        """The right answer: the reference reply, or the gold label."""
        if self.kind == "response":
            return example.reference
        label = example.emotion if self.kind == "emotion" else example.strategy
        return label or ""


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="ed_response",
            version=1,
            example_set="ed/test",
            kind="response",
            method="generate",
            description="Reply to the speaker of an EmpatheticDialogues conversation.",
        ),
        Task(
            name="ed_emotion",
            version=1,
            example_set="ed/test",
            kind="emotion",
            method="likelihood",
            labels=ED_EMOTIONS,
            description="Name the speaker's emotion, 32-way, by the likelihood of each label.",
        ),
        Task(
            name="ed_emotion_generate",
            version=1,
            example_set="ed/test",
            kind="emotion",
            method="generate",
            labels=ED_EMOTIONS,
            max_tokens=12,
            description="Name the speaker's emotion, 32-way, in the model's own words.",
        ),
        Task(
            name="esconv_response",
            version=1,
            example_set="esconv/test-910-195-195",
            kind="response",
            method="generate",
            description="Give the supporter's next turn in an ESConv conversation.",
        ),
        Task(
            name="esconv_strategy",
            version=1,
            example_set="esconv/test-910-195-195",
            kind="strategy",
            method="likelihood",
            labels=ESCONV_STRATEGIES,
            description="Choose the supporter's next strategy, 8-way, by label likelihood.",
        ),
        Task(
            name="esconv_strategy_generate",
            version=1,
            example_set="esconv/test-910-195-195",
            kind="strategy",
            method="generate",
            labels=ESCONV_STRATEGIES,
            max_tokens=16,
            description="Choose the supporter's next strategy, 8-way, in the model's own words.",
        ),
    )
}

GROUPS: Mapping[str, tuple[str, ...]] = {
    "empathy": ("ed_response", "ed_emotion", "esconv_response", "esconv_strategy"),
    "empathy_generate": (
        "ed_response",
        "ed_emotion_generate",
        "esconv_response",
        "esconv_strategy_generate",
    ),
}


def get_tasks(names: str) -> tuple[Task, ...]:
    """The tasks of a comma-separated list of task and group names, each once, in order.

    Raises:
        UnknownNameError: a name is neither a task nor a group.
    """
    found: dict[str, Task] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name not in GROUPS and name not in TASKS:
            raise UnknownNameError("task", name, [*TASKS, *GROUPS])
        for member in GROUPS.get(name, (name,)):
            found[member] = TASKS[member]
    if not found:
        raise UnknownNameError("task", names, [*TASKS, *GROUPS])
    return tuple(found.values())
