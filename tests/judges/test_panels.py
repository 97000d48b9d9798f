"""Panels of judges: collusion recovered and reported, absences told, names indifferent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import spearmanr

from harness.errors import InputError
from harness.judges.panels import Panel, combine, independent, make_panel
from harness.judges.verdict_panels import absences, grade_panel, preference_panel, system_values
from harness.judges.verdicts import OVERALL, Game, Grade
from harness.judges.win_rates import win_rates
from tests.judges.simulated import Judge, Match, play, within_band
from tests.judges.test_controls import some_games


def colluding(
    qualities: list[float], *, n: int, seed: int, shared: dict[int, float] | None = None
) -> list[Grade]:
    """Grades of n replies of system a and b in turn, by judges that see the truth with noise.

    `shared[j]` is the part of j's noise variance that all judges in `shared` have in common.
    """
    rng = np.random.default_rng(seed)
    truth, common = rng.normal(size=(2, n))
    rows = []
    for j, quality in enumerate(qualities):
        part = (shared or {}).get(j, 0.0)
        noise = np.sqrt(part) * common + np.sqrt(1 - part) * rng.normal(size=n)
        values = quality * truth + np.sqrt(1 - quality**2) * noise
        rows += [
            Grade(
                judge="pqrstu"[j], item=f"d{i // 2:04}/{i % 2}", cluster=f"d{i // 2:04}",
                criterion="empathy", system="ab"[i % 2], value=float(values[i]), words=10,
            )
            for i in range(n)
        ]  # fmt: skip
    return rows


def test_uniform_is_the_default_and_grades_share_a_scale() -> None:
    """A harsh judge who uses half the scale counts as much as a kind one."""
    kind = colluding([0.9], n=40, seed=0)
    harsh = [replace(g, judge="h", value=1 + 0.1 * (g.value or 0)) for g in kind]
    panel = grade_panel(kind + harsh)
    assert panel.o[:, 0] == pytest.approx(panel.o[:, 1])
    found = combine(panel)
    assert found.scheme == "uniform" and found.weights.tolist() == [0.5, 0.5]
    assert found.effective == pytest.approx(2) and found.independent == pytest.approx(1)
    assert found.score == pytest.approx(panel.o[:, 0])


def test_grade_panel_by_hand() -> None:
    """Repeats are averaged; a failure is missing; ids are item/system."""
    base = Grade(
        judge="j", item="i1", cluster="d", criterion="empathy", system="a", value=1.0, words=3
    )
    rows = [
        base, replace(base, repeat=1, value=3.0), replace(base, item="i2", value=4.0),
        replace(base, item="i3", value=None, failure="cut"), replace(base, judge="k", item="i3"),
        replace(base, judge="k", criterion="wit"),
    ]  # fmt: skip
    panel = grade_panel(rows, criterion="empathy")
    assert panel.ids == ("i1/a", "i2/a", "i3/a") and panel.systems == ("a", "a", "a")
    assert panel.o[:2, 0].tolist() == [-1, 1] and np.isnan(panel.o[2, 0])
    assert panel.constant == ("k",) and panel.missing == (1, 3)
    with pytest.raises(InputError, match="has graded warmth"):
        grade_panel(rows, criterion="warmth")


def test_collusion_is_recovered_within_its_interval() -> None:
    """k / (1 + (k−1) ρ̄), Spearman's ρ of a normal pair being (6/π) asin(r/2)."""
    qualities, shared = [0.7, 0.7, 0.6, 0.6], {0: 0.9, 1: 0.9}
    r = np.outer(qualities, qualities)
    r[0, 1] = r[1, 0] = 0.49 + 0.9 * 0.51
    rho = 6 / np.pi * np.arcsin(r / 2)
    true = 4 / (1 + 3 * rho[np.triu_indices(4, 1)].mean())
    runs, hits = 60, 0
    for seed in range(runs):
        panel = grade_panel(colluding(qualities, n=200, seed=seed, shared=shared))
        low, high = combine(panel, seed=seed).independent_range
        hits += low <= true <= high
    assert within_band(hits, runs), hits
    assert independent(np.full((4, 4), 0.5)) == pytest.approx(4 / 2.5)
    assert independent(np.full((4, 4), -0.2)) == 4


def test_colluders_are_named_and_consistency_pays_them() -> None:
    grades = colluding([0.7, 0.7, 0.6, 0.6, 0.6], n=800, seed=3, shared={0: 0.9, 1: 0.9})
    panel = grade_panel(grades)
    plain, paid = combine(panel), combine(panel, "consistency")
    for found in (plain, paid):
        assert found.suspicions[0].group == ("p", "q") and found.suspicions[0].certain
    assert paid.weights[:2].sum() > plain.weights[:2].sum() == pytest.approx(0.4)
    assert paid.effective < plain.effective == pytest.approx(5)


