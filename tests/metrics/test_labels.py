"""Metrics of labels: scikit-learn's numbers, a published repository's, and what failing does."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, top_k_accuracy_score

from harness.datasets import load_example_set
from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.metrics import get_metric, score_metric
from harness.metrics.calibration import BINS, top_k_accuracy
from harness.metrics.contract import Scored
from harness.metrics.tables import label_tables
from tests.metrics.build import scored, value

FIELDS = pytest.mark.parametrize(
    ("field", "labels"), [("emotion", ED_EMOTIONS), ("strategy", ESCONV_STRATEGIES)]
)


def labelled(field: str, answers: Sequence[str | None], gold: Sequence[str]) -> list[Scored]:
    fields: dict[str, Any] = {field: answers, f"gold_{field}": gold}
    return scored([None] * len(gold), **fields)


def guesses(labels: Sequence[str], count: int) -> tuple[list[str | None], list[str]]:
    """Answers that are right at times, and at times none of the labels."""
    rng = random.Random(count)
    gold = rng.choices(labels, weights=range(1, len(labels) + 1), k=count)
    answers = [
        g if rng.random() < 0.4 else rng.choice([*labels, None, "no such label", g.upper()])
        for g in gold
    ]
    return answers, gold


@FIELDS
@pytest.mark.parametrize("count", [3, 60, 700])
def test_f1_is_scikit_learns_with_invalid_answers_as_no_class(
    field: str, labels: tuple[str, ...], count: int
) -> None:
    answers, gold = guesses(labels, count)
    examples = labelled(field, answers, gold)
    known = [a if a in labels else "invalid" for a in answers]
    present = sorted((set(known) | set(gold)) - {"invalid"})
    for average in ("macro", "weighted"):
        expected = f1_score(gold, known, labels=present, average=average, zero_division=0)
        found = value(f"{field}_{average}_f1", examples)
        assert found == pytest.approx(100 * expected, abs=1e-9)


def test_weighted_f1_by_hand() -> None:
    # sad: 2 hits of 2 answers and 3 gold, F1 4/5; joyful: 1 of 2 and 1, F1 2/3.
    examples = labelled(
        "emotion", ["sad", "sad", "joyful", "joyful"], ["sad", "sad", "sad", "joyful"]
    )
    assert value("emotion_weighted_f1", examples) == pytest.approx(100 * (3 * 4 / 5 + 2 / 3) / 4)


# Recomputed from LLM4ED's file of ChatGPT's answers (FIELD B3): the same 5,255 texts are 34.4 % right
# by the label they quote, 39.2 % by the first label word, 40.0 % if any label mentioned counts.
def test_how_free_text_is_read_decides_the_accuracy(real_data: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    file = real_data / "outputs/ed/llm4ed_chatgpt_emotion.txt"
    lines = file.read_text().split("\n")[: len(examples)]
    gold = [str(example.emotion) for example in examples]
    quoted = [m.group(1).lower() if (m := re.search(r'"([^"]*)"', s)) else None for s in lines]
    words = [[w for w in re.findall("[a-z]+", s.lower()) if w in ED_EMOTIONS] for s in lines]
    first = [found[0] if found else None for found in words]
    kindest = [g if g in found else None for g, found in zip(gold, words, strict=True)]
    readings = [labelled("emotion", answers, gold) for answers in (quoted, first, kindest)]
    assert [round(value("emotion_accuracy", r), 1) for r in readings] == [34.4, 39.2, 40.0]
    assert round(value("emotion_invalid_rate", readings[1]), 1) == 12.0


def with_scores(
    field: str, scores: Sequence[Mapping[str, float] | None], gold: Sequence[str]
) -> list[Scored]:
    fields: dict[str, Any] = {f"{field}_scores": scores, f"gold_{field}": gold}
    return scored([None] * len(gold), **fields)


def random_scores(
    labels: Sequence[str], count: int, seed: int
) -> tuple[list[dict[str, float]], list[str], Any]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(scale=3.0, size=(count, len(labels))) - 40.0
    gold = [labels[i] for i in rng.integers(len(labels), size=count)]
    return [dict(zip(labels, row.tolist(), strict=True)) for row in matrix], gold, matrix


@FIELDS
@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k_is_scikit_learns(field: Any, labels: tuple[str, ...], k: int) -> None:
    scores, gold, matrix = random_scores(labels, 400, seed=k)
    codes = [labels.index(label) for label in gold]
    expected = top_k_accuracy_score(codes, matrix, k=k, labels=range(len(labels)))
    examples = with_scores(field, scores, gold)
    assert value(top_k_accuracy(field, k=k), examples) == pytest.approx(100 * expected, abs=1e-9)


@FIELDS
def test_equal_scores_of_all_labels_are_no_knowledge(field: str, labels: tuple[str, ...]) -> None:
    examples = with_scores(field, [dict.fromkeys(labels, -3.0)] * 8, labels[:8])
    assert value(f"{field}_top5_accuracy", examples) == 0.0


def spoil(scores: dict[str, float], how: str, label: str) -> dict[str, float] | None:
    if how == "absent":
        return None
    if how == "partial":
        return {key: score for key, score in scores.items() if key != label}
    return scores | {label: float(how)}


@pytest.mark.parametrize("how", ["absent", "partial", "nan", "inf", "-inf"])
def test_scores_that_cannot_be_used_are_wrong(how: str) -> None:
    scores: list[Any] = [{label: float(label == "sad") for label in ED_EMOTIONS}] * 4
    examples = with_scores("emotion", [spoil(scores[0], how, "angry"), *scores[1:]], ["sad"] * 4)
    whole = with_scores("emotion", scores, ["sad"] * 4)
    assert value("emotion_top5_accuracy", whole) == 100.0
    assert value("emotion_top5_accuracy", examples) == 75.0
    gap = value("emotion_ece", whole)
    assert value("emotion_ece", examples) == pytest.approx((3 * gap + 100) / 4)


def test_a_failed_prediction_has_no_scores_whatever_it_left_behind() -> None:
    scores: list[Any] = [{label: 9.0 * (label == "sad") for label in ED_EMOTIONS}] * 4
    examples = with_scores("emotion", scores, ["sad"] * 4)
    failed = [replace(item, failed=i == 0) for i, item in enumerate(examples)]
    assert value("emotion_top5_accuracy", failed) == 75.0
    assert value("emotion_ece", failed) > value("emotion_ece", examples) + 20


def naive_ece(scores: Sequence[Mapping[str, float]], gold: Sequence[str]) -> float:
    """Guo et al. 2017, equation 3, example by example and bin by bin."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for row, true in zip(scores, gold, strict=True):
        total = math.fsum(math.exp(s) for s in row.values())
        best = max(row, key=lambda label: row[label])
        confidence = math.exp(row[best]) / total
        inside = [b for b in range(BINS) if b / BINS < confidence <= (b + 1) / BINS]
        bins[inside[0]].append((confidence, best == true))
    error = 0.0
    for members in filter(None, bins):
        mean_confidence = sum(confidence for confidence, _ in members) / len(members)
        mean_accuracy = sum(hit for _, hit in members) / len(members)
        error += len(members) / len(gold) * abs(mean_accuracy - mean_confidence)
    return 100 * error


