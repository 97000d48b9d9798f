"""The table of strategies, and the crosswalk to ESConv's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from stride_ed.crosswalk import RULES, Rule, candidates, esconv_labels, from_esconv
from stride_ed.strategies import STRATEGIES, STRATEGY_NAMES, valence_of
from stride_ed.strategy_page import strategy_page
from stride_ed.trace import Trace, plain

# The released code's whitelist (FIELD.md A3), sorted.
RELEASED = {
    "Exploring Thoughts and Cognition", "Exploring Actions and Intentions",
    "Exploring Feelings and Emotions", "Restatement or Paraphrasing", "Reflection of Feelings",
    "Self-disclosure", "Affirmation and Reassurance", "Positive Reinforcement",
    "Gratitude Prompting", "Neutral Validation", "Providing Suggestions", "Information",
    "Cognitive Reframing", "Others",
}  # fmt: skip


def test_names_are_the_released_ones() -> None:
    assert set(STRATEGY_NAMES) == RELEASED and len(STRATEGY_NAMES) == 14


def test_every_esconv_label_has_a_counterpart() -> None:
    assert {s.esconv for s in STRATEGIES.values()} - {None} == set(ESCONV_STRATEGIES)


@pytest.mark.parametrize("name", STRATEGY_NAMES)
def test_every_strategy_is_whole_and_its_example_makes_a_trace(name: str) -> None:
    s = STRATEGIES[name]
    for text in (s.definition, s.use, s.avoid, s.action, s.example.said, s.example.response):
        assert text == plain(text) and text[-1] in ".!?"
    assert s.difficulty in (1, 2, 3) and s.valence
    Trace(context=s.example.said, emotion=s.example.emotion, strategy=name, action=s.action,
          response=s.example.response)  # fmt: skip
    assert valence_of(s.example.emotion) in s.valence


def test_valence_covers_every_emotion_and_differs_from_mime_as_it_says() -> None:
    from baselines.neural.mime import POSITIVE

    sides = {emotion: valence_of(emotion) for emotion in ED_EMOTIONS}
    assert set(sides.values()) == {"positive", "neutral", "negative"}
    for emotion, side in sides.items():
        if side != "neutral":
            assert (emotion in POSITIVE) == (side == "positive"), emotion
    neutral = {emotion for emotion, side in sides.items() if side == "neutral"}
    assert neutral & POSITIVE == {"caring", "prepared", "surprised"}
    assert neutral - POSITIVE == {"anticipating", "nostalgic", "sentimental"}
    assert valence_of("anxiety") == valence_of(None) == "negative"


@pytest.mark.parametrize(
    ("label", "valence", "reply", "strategy"),
    [
        ("Question", "negative", "How do you feel now?", "Exploring Feelings and Emotions"),
        ("Question", "negative", "Why did he say so?", "Exploring Thoughts and Cognition"),
        ("Question", "positive", "Where did you go?", "Exploring Actions and Intentions"),
        ("Affirmation and Reassurance", "positive", "Well done!", "Positive Reinforcement"),
        ("Affirmation and Reassurance", "positive", "You are lucky!", "Gratitude Prompting"),
        ("Affirmation and Reassurance", "neutral", "That makes sense.", "Neutral Validation"),
        ("Affirmation and Reassurance", "neutral", "You will be fine.",
         "Affirmation and Reassurance"),
        ("Affirmation and Reassurance", "negative", "It gets better.",
         "Affirmation and Reassurance"),
        ("Affirmation and Reassurance", "negative", "At least you tried.", "Cognitive Reframing"),
        ("Reflection of feelings", "negative", "You sound sad.", "Reflection of Feelings"),
        ("Others", "positive", "", "Others"),
        ("Self-disclosure", "neutral", "x" * 10_000, "Self-disclosure"),
    ],
)  # fmt: skip
def test_the_crosswalk_follows_its_rules(
    label: str, valence: str, reply: str, strategy: str
) -> None:
    assert from_esconv(label, valence=valence, reply=reply) == strategy  # type: ignore[arg-type]


def test_the_crosswalk_runs_both_ways() -> None:
    for label in ESCONV_STRATEGIES:
        for name in candidates(label):
            assert label in esconv_labels(name)
    assert len(candidates("Question")) == 3
    assert all(esconv_labels(name) for name in STRATEGY_NAMES)
    # A rule never names a strategy that does not answer to its feelings.
    for rule in RULES:
        assert rule.valence <= STRATEGIES[rule.strategy].valence, rule


def test_rules_can_be_replaced() -> None:
    mine = (Rule("Question", frozenset({"positive"}), None, "Others"),)
    assert from_esconv("Question", valence="positive", reply="?", rules=mine) == "Others"
    with pytest.raises(KeyError):
        from_esconv("Hugging", valence="positive", reply="?")


def test_the_page_of_the_docs_is_the_tables() -> None:
    page = Path(__file__).parents[2] / "docs" / "strategies.md"
    assert page.read_text(encoding="utf-8") == strategy_page(), (
        "docs/strategies.md is out of date: python -m stride_ed.strategy_page > docs/strategies.md"
    )
