"""Agreement statistics against worked examples of the papers that define them, and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judges.agreement import (
    best_epsilon,
    ceiling,
    icc,
    kendall,
    krippendorff,
    pairwise,
    spearman,
    weighted_kappa,
    with_interval,
    within,
    z_scored,
)

# Shrout & Fleiss 1979, Table 2: six targets, four judges.
SHROUT = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
# Krippendorff 2011, section C/D/E: four observers, twelve units, some missing.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def table(rows: list[list[float]]) -> dict[str, dict[str, float]]:
    return {f"i{n}": {f"r{m}": float(v) for m, v in enumerate(row)} for n, row in enumerate(rows)}


UNITS = {
    f"u{n}": {f"o{m}": float(row[n]) for m, row in enumerate(OBSERVERS) if row[n] is not None}  # type: ignore[arg-type]
    for n in range(12)
}


def test_icc_of_shrout_and_fleiss() -> None:
    found = icc(table(SHROUT))
    assert found is not None
    assert (round(found.single, 2), round(found.mean, 2), found.k) == (0.17, 0.44, 4)
    assert ceiling(found) == pytest.approx(math.sqrt(found.mean))


def test_icc_needs_two_raters_somewhere() -> None:
    assert icc({"a": {"r": 1.0}, "b": {"s": 2.0}}) is None
    assert icc({}) is None
    found = icc({"a": {"r": 1.0, "s": 1.0}, "b": {"r": 1.0, "s": 1.0}})
    assert found is not None and found.single == 0


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_of_krippendorff(level: str, alpha: float) -> None:
    assert krippendorff(UNITS, level=level) == pytest.approx(alpha, abs=6e-4)  # type: ignore[arg-type]


def test_alpha_without_pairs_or_without_difference() -> None:
    assert krippendorff({"a": {"r": 1.0}}, level="interval") is None
    assert krippendorff({"a": {"r": 1.0, "s": 1.0}}, level="interval") == 1.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=3, max_size=30))
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    a, b = (np.array(x, dtype=float) for x in zip(*pairs, strict=True))
    found = weighted_kappa(a, b, low=1, high=5)
    if len({*a, *b}) == 1:
        assert math.isnan(found)
        return
    theirs = cohen_kappa_score(a, b, weights="quadratic", labels=[1, 2, 3, 4, 5])
    assert found == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 20), min_size=3, max_size=3), min_size=4, max_size=12),
    st.floats(0.1, 9),
    st.floats(-5, 5),
)
def test_order_of_raters_and_unit_of_the_scale_do_not_matter(
    rows: list[list[int]], scale: float, shift: float
) -> None:
    plain = table([[float(v) for v in row] for row in rows])
    turned = table([[float(v) for v in reversed(row)] for row in rows])
    other = table([[scale * v + shift for v in row] for row in rows])
    one = icc(plain)
    assert one is not None
    for changed in (turned, other):
        found = icc(changed)
        assert found is not None
        assert found.single == pytest.approx(one.single, abs=1e-6)
        assert krippendorff(changed, level="interval") == pytest.approx(
            krippendorff(plain, level="interval"), abs=1e-6
        )


def test_ranks_with_ties() -> None:
    from scipy.stats import kendalltau, spearmanr

    a, b = np.array([1.0, 2, 2, 4, 5]), np.array([3.0, 1, 4, 4, 9])
    assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert kendall(a, b) == pytest.approx(kendalltau(a, b).statistic)
    assert math.isnan(spearman(a, np.ones(5)))


def test_pairs_by_hand() -> None:
    human, judge = np.array([1.0, 2.0, 2.0]), np.array([0.1, 0.5, 0.52])
    # Pairs: 1 < 2 right, 1 < 2 right, 2 = 2 but the judge prefers one: 2 of 3; tied at ε = .05.
    assert pairwise(human, judge) == pytest.approx(2 / 3)
    assert pairwise(human, judge, epsilon=0.05) == 1.0
    assert math.isnan(pairwise(human[:1], judge[:1]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 9)), min_size=2, max_size=12))
def test_the_best_epsilon_is_the_best(pairs: list[tuple[int, int]]) -> None:
    human, judge = (np.array(x, dtype=float) for x in zip(*pairs, strict=True))
    found = pairwise(human, judge, epsilon=best_epsilon(human, judge))
    assert found == max(pairwise(human, judge, epsilon=e) for e in range(10))


def test_z_scores_take_a_raters_habits_away() -> None:
    found = z_scored({"a": {"mild": 5.0, "harsh": 1.0}, "b": {"mild": 3.0, "harsh": 0.0}})
    assert found["a"]["mild"] == pytest.approx(found["a"]["harsh"])
    assert z_scored({"a": {"r": 4.0}})["a"]["r"] == 0.0


def test_within_systems_only_what_is_beyond_their_means_is_left() -> None:
    found = within(np.array([1.0, 3.0, 10.0, 12.0]), ["a", "a", "b", "b"])
    assert found.tolist() == [-1, 1, -1, 1]


def test_intervals_cover_the_truth_over_clusters() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        shared = np.repeat(rng.normal(size=40), 3)
        a = shared + rng.normal(size=120)
        found = with_interval(
            lambda rows, a=a: float(a[rows].mean()),
            [f"c{n // 3}" for n in range(120)], seed=trial, resamples=300,
        )  # fmt: skip
        assert found.low is not None and found.high is not None
        covered += found.low <= 0 <= found.high
    assert 52 <= covered <= 60


def test_few_clusters_have_no_interval() -> None:
    found = with_interval(lambda rows: float(len(rows)), ["a", "b", "b"])
    assert (found.value, found.low, found.n) == (3.0, None, 3)