@FIELDS
@pytest.mark.parametrize("count", [1, 40, 600])
def test_calibration_error_is_the_papers(field: str, labels: tuple[str, ...], count: int) -> None:
    scores, gold, _ = random_scores(labels, count, seed=count)
    found = value(f"{field}_ece", with_scores(field, scores, gold))
    assert found == pytest.approx(naive_ece(scores, gold), abs=1e-9)


def test_calibration_error_by_hand() -> None:
    # Confidence 0.9 twice, right once: |0.9 − 0.5|; confidence 0.6 twice, right twice: |0.6 − 1|.
    def sure(confidence: float, label: str) -> dict[str, float]:
        rest = (1 - confidence) / (len(ESCONV_STRATEGIES) - 1)
        return {s: math.log(confidence if s == label else rest) for s in ESCONV_STRATEGIES}

    scores = [sure(c, "Question") for c in (0.9, 0.9, 0.6, 0.6)]
    examples = with_scores("strategy", scores, ["Question", "Others", "Question", "Question"])
    assert value("strategy_ece", examples) == pytest.approx(100 * (2 / 4 * 0.4 + 2 / 4 * 0.4))


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.data())
@settings(deadline=None, max_examples=60)
def test_failing_never_raises_top_k_nor_lowers_the_calibration_error(
    right: list[bool], data: st.DataObject
) -> None:
    size = len(right)
    scores, gold, _ = random_scores(ED_EMOTIONS, size, seed=size)
    best = [max(row, key=lambda label: row[label]) for row in scores]
    gold = [b if ok else g for b, g, ok in zip(best, gold, right, strict=True)]
    before = with_scores("emotion", scores, gold)
    failing = data.draw(st.integers(0, size - 1))
    after = [replace(item, failed=i == failing) for i, item in enumerate(before)]
    for name in ("emotion_accuracy", "emotion_top5_accuracy"):
        assert value(name, after) <= value(name, before) + 1e-9
    # Its own gap was at most 1, and now it is 1 and offsets nobody else's.
    assert value("emotion_ece", after) >= value("emotion_ece", before) - 1e-9