def test_people_anchor_the_weights_and_their_intervals() -> None:
    grades = colluding([0.9, 0.5, 0.5], n=600, seed=3, shared={1: 0.95, 2: 0.95})
    truth = np.random.default_rng(3).normal(size=(2, 600))[0]
    human = {f"d{i // 2:04}/{i % 2}/{'ab'[i % 2]}": float(truth[i]) for i in range(100)}
    panel = grade_panel(grades)
    anchored = combine(panel, "human", human=human)
    known = panel.o[[panel.ids.index(i) for i in human]]
    rho = spearmanr(np.column_stack([known, list(human.values())])).statistic[:3, 3]
    assert anchored.weights == pytest.approx(rho / rho.sum())
    assert anchored.weights.argmax() == 0
    assert combine(panel, "consistency").weights.argmax() != 0
    assert anchored.rho.shape == (3, 3)
    assert (anchored.intervals[:, 0] < anchored.weights).all()
    assert (anchored.weights < anchored.intervals[:, 1]).all()


def test_dialogues_rated_by_people_are_the_draws() -> None:
    """Weights from five copies of every dialogue are as unsure as from one."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=60)
    o = truth[:, None] * [0.8, 0.4] + rng.normal(size=(60, 2))
    ids = [f"i{n:03}" for n in range(300)]
    rows, human = np.repeat(o, 5, axis=0), dict(zip(ids, np.repeat(truth, 5).tolist(), strict=True))
    grades = {
        j: {i: {"x": float(rows[n, k])} for n, i in enumerate(ids)} for k, j in enumerate("pq")
    }
    widths = [
        np.ptp(combine(make_panel(ids, grades, clusters=c), "human", human=human).intervals[0])
        for c in (None, [f"d{n // 5}" for n in range(300)])
    ]
    assert widths[1] > 1.6 * widths[0]


def test_absences_tell_whose_place_hangs_on_whom() -> None:
    """Two judges put a before b, a third the other way by more: without it a leads."""
    rows = []
    rng = np.random.default_rng(0)
    for judge, gap in (("x", 0.3), ("y", 0.3), ("z", -2.0)):
        for n in range(60):
            for system, sign in (("a", 1), ("b", -1)):
                rows.append(
                    Grade(judge=judge, item=f"i{n}", cluster=f"i{n}", criterion="empathy",
                          system=system, value=3 + sign * gap + rng.normal(), words=5)
                )  # fmt: skip
    panel = grade_panel(rows)
    found = combine(panel)
    whole = system_values(panel, found.score)
    assert whole["b"] > whole["a"]
    by_judge = {absence.judge: absence for absence in absences(panel, found)}
    assert by_judge["z"].values["a"] > by_judge["z"].values["b"]
    assert by_judge["z"].tau == -1 and by_judge["z"].moved == ("b", "a")
    assert by_judge["x"].tau == 1 and by_judge["x"].moved == ()
    alone = grade_panel([g for g in rows if g.judge == "x"])
    assert absences(alone, combine(alone)) == ()
    with pytest.raises(InputError, match="does not name the systems"):
        absences(replace(panel, systems=None), found)


def test_preferences_of_a_panel_are_its_win_rates() -> None:
    match = Match({"a": 0.5, "b": 0.0}, {"a": 20, "b": 20}, dialogues=50)
    games = [
        g
        for j, seed in (("j", 0), ("k", 1))
        for g in play(match, Judge(j, tie=0.3), np.random.default_rng(seed))
    ]
    panel = preference_panel(games)
    found = combine(panel)
    values = system_values(panel, found.score)
    (rate,) = win_rates(games, resamples=10)
    assert values["a"] == pytest.approx(rate.rate.value)
    assert values["a"] + values["b"] == pytest.approx(1)


def test_a_judge_with_one_order_has_no_preference() -> None:
    game = Game(judge="j", item="i", cluster="d", criterion=OVERALL, first="a", second="b",
                preference=1.0, words=(3, 3))  # fmt: skip
    back = replace(game, first="b", second="a", preference=0.0)
    lost = replace(back, preference=None, failure="cut")
    assert preference_panel([game, back]).o.ravel().tolist() == [1.0, 0.0]
    assert np.isnan(preference_panel([game, lost]).o).all()
    tied = [replace(g, judge="t", preference=0.5) for g in (game, back)]
    assert preference_panel([game, back, *tied]).constant == ("t",)
    with pytest.raises(InputError, match="compared anything on wit"):
        preference_panel([game], criterion="wit")


@given(some_games(), some_games())
@settings(max_examples=25, deadline=None)
def test_agreement_of_judges_does_not_hang_on_names(one: list[Game], two: list[Game]) -> None:
    games = [*one, *(replace(g, judge="k") for g in two)]
    if not games:
        return
    other = {"a": "z", "b": "y", "c": "x"}
    renamed = [replace(g, first=other[g.first], second=other[g.second]) for g in games]
    found: list[Any] = []
    for panel in (preference_panel(games), preference_panel(renamed)):
        try:
            found.append(combine(panel))
        except InputError:
            found.append(None)
    assert (found[0] is None) == (found[1] is None)
    if found[0] is not None:
        np.testing.assert_allclose(found[0].rho, found[1].rho, atol=1e-12)


def test_panel_without_a_judge_is_refused() -> None:
    with pytest.raises(InputError, match="no judge"):
        make_panel(["i"], {})
    flat = Panel(("i", "k"), ("j",), np.full((2, 1), np.nan), ("j",))
    with pytest.raises(InputError, match="alike for j"):
        combine(flat)
