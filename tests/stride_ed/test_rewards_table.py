"""Every way to be wrong, with the reward it earns and what the released code would have given."""

from __future__ import annotations

import pytest

from harness.dialogue import ED_EMOTIONS
from stride_ed.rewards import PARTS, Reward, legacy_reward, reward

GOLD = {"emotion": "sad", "strategy": "Reflection of Feelings"}


def said(
    emotion: str = "sad",
    announced: str = "(Reflection of Feelings) ",
    *,
    inner: str = "Reflection of Feelings",
    reply: str = "That hurts.",
    role: str = "listener: ",
) -> str:
    return (
        f"<thinking><Context> A friend left. <Emotion> {emotion} <Strategy> {inner} "
        f"<Action> Name it. </thinking><answer>{role}{announced}{reply}</answer>"
    )


# name: text, (format, emotion, strategy) as rewarded, and as the released code has it.
TABLE: dict[str, tuple[str, tuple[int, int, int], tuple[int, int, int]]] = {
    "all right": (said(), (1, 1, 1), (1, 1, 1)),
    "another case": (said("SAD", "(reflection of feelings) "), (1, 1, 1), (1, 1, 1)),
    "wrong emotion": (said("angry"), (1, 0, 1), (1, 0, 1)),
    "empty emotion": (said(""), (1, 0, 1), (1, 1, 1)),
    "two emotions": (said("sad, angry"), (1, 0, 1), (1, 1, 1)),
    "all emotions": (said(", ".join(ED_EMOTIONS)), (1, 0, 1), (1, 1, 1)),
    "a part of the emotion": (said("s"), (1, 0, 1), (1, 1, 1)),
    "emotion and a full stop": (said("sad."), (1, 0, 1), (1, 1, 1)),
    "no emotion stage": (said().replace("<Emotion> sad ", ""), (1, 0, 1), (1, 0, 1)),
    "two emotion stages": (
        said().replace("<Emotion> sad", "<Emotion> angry <Emotion> sad"), (1, 0, 1), (1, 0, 1)
    ),
    "emotion after the thinking": (
        said(reply="<Emotion> sad").replace("<Emotion> sad <Str", "<Str"), (1, 0, 1), (1, 0, 1)
    ),
    "wrong strategy": (said(announced="(Others) "), (1, 1, 0), (1, 1, 0)),
    "strategy in prose": (
        said(announced="", reply="I reflect your feelings (Reflection of Feelings)."),
        (1, 1, 0), (1, 1, 0),
    ),
    "strategy in the thinking only": (said(announced=""), (1, 1, 0), (1, 1, 0)),
    "two strategies": (
        said(announced="(Reflection of Feelings, Others) "), (1, 1, 0), (1, 1, 0)
    ),
    "nested parentheses": (said(announced="((Reflection of Feelings)) "), (1, 1, 0), (1, 1, 0)),
    "no role before the strategy": (said(role=""), (1, 1, 0), (1, 1, 0)),
    "text after the answer": (said() + " ok", (0, 1, 1), (0, 1, 1)),
    "a line after the answer": (said() + "\n", (0, 1, 1), (0, 1, 1)),
    "text before the thinking": ("Sure: " + said(), (0, 0, 1), (0, 0, 1)),
    "two ends of the answer": (said(reply="a</answer>b"), (0, 1, 1), (0, 1, 1)),
    "nested answers": (said(reply="<answer>b</answer>"), (0, 1, 1), (0, 1, 1)),
    "nested thinking": (said().replace("A friend", "<thinking>x"), (1, 1, 1), (1, 1, 1)),
    "no answer": (said().partition("<answer>")[0], (0, 1, 0), (0, 1, 0)),
    "no thinking": (said().partition("</thinking>")[2], (0, 0, 0), (0, 0, 0)),
    "nothing": ("", (0, 0, 0), (0, 0, 0)),
    "prose": ("They are sad. listener: (Reflection of Feelings) Oh.", (0, 0, 0), (0, 0, 0)),
}  # fmt: skip


def parts(found: Reward) -> tuple[float, float, float]:
    return found.format, found.emotion, found.strategy


@pytest.mark.parametrize("name", TABLE)
def test_each_reply_earns_what_the_table_says(name: str) -> None:
    text, ours, theirs = TABLE[name]
    assert parts(reward(text, **GOLD)) == ours
    assert parts(legacy_reward(text, **GOLD)) == theirs


@pytest.mark.parametrize("name", TABLE)
def test_nothing_is_earned_outside_the_format(name: str) -> None:
    text, (framed, emotion, strategy), _ = TABLE[name]
    found = reward(text, **GOLD)
    assert found.total == framed * (1 + emotion + strategy)
    assert found.of(()) == framed
    assert found.of(("emotion",)) == framed * (1 + emotion)
    assert found.of(PARTS) == found.total


def test_the_lenient_reward_never_gives_less() -> None:
    for text, _, _ in TABLE.values():
        assert legacy_reward(text, **GOLD).total >= reward(text, **GOLD).total


def test_the_legacy_emotion_agrees_with_the_legacy_metric() -> None:
    from harness.metrics.legacy.stride_ed import emotion_counts_as_right
    from stride_ed.rewards import read_emotion

    for text, _, theirs in TABLE.values():
        named = read_emotion(text)
        assert emotion_counts_as_right(named, "sad") == bool(theirs[1])
