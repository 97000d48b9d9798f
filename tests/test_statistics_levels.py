"""Intervals cover and tests reject as often as they say, under dialogues whose turns correlate.

Simulations with a known truth, through the code that `score` and `compare` run: 2,000 trials of a
95 % event have a standard error of 0.5 points, 3,000 trials of a 5 % event one of 0.4.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.metrics import get_metric
from harness.metrics.arrays import Additive
from harness.metrics.contract import Metric
from harness.metrics.scores import mean
from harness.statistics import Systems, cluster_codes, differences, interval
from tests.metrics.build import scored
from tests.metrics.published import replies

FloatArray = NDArray[np.float64]
Sample = Callable[[np.random.Generator, int], FloatArray]

# The score of columns (value, count): a mean over examples, whatever they are called.
MEAN = Metric(
    name="mean",
    signature="mean|v1",
    direction="higher",
    unit="",
    range=(-np.inf, np.inf),
    description="Mean.",
    statistics=lambda scored: Additive(np.zeros((len(scored), 2))),
    score=mean,
)
BLEU = get_metric("bleu_4")


def grouped_turns(rng: np.random.Generator, size: int) -> FloatArray:
    """Dialogues of 2–4 turns with intra-class correlation .5: (size, 2), sums and counts."""
    turns = rng.integers(2, 5, size)
    own = np.sqrt(turns) * rng.normal(size=size)
    return np.stack([turns * rng.normal(size=size) + own, turns], axis=1)


def grouped_hits(rng: np.random.Generator, size: int) -> FloatArray:
    """The same of right and wrong answers, .35 of them right."""
    turns = rng.integers(2, 5, size)
    return np.stack([rng.binomial(turns, rng.beta(0.35, 0.65, size)), turns], axis=1).astype(float)


def covered(
    sample: Sample, truth: float, *, size: int, metric: Metric = MEAN, trials: int = 2000
) -> float:
    """How often the interval of a value from `size` dialogues holds the truth."""
    rng = np.random.default_rng(size)
    names = [str(i) for i in range(size)]
    hits = 0
    for trial in range(trials):
        rows = Additive(sample(rng, size))
        value = float(metric.score(rows.values.sum(axis=0)))
        found = interval(metric, rows, names, value=value, seed=trial, resamples=500)
        assert found is not None
        hits += found[0] <= truth <= found[1]
    return hits / trials


def both(metric: Metric, a: FloatArray, b: FloatArray) -> Systems:
    """Two systems whose statistics per dialogue are given."""
    rows = (Additive(a), Additive(b))
    values = np.array([float(metric.score(found.sum(axis=0))) for found in (a, b)])
    return Systems(
        metric=metric,
        scored=((), ()),
        examples=rows,
        rows=rows,
        codes=np.arange(len(a)),
        count=len(a),
        values=values,
    )


@pytest.mark.parametrize("size", [8, 20, 60])
def test_interval_of_a_mean_covers_whatever_the_number_of_dialogues(size: int) -> None:
    # With 8 dialogues an interval of a shape unknown has little to go by.
    least = 0.91 if size == 8 else 0.93
    assert least <= covered(grouped_turns, 0.0, size=size) <= 0.97


@pytest.mark.parametrize("size", [20, 60])
def test_interval_of_accuracy_covers(size: int) -> None:
    assert 0.93 <= covered(grouped_hits, 0.35, size=size) <= 0.97


def test_turns_taken_as_independent_claim_too_much() -> None:
    rng = np.random.default_rng(1)
    naive = clustered = 0
    for trial in range(500):
        turns = rng.integers(2, 5, 40)
        owners = np.repeat(np.arange(40), turns)
        values = rng.normal(size=40)[owners] + rng.normal(size=len(owners))
        rows = Additive(np.stack([values, np.ones(len(values))], axis=1))
        for names in (owners, np.arange(len(owners))):
            clusters = [str(name) for name in names]
            found = interval(
                MEAN, rows, clusters, value=float(values.mean()), seed=trial, resamples=400
            )
            assert found is not None
            hit = found[0] <= 0 <= found[1]
            clustered, naive = (
                (clustered + hit, naive) if names is owners else (clustered, naive + hit)
            )
    # Standard errors are 1.45 times too small (EVALUATION 2.1 measured 1.49): coverage is then 82 %.
    assert naive / 500 < 0.87
    assert 0.92 <= clustered / 500 <= 0.98


def synthetic_population(seed: int, size: int = 3000) -> FloatArray:
    """BLEU statistics of dialogues whose replies take some words over from the reference."""
    rng = np.random.default_rng(seed)
    chances = 1 / np.arange(1, 301) ** 1.1
    chances /= chances.sum()
    said, meant, owners = [], [], []
    for dialogue in range(size):
        kept = rng.beta(1.0, 2.0)
        for _ in range(rng.integers(1, 4)):
            reference = rng.choice(300, rng.integers(4, 16), p=chances)
            other = rng.choice(300, len(reference), p=chances)
            reply = np.where(rng.random(len(reference)) < kept, reference, other)
            said.append(" ".join(f"w{word}" for word in reply))
            meant.append(" ".join(f"w{word}" for word in reference))
            owners.append(dialogue)
    values = BLEU.statistics(scored(said, meant))
    return values.grouped(np.array(owners), size).values  # type: ignore[attr-defined,no-any-return]


def from_population(population: FloatArray) -> tuple[Sample, float]:
    """Dialogues drawn from it, and its own BLEU as the truth."""
    truth = float(BLEU.score(population.sum(axis=0)))
    return lambda rng, size: population[rng.integers(len(population), size=size)], truth


@pytest.mark.parametrize("size", [100, 300])
def test_interval_of_corpus_bleu_covers(size: int) -> None:
    sample, truth = from_population(synthetic_population(2))
    assert 0.93 <= covered(sample, truth, size=size, metric=BLEU) <= 0.97


def published_population(data: Path, system: str) -> FloatArray:
    examples = replies(data, system)
    codes, count = cluster_codes([item.cluster for item in examples])
    return BLEU.statistics(examples).grouped(codes, count).values  # type: ignore[attr-defined,no-any-return]


def test_interval_of_published_bleu_covers(real_data: Path) -> None:
    sample, truth = from_population(published_population(real_data, "TRS"))
    assert 0.93 <= covered(sample, truth, size=200, metric=BLEU) <= 0.97


@pytest.mark.parametrize("size", [8, 20, 60])
def test_interval_of_a_difference_covers(size: int) -> None:
    rng = np.random.default_rng(size)
    hits = 0
    for trial in range(2000):
        a, b = grouped_turns(rng, size), grouped_turns(rng, size)
        a[:, 1] = b[:, 1] = 3.0
        (found,) = differences(
            both(MEAN, a, b), [(0, 1)], seed=trial, resamples=400, test="bootstrap"
        )
        assert found.low is not None and found.high is not None
        hits += found.low <= 0 <= found.high
    assert 0.93 <= hits / 2000 <= 0.97


def sacrebleu_p(systems: Systems, *, seed: int, resamples: int) -> float:
    """The p-value of sacreBLEU's paired bootstrap from the same resamples, by its own function."""
    from sacrebleu.significance import _compute_p_value

    draws = systems.draws(seed=seed, resamples=resamples)
    sizes = np.abs(draws[:, 0] - draws[:, 1])
    return float(_compute_p_value(sizes - sizes.mean(), abs(systems.values[0] - systems.values[1])))


