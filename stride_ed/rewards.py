"""The reward of STRIDE-ED's PPO: R = r_format · (1 + r_emotion + r_strategy), each 0 or 1.

What is rewarded is a string

    <thinking>… <Emotion> label … </thinking><answer>listener: (Strategy) response</answer>

- r_format: the whole string is one `<thinking>…</thinking><answer>…</answer>`, with `</answer>`
  once and at the end.
- r_emotion: what stands between the first `<Emotion>` of the thinking and the next `<` or line end
  is the gold emotion.
- r_strategy: the answer opens with `listener: (Strategy)`, and that is the gold strategy. What the
  thinking says after `<Strategy>` earns nothing.

Labels match whole, but for case and white space. The released code takes a label for right if it
is part of the other or the other of it, so that an empty emotion or a list of all 32 is right; here
neither is, and there is no match without a gold label; `legacy_reward` is as lenient as the release
is. Gold is the data set's label, never what an annotator wrote. Every function is linear in the
length of the text.

This file imports nothing of ours: PPO here, TRL's GRPO and RLOO and verl all reward by it. Nor does
it postpone annotations: verl loads it without a place in sys.modules, where dataclasses would look.
"""

import re
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "PARTS",
    "Part",
    "Reward",
    "emotion_reward",
    "format_reward",
    "legacy_reward",
    "read_emotion",
    "read_strategy",
    "reward",
    "strategy_reward",
]

Part = Literal["emotion", "strategy"]
PARTS: tuple[Part, ...] = ("emotion", "strategy")

_OPEN, _TURN, _CLOSE = "<thinking>", "</thinking><answer>", "</answer>"
_EMOTION = re.compile(r"<Emotion>\s*([^\n<]*)", re.IGNORECASE)
_STRATEGY = re.compile(r"listener:\s*\(([^()]*)\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """The parts, each 0 or 1, and their gated total, 0 to 3."""

    format: float
    emotion: float
    strategy: float

    @property
    def total(self) -> float:
        """Nothing is earned outside the format."""
        return self.of(PARTS)

    def of(self, parts: tuple[Part, ...]) -> float:
        """The total where only these parts are rewarded, as in an ablation."""
        earned = {"emotion": self.emotion, "strategy": self.strategy}
        return self.format * (1.0 + sum(earned[part] for part in parts))


def format_reward(text: str) -> float:
    """1 if the whole text is a thinking block and an answer, with one `</answer>`, else 0."""
    inside = text[len(_OPEN) : -len(_CLOSE)]
    whole = text.startswith(_OPEN) and text.endswith(_CLOSE) and _TURN in inside
    return float(whole and text.count(_CLOSE) == 1)


def read_emotion(text: str) -> str | None:
    """The emotion that a finished thinking block names first, as written; None or "" if none."""
    thinking, closed, _ = text.partition("</thinking>")
    if not closed or not thinking.startswith(_OPEN):
        return None
    found = _EMOTION.search(thinking)
    return found.group(1).strip() if found else None


def read_strategy(text: str) -> str | None:
    """The strategy in the parentheses that open the answer, as written; None or "" if none."""
    _, _, answer = text.partition(_TURN)
    found = _STRATEGY.match(answer)
    return found.group(1).strip() if found else None


def emotion_reward(text: str, gold: str | None) -> float:
    """1 if the emotion named is the gold one, else 0; whatever the format."""
    return _match(read_emotion(text), gold)


def strategy_reward(text: str, gold: str | None) -> float:
    """1 if the strategy announced is the gold one, else 0; whatever the format."""
    return _match(read_strategy(text), gold)


def reward(text: str, *, emotion: str | None, strategy: str | None) -> Reward:
    """All parts for one generated text, given the gold labels; a label that is None earns 0."""
    return Reward(
        format=format_reward(text),
        emotion=emotion_reward(text, emotion),
        strategy=strategy_reward(text, strategy),
    )


def legacy_reward(text: str, *, emotion: str, strategy: str) -> Reward:
    """The parts as the released code gives them, defects included.

    Emotions: full stops and case removed, then either label may be part of the other, so that an
    emotion that is blank is right; one that is not there at all is wrong. The release crashes for
    want of the gold strategy, which its preprocessing drops; here it is given.
    """
    found = read_emotion(text)
    gold = emotion.lower().replace(".", "").strip()
    named = None if found is None else found.lower().replace(".", "").strip()
    announced = read_strategy(text)
    return Reward(
        format=format_reward(text),
        emotion=float(named is not None and (named in gold or gold in named)),
        strategy=float(announced is not None and announced.lower() == strategy.lower()),
    )


def _match(found: str | None, gold: str | None) -> float:
    return float(bool(_plain(found)) and _plain(found) == _plain(gold))


def _plain(label: str | None) -> str:
    return " ".join((label or "").casefold().split())
