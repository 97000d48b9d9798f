"""The 14 strategies of STRIDE-ED, in one table from which everything else derives.

Names are those of the paper's released code, letter by letter. The paper extends ESConv's eight
(Liu et al. 2021) and grades strategies by difficulty I to III; which valence and which level each
one has is not public, so **both columns are ours**.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["STRATEGIES", "STRATEGY_NAMES", "Strategy", "Valence"]

Valence = Literal["positive", "neutral", "negative"]
_ANY: frozenset[Valence] = frozenset({"positive", "neutral", "negative"})
_NOT_POSITIVE: frozenset[Valence] = frozenset({"neutral", "negative"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One strategy of the listener.

    `esconv` is its counterpart among ESConv's eight, spelled as there, None where there is none;
    `valence` the speaker's feelings that it answers to (ours); `difficulty` 1 to 3 (ours).
    """

    name: str
    esconv: str | None
    valence: frozenset[Valence]
    difficulty: int


def _strategy(
    name: str, esconv: str | None, difficulty: int, valence: frozenset[Valence] = _ANY
) -> Strategy:
    return Strategy(name=name, esconv=esconv, valence=valence, difficulty=difficulty)


STRATEGIES: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        _strategy("Exploring Actions and Intentions", "Question", 1),
        _strategy("Exploring Feelings and Emotions", "Question", 2),
        _strategy("Exploring Thoughts and Cognition", "Question", 3),
        _strategy("Restatement or Paraphrasing", "Restatement or Paraphrasing", 1),
        _strategy("Reflection of Feelings", "Reflection of feelings", 2),
        _strategy("Self-disclosure", "Self-disclosure", 2),
        _strategy("Affirmation and Reassurance", "Affirmation and Reassurance", 1, _NOT_POSITIVE),
        _strategy("Positive Reinforcement", None, 1, frozenset({"positive"})),
        _strategy("Gratitude Prompting", None, 2, frozenset({"positive"})),
        _strategy("Neutral Validation", None, 1, frozenset({"neutral"})),
        _strategy("Providing Suggestions", "Providing Suggestions", 2, _NOT_POSITIVE),
        _strategy("Information", "Information", 2),
        _strategy("Cognitive Reframing", None, 3, frozenset({"negative"})),
        _strategy("Others", "Others", 1),
    )
}
STRATEGY_NAMES: tuple[str, ...] = tuple(STRATEGIES)
