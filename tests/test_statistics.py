"""Intervals that cover, tests that keep their level, and the same from other libraries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.errors import InputError
from harness.metrics import get_metric, score_metric
from harness.metrics.arrays import Additive, bags
from harness.metrics.contract import Metric, Scored
from harness.metrics.scores import mean
from harness.statistics import (
    bootstrap_weights,
    cluster_codes,
    compare,
    holm,
    interval,
    subsample_weights,
)
from tests.metrics.build import scored, value

FloatArray = NDArray[np.float64]


def _nll_statistics(examples: Sequence[Scored]) -> Additive:
    return Additive(np.array([[item.reference_nll, 1.0] for item in examples], dtype=float))


# The mean of a number per example: what textbooks' results are about.
MEAN = Metric(
    name="mean",
    signature="mean|v1",
    direction="none",
    unit="",
    range=(-np.inf, np.inf),
    description="Mean.",
    statistics=_nll_statistics,
    score=mean,
)


def numbers(values: Sequence[float] | FloatArray, per_dialogue: int = 1) -> list[Scored]:
    return scored([""] * len(values), per_dialogue=per_dialogue, reference_nll=list(values))


def mean_interval(values: FloatArray, per_dialogue: int = 1, **options: int) -> tuple[float, float]:
    examples = numbers(values, per_dialogue)
    found = interval(
        MEAN,
        MEAN.statistics(examples),
        [item.cluster for item in examples],
        value=float(np.mean(values)),
        **options,
    )
    assert found is not None
    return found


def test_interval_of_a_mean_is_scipys_percentile_bootstrap() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(1).gamma(2.0, size=200)
    expected = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    low, high = mean_interval(values, resamples=20_000)
    width = expected.high - expected.low
    assert low == pytest.approx(expected.low, abs=0.02 * width)
    assert high == pytest.approx(expected.high, abs=0.02 * width)


def test_interval_covers_the_truth_of_clustered_data_at_its_level() -> None:
    rng = np.random.default_rng(3)
    covered = naive = 0
    for trial in range(400):
        # 60 dialogues of 4 turns, intra-class correlation 0.5.
        turns = rng.normal(size=(60, 1)) + rng.normal(size=(60, 4))
        low, high = mean_interval(turns.ravel(), 4, resamples=400, seed=trial)
        covered += low <= 0 <= high
        low, high = mean_interval(turns.ravel(), 1, resamples=400, seed=trial)
        naive += low <= 0 <= high
    assert 0.92 <= covered / 400 <= 0.98
    assert naive / 400 < 0.88, "turns taken as independent claim too much"


def test_interval_is_reproducible_and_follows_the_seed() -> None:
    values = np.random.default_rng(4).normal(size=50)
    assert mean_interval(values, seed=1) == mean_interval(values, seed=1)
    assert mean_interval(values, seed=1) != mean_interval(values, seed=2)


ZIPF = np.cumsum(1 / np.arange(1, 5001) ** 1.1)


def zipf_dialogues(rng: np.random.Generator, count: int) -> list[str]:
    """Dialogues of 5–40 words, two fifths of them from the dialogue's own few."""
    texts = []
    for _ in range(count):
        length = int(rng.integers(5, 41))
        own, common = (np.searchsorted(ZIPF, ZIPF[-1] * rng.random(n)) for n in (20, length))
        words = np.where(rng.random(length) < 0.4, rng.choice(own, length), common)
        texts.append(" ".join(f"w{word}" for word in words))
    return texts


def test_dist_is_inside_its_interval_where_a_naive_bootstrap_is_not() -> None:
    metric = get_metric("dist_1")
    examples = scored(zipf_dialogues(np.random.default_rng(5), 500))
    result = score_metric(metric, examples, resamples=300)
    assert result.value is not None and result.low is not None and result.high is not None
    assert result.low < result.value < result.high
    rows = metric.statistics(examples)
    weights = np.concatenate(list(bootstrap_weights(500, 300, 0)))
    assert np.quantile(metric.score(rows.aggregate(weights)), 0.975) < result.low


def test_interval_of_dist_has_the_width_of_fresh_samples() -> None:
    rng = np.random.default_rng(6)
    fresh = [value("dist_1", scored(zipf_dialogues(rng, 200))) for _ in range(200)]
    centre, spread = np.mean(fresh), np.std(fresh)
    covered = 0
    widths = []
    for trial in range(100):
        examples = scored(zipf_dialogues(rng, 200))
        result = score_metric(get_metric("dist_1"), examples, seed=trial, resamples=150)
        assert result.low is not None and result.high is not None
        covered += int(result.low <= centre <= result.high)
        widths.append(result.high - result.low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert covered >= 88


def test_null_hypothesis_is_rejected_at_its_level() -> None:
    rng = np.random.default_rng(7)
    rejected = 0
    for trial in range(400):
        shared = rng.normal(size=(30, 1))
        a, b = (numbers((shared + rng.normal(size=(30, 2))).ravel(), 2) for _ in range(2))
        rejected += compare(MEAN, a, b, seed=trial, resamples=199).p <= 0.05
    # 400 trials of a 5 % event: two standard errors are 2.2 points.
    assert 0.025 <= rejected / 400 <= 0.075


def test_p_value_of_a_mean_is_scipys_permutation_test() -> None:
    from scipy.stats import permutation_test

    rng = np.random.default_rng(8)
    a, b = rng.normal(0.3, size=40), rng.normal(size=40)
    expected = permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(9),
    ).pvalue
    found = compare(MEAN, numbers(a), numbers(b), resamples=20_000)
    assert found.p == pytest.approx(expected, abs=0.02)
    assert found.value == pytest.approx(np.mean(a - b))