def test_scores_have_intervals_and_failures_do_not_take_them_away() -> None:
    scores, gold, _ = random_scores(ED_EMOTIONS, 60, seed=3)
    examples = with_scores("emotion", scores, gold)
    for name in ("emotion_top5_accuracy", "emotion_ece"):
        result = score_metric(get_metric(name), examples, resamples=200)
        assert result.value is not None and result.low is not None and result.high is not None
        assert 0 <= result.low < result.high <= 100


def test_tables_count_who_is_taken_for_whom() -> None:
    gold = ["sad", "sad", "sad", "joyful", "joyful", "afraid"]
    answers = ["sad", "lonely", "lonely", "sad", "melancholic", None]
    examples = [
        replace(item, failed=i == 0)
        for i, item in enumerate(labelled("emotion", ["sad", *answers], ["sad", *gold]))
    ]
    tables = label_tables(examples)
    assert list(tables) == ["emotion"]
    table = tables["emotion"]
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert table["columns"] == [*ED_EMOTIONS, "invalid"]
    counts = dict(zip(table["labels"], table["counts"], strict=True))
    filled = {
        (true, column): count
        for true, row in counts.items()
        for column, count in zip(table["columns"], row, strict=True)
        if count
    }
    assert filled == {
        ("sad", "sad"): 1,
        ("sad", "lonely"): 2,
        ("sad", "invalid"): 1,
        ("joyful", "sad"): 1,
        ("joyful", "invalid"): 1,
        ("afraid", "invalid"): 1,
    }
    assert table["confusions"] == [
        {"gold": "sad", "predicted": "lonely", "count": 2, "share": 50.0},
        {"gold": "joyful", "predicted": "sad", "count": 1, "share": 50.0},
    ]


def test_tables_hold_at_most_ten_confusions_and_every_example() -> None:
    answers, gold = guesses(ED_EMOTIONS, 900)
    table = label_tables(labelled("emotion", answers, gold))["emotion"]
    assert sum(map(sum, table["counts"])) == 900
    shown = [row["count"] for row in table["confusions"]]
    assert len(shown) == 10 and shown == sorted(shown, reverse=True)
    off_diagonal = [
        count for i, row in enumerate(table["counts"]) for j, count in enumerate(row[:-1]) if i != j
    ]
    assert shown == sorted(off_diagonal, reverse=True)[:10]


def test_no_labels_no_tables() -> None:
    assert label_tables([]) == {}
    assert label_tables(scored(["hello"] * 3, gold_emotion=["sad"] * 3)) == {}