def rejections(
    pairs: Callable[[np.random.Generator], tuple[FloatArray, FloatArray]],
    metric: Metric,
    *,
    trials: int = 3000,
    resamples: int = 399,
) -> dict[str, float]:
    """How often each test says p ≤ .05 of two systems that do not differ."""
    rng = np.random.default_rng(trials)
    counts = {"randomisation": 0, "bootstrap": 0, "sacrebleu": 0}
    for trial in range(trials):
        systems = both(metric, *pairs(rng))
        draws = systems.draws(seed=trial, resamples=resamples)
        for test in ("randomisation", "bootstrap"):
            (found,) = differences(
                systems,
                [(0, 1)],
                seed=trial,
                resamples=resamples,
                test=test,
                draws=draws,
            )
            counts[test] += found.p <= 0.05
        counts["sacrebleu"] += sacrebleu_p(systems, seed=trial, resamples=resamples) <= 0.05
    return {test: count / trials for test, count in counts.items()}


def test_tests_of_a_mean_reject_a_true_null_at_their_level_and_sacrebleus_does_not() -> None:
    def pairs(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        turns = rng.integers(2, 5, 60)
        shared = rng.normal(size=60)
        a, b = (turns * (shared + rng.normal(size=60)) for _ in range(2))
        return np.stack([a, turns], axis=1), np.stack([b, turns], axis=1)

    found = rejections(pairs, MEAN)
    assert 0.04 <= found["randomisation"] <= 0.06
    assert 0.04 <= found["bootstrap"] <= 0.06
    # EVALUATION 2.2 measured 12.1 % for that rule, and 15.5 % for sacreBLEU 2.6.0 on BLEU.
    assert found["sacrebleu"] > 0.09


def swapped_at_random(
    a: FloatArray, b: FloatArray, size: int
) -> Callable[[np.random.Generator], tuple[FloatArray, FloatArray]]:
    """Draws of two populations that cannot differ: each dialogue's two answers in either order."""

    def pairs(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        drawn = rng.integers(len(a), size=size)
        turned = rng.integers(2, size=(size, 1)) == 1
        return np.where(turned, b[drawn], a[drawn]), np.where(turned, a[drawn], b[drawn])

    return pairs


def test_tests_of_published_bleu_reject_a_true_null_at_their_level(real_data: Path) -> None:
    a, b = (published_population(real_data, system) for system in ("TRS", "MoEL"))
    found = rejections(swapped_at_random(a, b, 400), BLEU, trials=2000)
    assert 0.04 <= found["randomisation"] <= 0.06
    assert 0.04 <= found["bootstrap"] <= 0.06
    assert found["sacrebleu"] > 0.09


def test_power_is_what_was_planned() -> None:
    from harness.statistics.power import Spread

    # Differences per dialogue of standard deviation 1: with 100 dialogues 0.28 is seen at 80 %.
    effect = Spread(1.0).detectable(100)
    rng = np.random.default_rng(9)
    seen = 0
    for trial in range(1000):
        b = np.stack([rng.normal(size=100), np.ones(100)], axis=1)
        a = b + np.stack([rng.normal(effect, size=100), np.zeros(100)], axis=1)
        (found,) = differences(both(MEAN, a, b), [(0, 1)], seed=trial, resamples=199)
        seen += found.p <= 0.05
    assert 0.76 <= seen / 1000 <= 0.84
