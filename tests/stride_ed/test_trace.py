"""The trace's spelling: written and read without loss, never read where the reward would not."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.dialogue import ED_EMOTIONS
from stride_ed.rewards import format_reward, read_emotion, read_strategy, reward
from stride_ed.strategies import STRATEGY_NAMES
from stride_ed.trace import FAILURES, Failure, Trace, parse, plain, read_leniently, render

PLAIN = st.text(max_size=60).map(plain).filter(bool)
TRACES = st.builds(
    Trace,
    context=PLAIN,
    emotion=st.sampled_from(ED_EMOTIONS),
    strategy=st.sampled_from(STRATEGY_NAMES),
    action=PLAIN,
    response=PLAIN,
)
TRACE = Trace(
    context="The speaker lost the match.",
    emotion="sad",
    strategy="Reflection of Feelings",
    action="Name the feeling.",
    response="That must hurt (a lot).",
)
TEXT = (
    "<thinking><Context> The speaker lost the match. <Emotion> sad <Strategy> Reflection of "
    "Feelings <Action> Name the feeling. </thinking><answer>listener: (Reflection of Feelings) "
    "That must hurt (a lot).</answer>"
)


def test_the_spelling_is_the_papers() -> None:
    assert render(TRACE) == TEXT
    assert parse(TEXT) == TRACE


@given(TRACES)
def test_parse_undoes_render(trace: Trace) -> None:
    assert parse(render(trace)) == trace
    earned = reward(render(trace), emotion=trace.emotion, strategy=trace.strategy)
    assert earned.total == 3


PIECES = st.sampled_from(
    ["<thinking>", "</thinking>", "<answer>", "</answer>", "<Context>", "<Emotion>", "<Strategy>",
     "<Action>", "listener: ", "(", ")", " ", "\n", "sad", "Others", "x", "<", ">", "<emotion> "]
)  # fmt: skip


@given(TRACES, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 12), PIECES), max_size=4))
def test_the_parser_accepts_nothing_that_the_reward_rejects(
    trace: Trace, edits: list[tuple[int, int, str]]
) -> None:
    text = render(trace)
    for at, cut, piece in edits:
        text = text[:at] + piece + text[at + cut :]
    found = parse(text)
    if isinstance(found, Trace):
        assert format_reward(text) == 1
        assert read_emotion(text) == found.emotion
        assert read_strategy(text) == found.strategy
        assert render(found) == text
    else:
        assert found.kind in FAILURES


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_a_trace_or_a_failure(text: str) -> None:
    found = parse(text)
    assert isinstance(found, Failure) or format_reward(text) == 1


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("not_the_format", "<thinking>", ""),
        ("not_the_format", "</answer>", "</answer> bye"),
        ("not_the_format", "</answer>", "</answer></answer>"),
        ("not_the_format", "hurt", "<b>hurt</b>"),
        ("not_the_format", "<Context>", "Well, <Context>"),
        ("missing_section", "<Action>", ""),
        ("repeated_section", "<Action>", "<Action> a <Action>"),
        ("wrong_order", "<Context> The speaker lost the match. <Emotion> sad",
         "<Emotion> sad <Context> The speaker lost the match."),
        ("empty_section", "Name the feeling.", ""),
        ("unknown_emotion", "sad", "melancholy"),
        ("unknown_emotion", "sad", "Sad"),
        ("unknown_strategy", "<Strategy> Reflection of Feelings", "<Strategy> Hugging"),
        ("strategy_mismatch", "(Reflection of Feelings)", "(Others)"),
        ("no_listener_prefix", "listener: ", ""),
        ("empty_response", "That must hurt (a lot).", ""),
        ("not_plain", "lost the", "lost\nthe"),
        ("not_plain", " <Emotion> sad", "  <Emotion> sad"),
    ],
)  # fmt: skip
def test_every_failure_has_its_name(kind: str, old: str, new: str) -> None:
    assert old in TEXT
    found = parse(TEXT.replace(old, new))
    assert isinstance(found, Failure) and found.kind == kind, found


@pytest.mark.parametrize(
    ("field", "value"),
    [("context", ""), ("context", "a\nb"), ("action", "a <Emotion> b"), ("response", " a"),
     ("emotion", "Sad"), ("emotion", ""), ("strategy", "reflection of feelings")],
)  # fmt: skip
def test_a_trace_cannot_hold_what_would_break_its_spelling(field: str, value: str) -> None:
    with pytest.raises(ValueError, match="unknown_|not_plain|empty_section"):
        replace(TRACE, **{field: value})


GOOD = {"context": "a", "strategy": "Others", "action": "b"}


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        (json.dumps(GOOD), ()),
        (f"```json\n{json.dumps(GOOD)}\n```", ("fence",)),
        (f"<think>hm {{ }}</think>{json.dumps(GOOD)}", ("reasoning",)),
        (f"Here you are: {json.dumps(GOOD)} Bye.", ("prose",)),
        (json.dumps(GOOD | {"strategy": "OTHERS."}), ("strategy",)),
        (json.dumps(GOOD | {"emotion": "happy"}), ("emotion",)),
        (json.dumps(GOOD | {"context": "a  "}), ("context_plain",)),
        ("<thinking><Context> a <Emotion> sad <Strategy> Others <Action> b</thinking>", ("tags",)),
        ("<thinking><Context> a <Emotion> sad <Strategy> Others <Action> b </thinking>"
         "<answer>listener: (Others) ignored</answer>", ()),
    ],
)  # fmt: skip
def test_the_lenient_reader_tells_what_it_mended(text: str, mended: tuple[str, ...]) -> None:
    found, said = read_leniently(text, emotion="sad", response="c")
    assert said == mended
    assert found == Trace(context="a", emotion="sad", strategy="Others", action="b", response="c")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "missing_section"),
        ("I would say Others.", "not_the_format"),
        ("{", "not_the_format"),
        ("{" * 5_000, "not_the_format"),
        ('["context"]', "not_the_format"),
        ('{"context": 1, "strategy": "Others", "action": "b"}', "not_the_format"),
        ('{"context": "a", "action": "b"}', "missing_section"),
        (json.dumps(GOOD | {"strategy": "Hugging"}), "unknown_strategy"),
        (json.dumps(GOOD | {"action": " "}), "empty_section"),
        ("<think>endless", "not_the_format"),
    ],
)
def test_what_cannot_be_read_is_a_failure(text: str, kind: str) -> None:
    found, _ = read_leniently(text, emotion="sad", response="c")
    assert isinstance(found, Failure)
    assert found.kind == kind


def test_half_a_surrogate_pair_ends_in_a_file_all_the_same() -> None:
    text = '{"context": "a \\ud83d", "strategy": "Others", "action": "b"}'
    found, _ = read_leniently(text, emotion="sad", response="c")
    assert isinstance(found, Trace)
    json.dumps(found.to_json(), ensure_ascii=False).encode()
    bad, _ = read_leniently(text.replace("Others", "\\ud83d"), emotion="sad", response="c")
    str(bad).encode()


@given(st.text(), st.text(min_size=1))
def test_the_lenient_reader_never_invents(text: str, response: str) -> None:
    assume(plain(response))
    found, _ = read_leniently(text, emotion="sad", response=response)
    if isinstance(found, Trace):
        assert found.emotion == "sad" and found.response == plain(response)


@pytest.mark.parametrize(
    "text",
    ["<thinking>" * 10_000, "<Context> " * 10_000, "<think>" * 14_000, "{" * 100_000,
     '{"a":' * 20_000, "```" * 33_000, "(" * 100_000, "<" * 100_000],
)  # fmt: skip
def test_hostile_texts_take_linear_time(text: str) -> None:
    started = time.perf_counter()
    parse(text)
    parse(TEXT.replace("That", text))
    read_leniently(text, emotion="sad", response="c")
    assert time.perf_counter() - started < 2
