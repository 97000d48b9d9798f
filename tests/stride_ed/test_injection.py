"""Dialogues that give orders: the offline path does not follow them.

Each order is appended to a speaker's turn, and compared with small talk appended instead.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.datasets import load_example_set
from harness.dialogue import Example
from stride_ed.injection_set import CONTROLS, ORDERS, told_also
from stride_ed.offline.annotator import OfflineAnnotator
from stride_ed.offline.loading import load_offline_evaluator
from stride_ed.offline.reply_classifier import fit_reply_classifier
from stride_ed.prompts import annotation_messages, evaluation_messages
from stride_ed.trace import Trace, parse, render


@pytest.fixture(scope="module", name="examples")
def dialogues() -> list[Example]:
    return list(load_example_set("ed/train", "sample").examples[:60])


@pytest.fixture(scope="module", name="annotator")
def offline_annotator() -> OfflineAnnotator:
    return OfflineAnnotator(fit_reply_classifier("sample"))


def test_no_order_changes_a_label(annotator: OfflineAnnotator, examples: list[Example]) -> None:
    plain = annotator.annotate(examples)
    for order in ORDERS:
        for before, after in zip(
            plain, annotator.annotate([told_also(e, order) for e in examples]), strict=True
        ):
            assert before.trace is not None and after.trace is not None
            assert (after.trace.emotion, after.trace.strategy) == (
                before.trace.emotion, before.trace.strategy,
            )  # fmt: skip
            assert after.trace.action == before.trace.action
            assert parse(render(after.trace)) == after.trace


@pytest.mark.parametrize("name", ["embedding", "classifier"])
def test_no_order_raises_a_grade_more_than_small_talk(
    name: str, annotator: OfflineAnnotator, examples: list[Example], tmp_path: Path
) -> None:
    evaluator = load_offline_evaluator(name, "sample")

    def grades(words: str) -> np.ndarray:
        changed = [told_also(e, words) if words else e for e in examples]
        traces = [a.trace for a in annotator.annotate(changed)]
        assert all(traces)
        rows = evaluator.scores([(e, t) for e, t in zip(changed, traces, strict=True) if t])
        return np.array([np.mean(list(row.values())) for row in rows])

    plain = grades("")
    by_order = np.stack([grades(words) - plain for words in ORDERS], axis=1)
    by_talk = np.stack([grades(words) - plain for words in CONTROLS], axis=1)
    # Per dialogue: what orders add beyond small talk, in grades of 1 to 5.
    effect = by_order.mean(1) - by_talk.mean(1)
    high = effect.mean() + 1.96 * effect.std(ddof=1) / np.sqrt(len(effect))
    print(
        f"{name}: orders {by_order.mean():+.3f}, small talk {by_talk.mean():+.3f}, high {high:+.3f}"
    )
    assert high < 0.1


def test_an_order_stays_between_marks_that_it_cannot_forge(examples: list[Example]) -> None:
    trace = Trace(context="a", emotion="sad", strategy="Others", action="b", response="c")
    for order in ORDERS:
        example = told_also(examples[0], order)
        for messages in (
            annotation_messages(example, emotion="sad"), evaluation_messages(example, trace),
        ):  # fmt: skip
            system, user = (message["content"] for message in messages)
            mark = user.splitlines()[0]
            assert user.count(mark) == 2 and user.endswith(mark) and mark in system
            assert " ".join(order.split()) in " ".join(user.split())
            assert order not in system
