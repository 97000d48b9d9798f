"""STRIDE-ED's reward: what earns it, and what the released code wrongly let earn it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.metrics import choose_metrics, score_metric
from harness.metrics.contract import Metric
from stride_ed.metrics import METRICS
from stride_ed.rewards import (
    emotion_reward,
    format_reward,
    read_emotion,
    read_strategy,
    reward,
    strategy_reward,
)
from stride_ed.strategies import STRATEGIES, STRATEGY_NAMES
from tests.metrics.build import scored, value


def trace(
    emotion: str = "sad",
    strategy: str = "Reflection of Feelings",
    *,
    inner: str = "Others",
    reply: str = "That hurts.",
) -> str:
    return (
        f"<thinking><Context> A friend left. <Emotion> {emotion} <Strategy> {inner} "
        f"<Action> Name the feeling. </thinking><answer>listener: ({strategy}) {reply}</answer>"
    )


GOLD = {"emotion": "sad", "strategy": "Reflection of Feelings"}


def test_a_right_trace_earns_three() -> None:
    found = reward(trace(), **GOLD)
    assert (found.format, found.emotion, found.strategy, found.total) == (1, 1, 1, 3)


@pytest.mark.parametrize(
    ("emotion", "strategy", "total"),
    [
        ("angry", "Reflection of Feelings", 2.0),
        ("sad", "Others", 2.0),
        ("angry", "Others", 1.0),
    ],
)
def test_each_part_adds_one(emotion: str, strategy: str, total: float) -> None:
    assert reward(trace(emotion, strategy), **GOLD).total == total


BROKEN = {
    "nothing": "",
    "no tags": "listener: (Others) hello",
    "text before": " " + trace(),
    "text after": trace() + "\n",
    "no answer": trace().split("<answer>")[0],
    "an answer that never ends": trace().removesuffix("</answer>"),
    "two ends of the answer": trace(reply="a</answer>b"),
    "an answer twice": trace() + "<answer>more</answer>",
    "a gap between thinking and answer": trace().replace("</thinking>", "</thinking> "),
    "thinking that never ends": trace().replace("</thinking>", ""),
    "thinking that never begins": trace().removeprefix("<thinking>"),
    "other tags": trace().replace("thinking>", "think>"),
    "upper case": trace().replace("answer>", "ANSWER>"),
    "overlapping tags": "<thinking></thinking><answer></answe",
    "only the ends": "<thinking></answer>",
}


@pytest.mark.parametrize("name", BROKEN)
def test_nothing_is_earned_outside_the_format(name: str) -> None:
    found = reward(BROKEN[name], **GOLD)
    assert found.format == 0.0
    assert found.total == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "<thinking></thinking><answer></answer>",
        "<thinking>\n\n</thinking><answer>\n</answer>",
        trace(reply="</thinking><answer> again"),
        "<thinking>a</thinking>b</thinking><answer>c</answer>",
    ],
)
def test_the_format_asks_for_tags_and_nothing_else(text: str) -> None:
    assert format_reward(text) == 1.0


@pytest.mark.parametrize("written", ["sad", "Sad", " SAD ", "\tsad", "\nsad\n"])
def test_case_and_space_do_not_matter(written: str) -> None:
    assert emotion_reward(trace(emotion=written), "sad") == 1.0
    assert strategy_reward(trace(strategy="reflection  of\nFEELINGS"), "Reflection of Feelings")


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "<b>sad</b>",
        "s",
        "sadness",
        "sad.",
        "sad, angry",
        ", ".join(ED_EMOTIONS),
        "not sad",
    ],
)
def test_only_the_whole_label_is_right(written: str) -> None:
    assert emotion_reward(trace(emotion=written), "sad") == 0.0


@pytest.mark.parametrize(
    "written", ["", "Reflection", "Others, Reflection of Feelings", "feelings"]
)
def test_only_the_whole_strategy_is_right(written: str) -> None:
    assert strategy_reward(trace(strategy=written), "Reflection of Feelings") == 0.0


@pytest.mark.parametrize("gold", ["", "  ", None])
def test_without_a_gold_label_nothing_matches(gold: Any) -> None:
    assert emotion_reward(trace(emotion=""), gold) == 0.0
    assert strategy_reward(trace(strategy=""), gold) == 0.0
    assert reward(trace(), emotion=gold, strategy=gold).total == 1.0


def test_the_emotion_is_read_in_the_finished_thinking_only() -> None:
    in_answer = "<thinking> </thinking><answer>listener: (Others) <Emotion> sad</answer>"
    assert read_emotion(in_answer) is None
    assert read_emotion("<thinking><Emotion> sad") is None
    assert read_emotion("<Emotion> sad </thinking>") is None
    assert read_emotion("<thinking><Emotion> sad <Emotion> angry</thinking>") == "sad"
    assert read_emotion("<thinking><Emotion> <Emotion> angry</thinking>") == ""
    assert read_emotion("<thinking><emotion>sad\nand so on</thinking>") == "sad"


def test_the_strategy_is_read_at_the_opening_of_the_answer_only() -> None:
    strategy = "Reflection of Feelings"
    assert strategy_reward(trace("sad", "Others", inner=strategy), strategy) == 0.0
    for opening in (
        f"({strategy}) listener: hello",
        f"hello listener: ({strategy})",
        f" listener: ({strategy})",
        f"listener: well ({strategy})",
        f"listener: {strategy}",
        f"listener: ({strategy}",
        f"listener: (({strategy}))",
        f"speaker: ({strategy})",
    ):
        text = f"<thinking></thinking><answer>{opening}</answer>"
        assert (opening, strategy_reward(text, strategy)) == (opening, 0.0)
    assert read_strategy(f"<thinking></thinking><answer>Listener:({strategy})x") == strategy


PIECES = st.sampled_from(
    ["<thinking>", "</thinking>", "<answer>", "</answer>", "<Emotion>", "<Strategy>", "listener:",
     "(", ")", " ", "\n", "sad", "Others", "<", "x", "\ud800", "🙂", "İ"]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=20).map("".join))
LABELS = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(["sad", "Others"]))


@given(TEXTS, LABELS, LABELS)
@settings(deadline=None, max_examples=500)
def test_any_text_earns_one_of_four_totals(
    text: str, emotion: str | None, strategy: str | None
) -> None:
    found = reward(text, emotion=emotion, strategy=strategy)
    assert {found.format, found.emotion, found.strategy} <= {0.0, 1.0}
    assert found.total == (1 + found.emotion + found.strategy if found.format else 0)
    if found.format:
        assert text.startswith("<thinking>") and text.endswith("</answer>")
        assert text.count("</answer>") == 1 and "</thinking><answer>" in text
    if found.emotion:
        assert emotion and emotion.strip() and "<emotion>" in text.lower()
    if found.strategy:
        assert strategy and strategy.strip() and "listener:" in text.lower()


ENDLESS = {
    "openings": "<thinking>" * 200_000,
    "turns": "<thinking>" + "</thinking><answer>" * 100_000 + "</answer>",
    "spaces after the emotion": "<thinking><Emotion>" + " " * 2_000_000 + "</thinking>",
    "emotions": "<thinking>" + "<Emotion>" * 200_000 + "</thinking><answer></answer>",
    "an open parenthesis": "<thinking></thinking><answer>listener:" + "(" * 2_000_000,
    "a strategy without end": "<thinking></thinking><answer>listener: (" + "a " * 1_000_000,
    "spaces before the strategy": "<thinking></thinking><answer>listener:" + " " * 2_000_000,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_text_is_read_in_linear_time(name: str) -> None:
    started = time.perf_counter()
    reward(ENDLESS[name], **GOLD)
    assert time.perf_counter() - started < 1


BY_NAME = {metric.name: metric for metric in METRICS}


def rates(**fields: Any) -> dict[str, float]:
    size = len(next(iter(fields.values())))
    given_ = {"gold_emotion": ["sad"] * size, "gold_strategy": ["Reflection of Feelings"] * size}
    examples = scored(fields.pop("replies", ["That hurts."] * size), **{**given_, **fields})
    return {name: value(metric, examples) for name, metric in BY_NAME.items()}


def test_rates_of_a_system() -> None:
    found = rates(raw=[trace(), trace("angry"), trace(strategy="Others"), trace() + " "])
    assert found == {
        "stride_format_rate": 75.0,
        "stride_emotion_rate": 75.0,
        "stride_strategy_rate": 75.0,
        "stride_reward": (3 + 2 + 2 + 0) / 4,
    }


def test_the_unparsed_reply_counts_and_the_reply_where_there_is_none() -> None:
    assert rates(raw=["That hurts."], replies=[trace()])["stride_reward"] == 0.0
    assert rates(replies=[trace()], raw=[None])["stride_reward"] == 3.0
    assert rates(replies=[None], raw=[None])["stride_reward"] == 0.0


def test_a_failed_prediction_earns_nothing() -> None:
    assert set(rates(raw=[trace()] * 2, failed=[True] * 2).values()) == {0.0}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_rates_have_intervals_and_say_what_they_lack(metric: Metric) -> None:
    examples = scored(
        [trace("sad" if i % 2 else "angry", reply=str(i)) for i in range(12)],
        gold_emotion=["sad"] * 12,
        gold_strategy=["Reflection of Feelings"] * 12,
    )
    result = score_metric(metric, examples, resamples=100)
    assert result.value is not None and result.low is not None and result.high is not None
    assert metric.range[0] <= result.low <= result.value <= result.high <= metric.range[1]
    bare = [replace(item, gold_strategy=None, gold_emotion=None) for item in examples]
    note = score_metric(metric, bare).note
    assert ("lack gold" in note) == bool(metric.needs)


def test_nobody_sees_them_unasked() -> None:
    examples = scored(
        ["hello"],
        emotion=["sad"],
        gold_emotion=["sad"],
        strategy=["Others"],
        gold_strategy=["Others"],
    )
    shown = {metric.name for metric in choose_metrics(examples, kind="response")}
    assert not shown & set(BY_NAME)
    assert all(not metric.kinds for metric in METRICS)


def test_the_table_of_strategies() -> None:
    # Names as in the released code; the crosswalk is the paper's extension of ESConv's eight.
    assert len(STRATEGY_NAMES) == 14 and len(set(map(str.casefold, STRATEGY_NAMES))) == 14
    counterparts = {s.esconv for s in STRATEGIES.values() if s.esconv}
    assert counterparts == set(ESCONV_STRATEGIES)
    questions = [s.name for s in STRATEGIES.values() if s.esconv == "Question"]
    assert questions == [name for name in STRATEGY_NAMES if name.startswith("Exploring")]
    assert {s.difficulty for s in STRATEGIES.values()} == {1, 2, 3}
    assert all(s.valence for s in STRATEGIES.values())
    assert all(name == strategy.name for name, strategy in STRATEGIES.items())