def test_difference_is_a_minus_b_and_changes_sign_with_them() -> None:
    rng = np.random.default_rng(10)
    a, b = numbers(rng.normal(1.0, size=80), 2), numbers(rng.normal(size=80), 2)
    one, other = compare(MEAN, a, b), compare(MEAN, b, a)
    assert one.value == pytest.approx(one.value_a - one.value_b)
    assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low))  # type: ignore[operator]
    assert one.p == other.p
    assert (one.n, one.clusters) == (80, 40)


@pytest.mark.parametrize("name", ["bleu_4", "rouge_l", "dist_2", "unique_share", "length"])
def test_equal_outputs_do_not_differ(name: str) -> None:
    examples = scored(["what happened then ?", "i am sorry .", "oh no !"] * 4)
    found = compare(get_metric(name), examples, examples, resamples=200)
    assert (found.value, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_diversity_differences_are_found_by_swapping_whole_outputs() -> None:
    rng = np.random.default_rng(11)
    various = scored(zipf_dialogues(rng, 80))
    dull = scored(["i am sorry to hear that"] * 80)
    found = compare(get_metric("dist_2"), various, dull, resamples=300)
    assert found.low is not None and found.low > 0
    assert found.p == pytest.approx(1 / 301)
    same = compare(get_metric("dist_2"), various, scored(zipf_dialogues(rng, 80)), resamples=300)
    assert same.p > 0.05


def test_paired_interval_is_narrower_than_unpaired_noise() -> None:
    rng = np.random.default_rng(12)
    base = rng.normal(scale=10.0, size=100)
    found = compare(MEAN, numbers(base + rng.normal(0.5, size=100)), numbers(base))
    assert found.low is not None and found.high is not None
    assert found.high - found.low < 0.6
    assert found.low > 0


def test_what_cannot_be_compared_is_refused() -> None:
    a = scored(["x"] * 6)
    with pytest.raises(InputError, match="different examples"):
        compare(get_metric("length"), a, a[:5])
    with pytest.raises(InputError, match="6 of 6 examples lack reference_nll"):
        compare(get_metric("ppl_token"), a, a)


def test_few_dialogues_have_a_p_value_but_no_interval() -> None:
    a, b = numbers([1.0, 2.0, 3.0]), numbers([0.0, 0.0, 0.0])
    found = compare(MEAN, a, b, resamples=999)
    assert found.low is None and found.high is None
    assert found.p == pytest.approx(0.25, abs=0.05)  # two of eight assignments are as extreme


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_the_step_down_rule(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.2, 0.5):
        left = sorted(p_values)
        while left and left[0] * len(left) <= level:
            left.pop(0)
        rejected = sum(p <= level for p in adjusted)
        assert rejected == len(p_values) - len(left)


def test_holm_of_a_worked_example() -> None:
    # Holm 1979's procedure by hand: 4 · 0.005, 3 · 0.01, 2 · 0.03, then 0.04 below its forerunner.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == ()


def test_weights_are_multiplicities() -> None:
    drawn = np.concatenate(list(bootstrap_weights(7, 50, 0)))
    assert drawn.shape == (50, 7)
    assert (drawn.sum(1) == 7).all() and drawn.max() > 1
    kept = np.concatenate(list(subsample_weights(7, 5, 50, 0)))
    assert (kept.sum(1) == 5).all() and kept.max() == 1
    assert (kept.mean(0) > 0.4).all()


def test_resampling_memory_stays_bounded() -> None:
    sizes = [block.nbytes for block in bootstrap_weights(200_000, 50, 0)]
    assert max(sizes) <= 33_554_432
    assert len(sizes) > 1


@given(st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=8), st.data())
def test_bags_count_as_counting_does(items: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, 2), min_size=len(items), max_size=len(items)))
    poured = [x for bag, times in zip(items, chosen, strict=True) for x in bag * times]
    weights = np.array(chosen, dtype=float)
    distinct, total = bags(items).aggregate(weights)
    assert (distinct, total) == (len(set(poured)), len(poured))
    commonest, _ = bags(items, take="commonest").aggregate(weights)
    assert commonest == max((poured.count(x) for x in poured), default=0)


def test_grouping_keeps_every_sum() -> None:
    examples = scored(["a b", "b c d", "", "a a"], per_dialogue=2)
    codes, count = cluster_codes([item.cluster for item in examples])
    assert (codes.tolist(), count) == ([0, 0, 1, 1], 2)
    for name in ("bleu_2", "dist_1", "commonest_share", "length"):
        rows = get_metric(name).statistics(examples)
        grouped = rows.grouped(codes, count)
        assert len(grouped) == 2
        assert np.allclose(grouped.aggregate(np.ones(2)), rows.aggregate(np.ones(4)))
        second = np.array([0.0, 0.0, 1.0, 1.0])
        assert np.allclose(grouped.aggregate(np.array([0.0, 1.0])), rows.aggregate(second))


def test_a_failed_example_stays_in_the_interval() -> None:
    examples = scored(["what happened then ?"] * 20)
    failed = [replace(item, failed=i % 2 == 0) for i, item in enumerate(examples)]
    result = score_metric(get_metric("rouge_l"), failed)
    assert result.value == pytest.approx(50.0)
    assert result.low is not None and result.high is not None
    assert result.low < 40 and result.high > 60
