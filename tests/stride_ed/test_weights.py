"""Weights: hand-worked cases, known truths recovered, shared errors reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from harness.errors import InputError
from stride_ed.agreement import bootstrap_correlations, rank_correlations, suspicions
from stride_ed.records import Score
from stride_ed.rubric import DIMENSIONS
from stride_ed.weights import Panel, combine, make_panel, top


def panel(o: Any) -> Panel:
    o = np.asarray(o, dtype=float)
    ids = tuple(f"i{n:05}" for n in range(len(o)))
    return Panel(ids, tuple("abcdefgh"[: o.shape[1]]), o, ())


def simulated(
    qualities: list[float], *, n: int, seed: int, shared: dict[int, float] | None = None
) -> tuple[Any, Any]:
    """Truth (n) and evaluators (n, k) that correlate with it by `qualities`.

    `shared[j]` is the part of j's noise variance that all evaluators in `shared` have in common.
    """
    rng = np.random.default_rng(seed)
    truth, common = rng.normal(size=(2, n))
    columns = []
    for j, quality in enumerate(qualities):
        part = (shared or {}).get(j, 0.0)
        noise = np.sqrt(part) * common + np.sqrt(1 - part) * rng.normal(size=n)
        columns.append(quality * truth + np.sqrt(1 - quality**2) * noise)
    return truth, np.stack(columns, axis=1)


def test_correlations_are_scipys_over_shared_samples() -> None:
    rng = np.random.default_rng(0)
    o = rng.integers(1, 6, size=(60, 3)).astype(float)
    o[rng.random((60, 3)) < 0.2] = np.nan
    rho = rank_correlations(o)
    for j in range(3):
        for m in range(3):
            both = ~np.isnan(o[:, j]) & ~np.isnan(o[:, m])
            assert rho[j, m] == pytest.approx(spearmanr(o[both, j], o[both, m]).statistic)


def test_weights_by_hand() -> None:
    """ρ_ab = 1, ρ_ac = ρ_bc = −.2 of five ranks repeated: mean ρ .4, .4, −.2 → .5, .5, 0."""
    a = np.tile([1.0, 2, 3, 4, 5], 4)
    c = np.tile([2.0, 4, 5, 3, 1], 4)
    assert spearmanr(a, c).statistic == pytest.approx(-0.3)
    found = combine(panel(np.stack([a, a * 2, c], axis=1)))
    assert found.weights.tolist() == pytest.approx([0.5, 0.5, 0.0])
    assert found.effective == pytest.approx(2.0)
    uniform = combine(panel(np.stack([a, a * 2, c], axis=1)), "uniform")
    assert uniform.weights.tolist() == pytest.approx([1 / 3] * 3)


def test_grades_are_put_on_one_scale_and_missing_ones_left_out() -> None:
    harsh = {f"i{n}": Score(id=f"i{n}", values=dict.fromkeys(DIMENSIONS, 1 + n / 10))
             for n in range(20)}  # fmt: skip
    kind = {f"i{n}": Score(id=f"i{n}", values={"quality": 4 + n / 40}) for n in range(10)}
    kind["i3"] = Score(id="i3", error="not JSON")
    made = make_panel(list(harsh), {"harsh": harsh, "kind": kind})
    assert made.missing == (0, 11)
    assert np.nanmean(made.o, axis=0) == pytest.approx([0, 0])
    assert np.nanstd(made.o, axis=0) == pytest.approx([1, 1])
    found = combine(made, "uniform")
    assert found.graded.tolist() == [2, 2, 2, 1, *[2] * 6, *[1] * 10]
    assert found.score[15] == pytest.approx(made.o[15, 0])
    assert found.score[0] == pytest.approx((made.o[0, 0] + made.o[0, 1]) / 2)
    assert top(found.score, 2) == [19, 18]


def test_who_grades_all_alike_is_named_and_weighs_nothing() -> None:
    flat = {f"i{n}": Score(id=f"i{n}", values={"quality": 3.0}) for n in range(30)}
    real = {f"i{n}": Score(id=f"i{n}", values={"quality": 1 + n / 10}) for n in range(30)}
    made = make_panel(list(flat), {"flat": flat, "real": real})
    assert made.constant == ("flat",)
    assert combine(made).names == ("real",)
    with pytest.raises(InputError, match="flat"):
        combine(make_panel(list(flat), {"flat": flat}))
    with pytest.raises(InputError, match="stride evaluate"):
        make_panel(["i1"], {})


def test_no_agreement_at_all_is_an_error_that_names_them() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=200)
    with pytest.raises(InputError, match="a, b all have weight zero"):
        combine(panel(np.stack([a, -a], axis=1)))


def test_human_grades_anchor_the_weights() -> None:
    truth, o = simulated([0.9, 0.5, 0.5], n=600, seed=3, shared={1: 0.95, 2: 0.95})
    made = panel(o)
    human = {made.ids[n]: float(truth[n]) for n in range(80)}
    anchored = combine(made, "human", human=human)
    assert anchored.weights[0] == anchored.weights.max()
    # The two that share errors outvote the best one when they weigh each other.
    consensus = combine(made)
    assert consensus.weights[0] < consensus.weights[1:].sum()
    assert spearmanr(anchored.score, truth).statistic > spearmanr(consensus.score, truth).statistic
    with pytest.raises(InputError, match="10 are needed"):
        combine(made, "human", human={})


@pytest.mark.parametrize(
    "qualities", [[0.8, 0.7, 0.6, 0.5], [0.7, 0.65, 0.6, 0.55], [0.7, 0.5, 0.3]]
)
def test_known_qualities_are_recovered(qualities: list[float]) -> None:
    """Weights in the order of quality; an aggregate better than any one evaluator."""
    orders, gains = [], []
    for seed in range(20):
        truth, o = simulated(qualities, n=800, seed=seed)
        found = combine(panel(o), seed=seed)
        orders.append(spearmanr(found.weights, qualities).statistic)
        single = max(spearmanr(o[:, j], truth).statistic for j in range(len(qualities)))
        gains.append(spearmanr(found.score, truth).statistic - single)
        assert (found.intervals[:, 0] <= found.weights).all()
        assert (found.weights <= found.intervals[:, 1]).all()
    for values, least in ((orders, 0.8), (gains, 0.0)):
        low = np.mean(values) - 1.96 * np.std(values, ddof=1) / np.sqrt(len(values))
        assert low > least, values


def test_one_far_better_evaluator_beats_the_aggregate() -> None:
    """The limit of weights by consistency: they follow quality, but not steeply enough."""
    truth, o = simulated([0.9, 0.7, 0.5, 0.3], n=4000, seed=0)
    found = combine(panel(o))
    assert found.weights.argmax() == 0
    assert spearmanr(found.score, truth).statistic < spearmanr(o[:, 0], truth).statistic


def test_turns_of_a_dialogue_are_no_samples_of_their_own() -> None:
    """Forty dialogues of ten equal turns know what forty turns know, not four hundred."""
    _, o = simulated([0.7, 0.6, 0.5, 0.6], n=40, seed=2)
    rows = np.repeat(o, 10, axis=0)
    dialogues = [f"d{n // 10}" for n in range(400)]
    alone = bootstrap_correlations(o).std(0)[0, 1]
    assert bootstrap_correlations(rows, dialogues).std(0)[0, 1] == pytest.approx(alone, rel=0.3)
    assert bootstrap_correlations(rows).std(0)[0, 1] < alone / 2


def test_a_sparse_evaluator_hides_no_suspicion() -> None:
    _, o = simulated([0.7, 0.7, 0.6, 0.6, 0.6, 0.6], n=800, seed=3, shared={0: 0.95, 1: 0.95})
    o[8:, 5] = np.nan
    found = combine(panel(o))
    assert found.suspicions and found.suspicions[0].group == ("a", "b")


@pytest.mark.parametrize(
    ("qualities", "clones", "n"),
    [([0.7] * 6, (3, 4, 5), 500), ([0.8, 0.7, 0.6, 0.7, 0.6], (0, 3), 800)],
)
def test_shared_errors_are_reported(
    qualities: list[float], clones: tuple[int, ...], n: int
) -> None:
    caught = 0
    for seed in range(10):
        _, o = simulated(qualities, n=n, seed=seed, shared=dict.fromkeys(clones, 0.9))
        rho, drawn = rank_correlations(o), bootstrap_correlations(o, seed=seed, resamples=100)
        found = suspicions("abcdef"[: len(qualities)], rho, drawn)
        caught += (
            bool(found)
            and found[0].certain
            and found[0].group == tuple("abcdef"[j] for j in clones)
        )
    assert caught >= 9


@pytest.mark.parametrize(
    "qualities", [[0.7] * 6, [0.9, 0.9, 0.3, 0.3], [0.9, 0.8, 0.6, 0.4, 0.2], [0.8, 0.7, 0.6]]
)
def test_honest_evaluators_raise_no_alarm(qualities: list[float]) -> None:
    """Two good ones among poor ones agree most of all, and share nothing."""
    alarms = 0
    for seed in range(40):
        _, o = simulated(qualities, n=400, seed=seed)
        rho, drawn = rank_correlations(o), bootstrap_correlations(o, seed=seed, resamples=100)
        alarms += bool(suspicions("abcdef"[: len(qualities)], rho, drawn))
    # 5 % of 40 is 2; with probability .997 at most 6.
    assert alarms <= 6


def test_three_evaluators_leave_it_open() -> None:
    _, o = simulated([0.7, 0.7, 0.7], n=800, seed=1, shared={0: 0.95, 1: 0.95})
    rho, drawn = rank_correlations(o), bootstrap_correlations(o)
    (found,) = suspicions("abc", rho, drawn)
    assert found.group == ("a", "b") and not found.certain
    assert "either" in str(found)


def test_the_report_tells_what_each_absence_changes() -> None:
    _, o = simulated([0.9, 0.8, 0.7], n=500, seed=5)
    found = combine(panel(o), kept=100)
    for same, kept in found.without:
        assert 0.5 < same < 1 and 0.5 < kept < 1
    alone = combine(panel(o[:, :1]))
    assert alone.weights.tolist() == [1.0] and np.isnan(alone.without[0][0])
