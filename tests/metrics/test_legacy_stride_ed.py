"""Defects 3–5 of STRIDE-ED's released evaluation: its profile repeats them, the harness does not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.metrics.contract import Scored
from harness.metrics.legacy.stride_ed import cut, emotion_counts_as_right
from tests.metrics.build import scored, value

REPLY = "i am so sorry to hear that"


def output(reply: str = REPLY, *, emotion: str = "sad", strategy: str = "Information") -> str:
    return (
        f"<thinking><Context> a loss <Emotion> {emotion}\n<Strategy> {strategy}</thinking>"
        f"<answer>listener: ({strategy}) {reply}</answer>"
    )


def one(**fields: object) -> list[Scored]:
    base = Scored(
        id="a", cluster="a", response=REPLY, reference=REPLY, gold_emotion="sad", emotion="sad"
    )
    return [replace(base, **fields)]  # type: ignore[arg-type]


# Defect 3: a strategy accuracy that nothing ever adds to.


def test_strategy_accuracy_is_zero_even_when_every_strategy_is_right() -> None:
    examples = one(strategy="Question", gold_strategy="Question", raw=output())
    assert value("strategy_accuracy", examples, "stride-ed") == 0.0
    assert value("strategy_accuracy", examples) == 100.0


# Defect 4: emotions by substring, both ways.


@pytest.mark.parametrize(
    ("predicted", "released", "ours"),
    [
        ("sad", True, True),
        ("Sad.", True, False),
        ("", True, False),
        (" . ", True, False),
        ("sad, angry, afraid", True, False),
        ("not sad", True, False),
        ("s", True, False),
        ("angry", False, False),
        (None, False, False),
    ],
)
def test_an_emotion_is_right_if_either_contains_the_other(
    predicted: str | None, released: bool, ours: bool
) -> None:
    examples = one(emotion=predicted)
    assert value("emotion_accuracy", examples, "stride-ed") == 100.0 * released
    assert value("emotion_accuracy", examples) == 100.0 * ours


def test_an_output_whose_emotion_is_blank_is_right_there_and_wrong_here() -> None:
    examples = one(raw=output(emotion=" . "), emotion=None)
    assert value("emotion_accuracy", examples, "stride-ed") == 100.0
    assert value("emotion_accuracy", examples) == 0.0


def test_the_emotion_is_read_out_of_the_reasoning_where_there_is_some() -> None:
    examples = one(raw=output(emotion="angry"), emotion="sad")
    assert value("emotion_accuracy", examples, "stride-ed") == 0.0


def test_an_output_without_an_emotion_is_wrong() -> None:
    examples = one(raw=f"<thinking>x</thinking><answer>{REPLY}</answer>", emotion="sad")
    assert value("emotion_accuracy", examples, "stride-ed") == 0.0


def test_gold_labels_may_be_bracketed() -> None:
    assert emotion_counts_as_right("Sad", "[sad].")
    assert not emotion_counts_as_right(None, "")


# Defect 5: parentheses leave replies, not references; what cannot be cut becomes empty.


def test_parentheses_leave_replies_and_stay_in_references() -> None:
    same = f"(really) {REPLY} (truly)"
    examples = one(response=same, reference=same)
    assert value("bleu_4", examples) == pytest.approx(100.0)
    assert value("bleu_4", examples, "dcks") == pytest.approx(100.0)
    # 7 words are left of 13 tokens, all of them found: only brevity remains.
    assert value("bleu_1", examples, "stride-ed") == pytest.approx(100 * math.exp(1 - 13 / 7))
    bare = one(response=same, reference=REPLY)
    assert value("bleu_4", bare, "stride-ed") == pytest.approx(100.0)
    assert value("bleu_4", bare) < 100.0


@pytest.mark.parametrize(
    "raw",
    [
        f"<thinking>x<answer>listener: {REPLY}</answer>",
        f"<thinking>x</thinking>listener: {REPLY}",
        f"<answer>{REPLY}</answer>",
        "<thinking>never ends",
    ],
)
def test_an_output_that_cannot_be_cut_is_an_empty_reply(raw: str) -> None:
    examples = one(raw=raw)
    assert cut(raw) == ("", "")
    for name in ("bleu_1", "rouge_l", "emotion_accuracy"):
        assert value(name, examples, "stride-ed") == 0.0
    assert value("f1", examples, "stride-ed") == pytest.approx(0.0, abs=1e-4)
    assert value("bleu_1", examples) == 100.0, "the harness scores the reply that its parser found"
    assert value("failure_rate", examples, "stride-ed") == 0.0, "nobody is told"


def test_the_reply_is_cut_out_of_the_format() -> None:
    assert cut(output()) == (
        "<Context> a loss <Emotion> sad\n<Strategy> Information",
        REPLY,
    )
    assert cut("a<thinking>b<thinking>c</thinking><answer>d<answer>e</thinking>f</answer>") == (
        "c",
        "d",
    )
    assert cut("</thinking><answer>listener: a (b (c) d) listener:</answer>")[1] == "a  d)"


def test_an_output_in_no_such_format_is_a_plain_reply() -> None:
    examples = one(raw=f"<think>hm</think>{REPLY}")
    assert value("bleu_4", examples, "stride-ed") == pytest.approx(100.0)


def test_a_failed_prediction_is_empty_and_wrong_whatever_it_left() -> None:
    examples = one(raw=output(), failed=True)
    for name in ("bleu_1", "rouge_l", "dist_1", "emotion_accuracy"):
        assert value(name, examples, "stride-ed") == 0.0
    assert value("failure_rate", examples, "stride-ed") == 100.0


def test_references_lose_the_role_only() -> None:
    examples = scored([REPLY], [f"listener: {REPLY}"])
    assert value("bleu_4", examples, "stride-ed") == pytest.approx(100.0)
    assert value("bleu_4", examples, "dcks") < 100.0
