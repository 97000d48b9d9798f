"""Reply parsing: each declared rule, and what no reply may do."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.models.parsing import parse_label, parse_reply, strip_reasoning


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("That sounds hard.", "That sounds hard."),
        ("  two\n lines ", "two lines"),
        ("<think>hmm</think>I see.", "I see."),
        ("<thinking>a\nb</thinking><answer>Oh no!</answer>", "Oh no!"),
        ("plan plan</think> Oh no!", "Oh no!"),
        ("<answer>cut off by the token limit", "cut off by the token limit"),
        ("Listener: I see.", "I see."),
        ("assistant : I see.", "I see."),
        ("I see.\nSpeaker: and then?\nListener: no", "I see."),
        ("Listener: I see.\nSpeaker: more", "I see."),
        ('"I see."', "I see."),
        ("“I see.”", "I see."),
        ('"Oh" and "ah" are words.', '"Oh" and "ah" are words.'),
        ("(smiles softly) I see.", "(smiles softly) I see."),
        ("I (really) see.", "I (really) see."),
        ("Speaker: you first", "Speaker: you first"),
    ],
)
def test_reply_rules(raw: str, text: str) -> None:
    if raw.startswith("Speaker:"):
        assert parse_reply(raw).error == "empty reply"
    else:
        assert parse_reply(raw).text == text
        assert parse_reply(raw).error is None


@pytest.mark.parametrize(
    ("raw", "strategy", "text"),
    [
        ("(Question) How are you?", "Question", "How are you?"),
        ("[Questions] How are you?", "Question", "How are you?"),
        ("(Reflection of Feelings) You feel alone.", "Reflection of feelings", "You feel alone."),
        ("listener: (Others) Hello!", "Others", "Hello!"),
        ("(Positive Reinforcement) Well done!", None, "Well done!"),
    ],
)
def test_announced_strategy(raw: str, strategy: str | None, text: str) -> None:
    reply = parse_reply(raw)
    assert (reply.strategy, reply.text) == (strategy, text)


@pytest.mark.parametrize(
    "raw", ["", "   \n", "<think>never ends", "<answer></answer>", "Listener:"]
)
def test_no_reply_is_a_failure_with_a_reason(raw: str) -> None:
    reply = parse_reply(raw)
    assert reply.text == ""
    assert reply.error


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("sad", "sad"),
        (" Sad.", "sad"),
        ("The speaker feels lonely.", "lonely"),
        ("<think>angry? no</think>\nproud", "proud"),
        ("**hopeful**", "hopeful"),
        ("sad or angry", "sad or angry"),
        ("saddened", "saddened"),
        ("happy", "happy"),
    ],
)
def test_emotion_label(raw: str, label: str) -> None:
    assert parse_label(raw, ED_EMOTIONS).text == label


def test_strategy_label_accepts_the_spelling_of_released_files() -> None:
    assert parse_label("Questions", ESCONV_STRATEGIES).text == "Question"
    assert (
        parse_label("reflection of feelings.", ESCONV_STRATEGIES).text == "Reflection of feelings"
    )


@given(st.text())
def test_any_text_is_read_without_error_and_idempotently(raw: str) -> None:
    reply = parse_reply(raw)
    assert bool(reply.text) != bool(reply.error)
    assert "\n" not in reply.text


@given(st.text(alphabet=st.characters(blacklist_characters='<>()[]:"“”', codec="utf-8")))
def test_plain_words_are_kept(raw: str) -> None:
    assert parse_reply(raw).text == " ".join(raw.split())


TAGS = st.sampled_from(
    ["<think>", "</think>", "<thinking>", "</thinking>", "<Think>", "</THINK>", "<", "a ", "\n"]
)


@given(st.lists(TAGS, max_size=14).map("".join))
def test_reasoning_is_cut_as_the_declared_pattern_cuts_it(raw: str) -> None:
    declared = re.compile(r"<think(ing)?>.*?</think(?(1)ing)>", re.DOTALL | re.IGNORECASE)
    text = re.sub(r"(?is)^.*</think(?:ing)?>", "", declared.sub("", raw))
    expected = None if re.search(r"(?i)<think(?:ing)?>", text) else text
    assert strip_reasoning(raw) == expected


@pytest.mark.parametrize("raw", ["<think>" * 50_000, "<thinking></think>" * 20_000])
def test_reasoning_never_closed_takes_linear_time(raw: str) -> None:
    started = time.perf_counter()
    assert parse_reply(raw).error
    assert time.perf_counter() - started < 2
