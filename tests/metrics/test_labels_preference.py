"""Preference bias: by hand, by the loops of the paper, by maximum likelihood, and its edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from harness.dialogue import ESCONV_STRATEGIES
from harness.metrics import get_metric, score_metric
from harness.metrics.contract import Scored
from harness.metrics.preference import BIAS, ROUNDS, preferences
from harness.metrics.tables import label_tables
from tests.metrics.build import scored, value

S = ESCONV_STRATEGIES


def examples_of(counts: Any, invalid: Sequence[int] = ()) -> list[Scored]:
    """`counts`[i][j] examples with answer i and gold j, then `invalid`[j] without an answer."""
    cells = [(S[i], S[j], int(counts[i][j])) for i in range(8) for j in range(8)]
    cells += [("no strategy", S[j], count) for j, count in enumerate(invalid)]
    pairs = [(answer, gold) for answer, gold, count in cells for _ in range(count)]
    return scored(
        [None] * len(pairs),
        strategy=[answer for answer, _ in pairs],
        gold_strategy=[gold for _, gold in pairs],
    )


def naive(counts: Any) -> list[float]:
    """The iteration as Kang et al. 2024 print it: loops, and one update after the other."""
    p = [1.0] * 8
    for _ in range(ROUNDS):
        for i in range(8):
            others = [j for j in range(8) if j != i]
            above = sum(counts[i][j] * p[j] / (p[i] + p[j]) for j in others)
            below = sum(counts[j][i] / (p[i] + p[j]) for j in others)
            p[i] = above / below
    return [8 * strength / sum(p) for strength in p]


def random_counts(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    liked = rng.uniform(0.2, 3.0, size=8)
    return rng.poisson(8 * liked[:, None] * np.ones(8)) + 1


@pytest.mark.parametrize("seed", range(6))
def test_strengths_and_bias_are_those_of_the_papers_loops(seed: int) -> None:
    counts = random_counts(seed)
    expected = naive(counts.tolist())
    assert preferences(counts.astype(float)) == pytest.approx(expected, abs=1e-9)
    mean = sum(expected) / 8
    spread = math.sqrt(sum((p - mean) ** 2 for p in expected) / 8)
    examples = examples_of(counts)
    assert value(BIAS, examples) == pytest.approx(spread, abs=1e-9)
    shown = label_tables(examples)["strategy"]["preference"]
    assert [shown[name] for name in S] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_twenty_rounds_reach_the_maximum_of_the_likelihood(seed: int) -> None:
    counts = random_counts(seed).astype(float)
    np.fill_diagonal(counts, 0)

    def loss(logs: Any) -> float:
        return float((counts * np.logaddexp(0, logs[None, :] - logs[:, None])).sum())

    best = np.exp(minimize(loss, np.zeros(8), method="BFGS", options={"gtol": 1e-8}).x)
    assert preferences(counts) == pytest.approx(8 * best / best.sum(), abs=1e-4)


def test_two_strategies_by_hand() -> None:
    # Question stands for Others 3 times, Others for Question once: p = 3 : 1 of a sum of 2;
    # the six that are never confused keep 1. B² = (0.5² + 0.5²) / 8.
    counts = np.zeros((8, 8))
    counts[0, 7], counts[7, 0] = 3, 1
    assert preferences(counts) == pytest.approx([1.5, 1, 1, 1, 1, 1, 1, 0.5])
    assert value(BIAS, examples_of(counts)) == pytest.approx(0.25)


def test_right_answers_say_nothing_of_preference() -> None:
    counts = random_counts(1)
    more = counts + np.diag([0, 5, 90, 0, 3, 2, 1, 40])
    assert value(BIAS, examples_of(more)) == pytest.approx(value(BIAS, examples_of(counts)))


def test_no_preference_where_nothing_is_confused_or_all_equally() -> None:
    assert value(BIAS, examples_of(np.diag([3] * 8))) == 0.0
    assert value(BIAS, examples_of(np.ones((8, 8)))) == pytest.approx(0.0)


def test_strategies_never_chosen_have_no_strength() -> None:
    counts = random_counts(2)
    counts[[2, 5], :] = 0
    strengths = preferences(counts.astype(float))
    assert strengths[[2, 5]].tolist() == [0.0, 0.0]
    assert strengths.sum() == pytest.approx(8)
    assert np.isfinite(strengths).all()


def test_a_strategy_that_is_never_missed_has_no_finite_strength() -> None:
    always = examples_of([[5] * 8, *[[0] * 8] * 7])
    result = score_metric(get_metric("strategy_bias"), always)
    assert result.value is None and "finite" in result.note
    assert label_tables(always)["strategy"]["preference"] is None


def test_nearly_always_the_same_strategy_is_nearly_the_largest_bias() -> None:
    counts = np.full((8, 8), 0)
    counts[0] = 1000
    counts[1:, 0] = 1
    assert math.sqrt(7) - 0.05 < value(BIAS, examples_of(counts)) < math.sqrt(7)


def test_invalid_answers_count_as_the_strategy_that_makes_it_worst() -> None:
    counts, invalid = random_counts(4), [3, 0, 2, 0, 0, 1, 0, 4]
    possible = []
    for k in range(8):
        moved = counts.copy()
        moved[k] += invalid
        possible.append(float(np.std(naive(moved.tolist()))))
    assert value(BIAS, examples_of(counts, invalid)) == pytest.approx(max(possible), abs=1e-9)


def test_failing_on_everything_has_no_value() -> None:
    examples = [replace(item, failed=True) for item in examples_of(random_counts(0))]
    assert math.isnan(value(BIAS, examples))
    one = [replace(examples[0], failed=False, strategy=examples[0].gold_strategy), *examples[1:]]
    assert math.isnan(value(BIAS, one)), "one right answer does not make a system unbiased"


@given(st.integers(0, 3), st.data())
@settings(deadline=None, max_examples=25)
def test_failing_once_never_lowers_the_bias(seed: int, data: st.DataObject) -> None:
    examples = examples_of(random_counts(seed) // 4 + 1)
    failing = data.draw(st.integers(0, len(examples) - 1))
    after = [replace(item, failed=i == failing) for i, item in enumerate(examples)]
    assert value(BIAS, after) >= value(BIAS, examples) - 1e-9


def test_resamples_are_done_at_once_and_alone_alike() -> None:
    examples = examples_of(random_counts(5), [1] * 8)
    rows = BIAS.statistics(examples)
    rng = np.random.default_rng(0)
    weights = rng.integers(3, size=(2, 5, len(rows))).astype(float)
    together = BIAS.score(rows.aggregate(weights))
    alone = [[float(BIAS.score(rows.aggregate(w))) for w in block] for block in weights]
    assert together == pytest.approx(np.array(alone), abs=1e-12)


def test_the_bias_has_an_interval() -> None:
    result = score_metric(get_metric("strategy_bias"), examples_of(random_counts(7)))
    assert result.value is not None and result.low is not None and result.high is not None
    assert 0 <= result.low < result.high <= math.sqrt(7)
