"""Dialogues, and the listener turns that models are asked to predict.

ED's words serve both data sets: ESConv's seeker is the *speaker*, its supporter the *listener*.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ["ED_EMOTIONS", "ESCONV_STRATEGIES", "Dialogue", "Example", "Role", "Turn"]

Role = Literal["speaker", "listener"]

# The 32 labels of Rashkin et al. 2019, in alphabetical order.
ED_EMOTIONS: tuple[str, ...] = (
    "afraid",
    "angry",
    "annoyed",
    "anticipating",
    "anxious",
    "apprehensive",
    "ashamed",
    "caring",
    "confident",
    "content",
    "devastated",
    "disappointed",
    "disgusted",
    "embarrassed",
    "excited",
    "faithful",
    "furious",
    "grateful",
    "guilty",
    "hopeful",
    "impressed",
    "jealous",
    "joyful",
    "lonely",
    "nostalgic",
    "prepared",
    "proud",
    "sad",
    "sentimental",
    "surprised",
    "terrified",
    "trusting",
)

# Liu et al. 2021, Section 3.2, spelled as in ESConv.json.
ESCONV_STRATEGIES: tuple[str, ...] = (
    "Question",
    "Restatement or Paraphrasing",
    "Reflection of feelings",
    "Self-disclosure",
    "Affirmation and Reassurance",
    "Providing Suggestions",
    "Information",
    "Others",
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. `index` is the turn's number in the data set's own counting."""

    index: int
    role: Role
    text: str
    strategy: str | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One conversation, with what its data set says of it as a whole.

    `key` is the data set's own name for it: ED's conv_id, ESConv's index in ESConv.json.
    """

    dataset: Literal["ed", "esconv"]
    split: str
    key: str
    turns: tuple[Turn, ...]
    emotion: str | None = None
    situation: str | None = None
    problem: str | None = None

    @property
    def id(self) -> str:
        return f"{self.dataset}/{self.split}/{self.key}"

    def examples(self) -> Iterator[Example]:
        """One example per listener turn that something precedes."""
        for position, turn in enumerate(self.turns):
            if turn.role == "listener" and position > 0:
                yield Example(
                    id=f"{self.id}/{turn.index}",
                    dialogue_id=self.id,
                    context=self.turns[:position],
                    reference=turn.text,
                    emotion=self.emotion,
                    situation=self.situation,
                    problem=self.problem,
                    strategy=turn.strategy,
                )


@dataclass(frozen=True, slots=True)
class Example:
    """One listener turn to predict.

    `emotion` is the dialogue's gold label, `strategy` the reference turn's (ESConv only).
    `situation` is the speaker's private description: no standard task shows it to a model.
    """

    id: str
    dialogue_id: str
    context: tuple[Turn, ...]
    reference: str
    emotion: str | None = None
    situation: str | None = None
    problem: str | None = None
    strategy: str | None = None
