"""Between ESConv's eight strategies and STRIDE-ED's fourteen. Every rule here is ours.

An ESConv label with several candidates (or none that suits the speaker's feelings) is decided by
the valence of the emotion and by words of the reply. Rules are data: a caller may pass others.

    Question                       words of feeling → Feelings; of thinking → Thoughts; else Actions
    Affirmation and Reassurance    positive → Positive Reinforcement, or Gratitude Prompting where
                                   the reply speaks of thanks or luck; neutral → Neutral Validation
                                   unless it gives hope; negative → itself, or Cognitive Reframing
                                   where it offers another reading
    Providing Suggestions          positive → Positive Reinforcement, as glad people need no way out
    all others                     themselves, but Cognitive Reframing where a reply to a negative
                                   feeling offers another reading
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stride_ed.strategies import STRATEGIES, STRATEGY_NAMES, Valence

__all__ = ["RULES", "Rule", "candidates", "esconv_labels", "from_esconv", "to_esconv"]


@dataclass(frozen=True, slots=True)
class Rule:
    """`label` with a valence in `valence` and `words` in the reply becomes `strategy`.

    Rules are tried in order; `words` None asks nothing of the reply.
    """

    label: str
    valence: frozenset[Valence]
    words: re.Pattern[str] | None
    strategy: str

    def holds(self, label: str, valence: Valence, reply: str) -> bool:
        return (
            label == self.label
            and valence in self.valence
            and (self.words is None or self.words.search(reply) is not None)
        )


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)


_FEEL = _words(
    "feel(?:ing|s)?", "felt", "emotions?", "upset", "scared", "afraid", "sad", "happy", "excited",
    "nervous", "worried", "angry", "lonely", "miss(?:ed)?", "hurt", "proud", "okay", "ok",
)  # fmt: skip
_THINK = _words(
    "why", "think", "thinks", "thought", "thoughts", "believe", "expect(?:ed|ing)?", "opinion",
    "reasons?", "mean", "suppose", "understand", "realize[ds]?", "know",
)  # fmt: skip
_THANK = _words(
    "thank(?:s|ful)?", "grateful", "gratitude", "lucky", "luck", "bless(?:ed|ing|ings)?",
    "fortunate", "appreciate[ds]?", "good friend", "great friend", "kind of (?:him|her|them)",
)  # fmt: skip
_HOPE = _words(
    "will be (?:ok|okay|fine|alright|great)", "be fine", "don't worry", "do not worry", "you can",
    "you'll", "you will", "hope", "it's ok", "it's okay", "not your fault",
)  # fmt: skip
_REFRAME = _words(
    "at least", "bright side", "look at it", "looking at it", "think of it", "silver lining",
    "on the other hand", "other side", "learn(?:ed)? from", "better off", "blessing in disguise",
    "next time",
)  # fmt: skip

_ALL: frozenset[Valence] = frozenset({"positive", "neutral", "negative"})
_AFFIRM = "Affirmation and Reassurance"


# A label's namesake; of the three that explore, the easiest.
_SAME: Mapping[str, str] = {
    s.esconv: s.name for s in reversed(list(STRATEGIES.values())) if s.esconv is not None
}


def _only(*valence: Valence) -> frozenset[Valence]:
    return frozenset(valence)


RULES: tuple[Rule, ...] = (
    Rule("Question", _ALL, _FEEL, "Exploring Feelings and Emotions"),
    Rule("Question", _ALL, _THINK, "Exploring Thoughts and Cognition"),
    Rule("Question", _ALL, None, "Exploring Actions and Intentions"),
    Rule(_AFFIRM, _only("positive"), _THANK, "Gratitude Prompting"),
    Rule(_AFFIRM, _only("positive"), None, "Positive Reinforcement"),
    Rule(_AFFIRM, _only("negative"), _REFRAME, "Cognitive Reframing"),
    Rule(_AFFIRM, _only("neutral"), _HOPE, _AFFIRM),
    Rule(_AFFIRM, _only("neutral"), None, "Neutral Validation"),
    Rule("Providing Suggestions", _only("positive"), None, "Positive Reinforcement"),
    *(
        Rule(label, _only("negative"), _REFRAME, "Cognitive Reframing")
        for label in ("Reflection of feelings", "Information", "Others")
    ),
)


def from_esconv(label: str, *, valence: Valence, reply: str, rules: Sequence[Rule] = RULES) -> str:
    """The strategy that `reply` uses, given its ESConv label and the speaker's feelings.

    Raises:
        KeyError: `label` is none of ESConv's.
    """
    for rule in rules:
        if rule.holds(label, valence, reply):
            return rule.strategy
    return _SAME[label]


def candidates(label: str, rules: Sequence[Rule] = RULES) -> tuple[str, ...]:
    """Every strategy that an ESConv label may become, in the table's order."""
    found = {rule.strategy for rule in rules if rule.label == label} | {_SAME[label]}
    return tuple(name for name in STRATEGY_NAMES if name in found)


def esconv_labels(strategy: str, rules: Sequence[Rule] = RULES) -> tuple[str, ...]:
    """Every ESConv label that may become `strategy`."""
    return tuple(label for label in _SAME if strategy in candidates(label, rules))


def to_esconv(strategy: str, rules: Sequence[Rule] = RULES) -> str:
    """ESConv's label for a strategy: its counterpart, else that of the first rule that makes it.

    Raises:
        KeyError: `strategy` is none of the fourteen.
    """
    return STRATEGIES[strategy].esconv or next(
        rule.label for rule in rules if rule.strategy == strategy
    )
