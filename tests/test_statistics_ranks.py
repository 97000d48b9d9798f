"""Ranks of several systems from joint resamples of the same dialogues."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from harness.metrics import get_metric
from harness.metrics.arrays import Additive
from harness.metrics.contract import Metric, Scored
from harness.metrics.scores import mean
from harness.statistics import ranks, systems
from harness.statistics.ranks import rank_draws
from tests.metrics.build import scored

FloatArray = NDArray[np.float64]

MEAN = Metric(
    name="mean",
    signature="mean|v1",
    direction="higher",
    unit="",
    range=(-np.inf, np.inf),
    description="Mean.",
    statistics=lambda items: Additive(np.array([[i.reference_nll, 1.0] for i in items], float)),
    score=mean,
)


def numbers(values: FloatArray, per_dialogue: int = 1) -> list[Scored]:
    return scored([""] * len(values), per_dialogue=per_dialogue, reference_nll=list(values))


@st.composite
def systems_and_draws(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    count = draw(st.integers(2, 5))
    numbers_ = st.integers(-3, 3).map(float)
    values = draw(arrays(float, count, elements=numbers_))
    draws = draw(arrays(float, (draw(st.integers(1, 20)), count), elements=numbers_))
    return values, draws


@settings(deadline=None)
@given(systems_and_draws(), st.sampled_from(["higher", "lower"]))
def test_ranks_count_who_is_better(given_: tuple[FloatArray, FloatArray], direction: str) -> None:
    values, draws = given_
    found = rank_draws(values, draws, direction=direction)  # type: ignore[arg-type]
    sign = 1 if direction == "higher" else -1
    assert sum(rank.p_best for rank in found) == pytest.approx(1.0)
    for i, rank in enumerate(found):
        assert rank.rank == 1 + sum(sign * other > sign * values[i] for other in values)
        assert 1 <= rank.low <= rank.rank <= rank.high <= len(values)
        best = [
            1 / sum(row == max(sign * row) * sign) if row[i] == sign * max(sign * row) else 0
            for row in draws
        ]
        assert rank.p_best == pytest.approx(np.mean(best))


@settings(deadline=None)
@given(systems_and_draws(), st.randoms())
def test_ranks_follow_the_systems_whatever_their_order(
    given_: tuple[FloatArray, FloatArray], random: object
) -> None:
    values, draws = given_
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one = rank_draws(values, draws, direction="higher")
    other = rank_draws(values[order], draws[:, order], direction="higher")
    assert other == [one[i] for i in order]
    assert rank_draws(-values, -draws, direction="lower") == one


def test_joint_resampling_knows_what_systems_share() -> None:
    rng = np.random.default_rng(1)
    # Dialogues differ by 10, systems by 1 with noise of 1: alone each value is uncertain by more
    # than the systems differ, paired the order is sure.
    hard = rng.normal(scale=10.0, size=150)
    examples = [numbers(hard + shift + rng.normal(size=150)) for shift in (0.0, 1.0, 2.0)]
    found = ranks(systems(MEAN, examples))
    assert found is not None
    assert [(r.rank, r.low, r.high) for r in found] == [(3, 3, 3), (2, 2, 2), (1, 1, 1)]
    assert [r.p_best for r in found] == [0.0, 0.0, 1.0]
    alone = [numbers(rng.permutation(hard) + shift) for shift in (0.0, 1.0, 2.0)]
    unsure = ranks(systems(MEAN, alone))
    assert unsure is not None
    assert all(r.high > r.low for r in unsure)


def test_equal_systems_share_the_rank_and_the_chance() -> None:
    rng = np.random.default_rng(2)
    one = numbers(rng.normal(size=40))
    worse = numbers(rng.normal(-5.0, size=40))
    found = ranks(systems(MEAN, [one, worse, one]))
    assert found is not None
    assert [(r.rank, r.low, r.high, r.p_best) for r in found] == [
        (1, 1, 1, 0.5),
        (3, 3, 3, 0.0),
        (1, 1, 1, 0.5),
    ]


def test_lower_is_better_where_the_metric_says_so() -> None:
    rng = np.random.default_rng(3)
    examples = [numbers(rng.normal(shift, size=40)) for shift in (5.0, 0.0)]
    found = ranks(systems(replace(MEAN, direction="lower"), examples))
    assert found is not None
    assert [r.rank for r in found] == [2, 1]
    assert ranks(systems(replace(MEAN, direction="none"), examples)) is None


def test_diversity_is_ranked_by_subsamples() -> None:
    rng = np.random.default_rng(4)

    def talk(words: int) -> list[Scored]:
        return scored([" ".join(f"w{w}" for w in rng.integers(words, size=12)) for _ in range(80)])

    found = ranks(systems(get_metric("dist_2"), [talk(15), talk(400), talk(60)]), resamples=300)
    assert found is not None
    assert [r.rank for r in found] == [3, 1, 2]
    assert found[1].p_best == 1.0


def test_few_dialogues_have_no_ranks() -> None:
    assert ranks(systems(MEAN, [numbers(np.arange(4.0)), numbers(np.arange(4.0))])) is None


def test_the_chance_of_being_best_is_a_coins_for_two_equal_processes() -> None:
    rng = np.random.default_rng(5)
    chances = []
    for trial in range(300):
        pair = [numbers(rng.normal(size=25)) for _ in range(2)]
        found = ranks(systems(MEAN, pair), seed=trial, resamples=200)
        assert found is not None
        chances.append(found[0].p_best)
    # Uniform between 0 and 1: mean .5 with a standard error of .017, sd .29.
    assert np.mean(chances) == pytest.approx(0.5, abs=0.05)
    assert np.std(chances) == pytest.approx(0.289, abs=0.04)
