"""Controls: hand-worked games, known likings recovered, failures bounded whatever they depend on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from harness.errors import InputError
from harness.judges.controls import GameControls, agreement_of_repeats, game_controls
from harness.judges.grade_controls import grade_controls, spearman_draws
from harness.judges.means import mean_of
from harness.judges.pairs import NOT_ASKED, pairs_of
from harness.judges.verdicts import OVERALL, Game, Grade
from harness.judges.win_rates import win_rates
from tests.judges.simulated import Judge, Match, grade, play, truth, within_band

MATCH = Match({"a": 0.4, "b": 0.0}, {"a": 25, "b": 18}, dialogues=40)
JUDGE = Judge(position=0.8, length=1.5, tie=0.2)
SCALE = {"empathy": (1.0, 5.0)}
MEANS = ("consistency", "first", "first_inconsistent", "lean", "ties", "longer")


def game(
    item: str, first: str, preference: float | None, words: tuple[int, int], **more: Any
) -> Game:
    second = "b" if first == "a" else "a"
    return Game(
        judge="j", item=item, cluster=item, criterion=OVERALL, first=first, second=second,
        preference=preference, words=words, **more,
    )  # fmt: skip


def by_hand() -> list[Game]:
    """Consistent; the first both times; a loss and a tie; two ties; a failure."""
    return [
        game("d1", "a", 1.0, (10, 5)), game("d1", "b", 0.0, (5, 10)),
        game("d2", "a", 1.0, (4, 8)), game("d2", "b", 1.0, (8, 4)),
        game("d3", "a", 0.0, (5, 5)), game("d3", "b", 0.5, (5, 5)),
        game("d4", "a", 0.5, (7, 9)), game("d4", "b", 0.5, (9, 7)),
        game("d5", "a", None, (3, 4), failure="timeout"), game("d5", "b", 1.0, (4, 3)),
    ]  # fmt: skip


def bounds(report: GameControls, name: str) -> tuple[float | None, float | None, float | None]:
    mean = getattr(report, name)
    return mean.least, mean.value, mean.most


def test_controls_by_hand() -> None:
    (found,) = game_controls(by_hand())
    assert (found.consistent, found.to_first, found.to_second, found.mixed) == (2, 1, 0, 1)
    assert bounds(found, "consistency") == pytest.approx((2 / 5, 2 / 4, 3 / 5))
    # Pairs: .5, 1, .25, .5; of those without the same winner 1 and .25.
    assert bounds(found, "first") == pytest.approx((2.25 / 5, 2.25 / 4, 3.25 / 5))
    assert found.first_inconsistent.value == pytest.approx(0.625)
    assert found.lean.value == pytest.approx(0.0625)
    assert bounds(found, "ties") == pytest.approx((3 / 10, 3 / 9, 4 / 10))
    # Longer a wins both; longer b wins one of two; b ties twice; equal lengths do not count.
    assert bounds(found, "longer") == pytest.approx((2 / 4, 2 / 3, 3 / 4))
    assert found.coverage.failures == (("timeout", 1),)
    assert (found.coverage.asked, found.coverage.judged, found.coverage.share) == (10, 9, 0.9)
    assert found.repeated is None and found.mass is None


def test_an_order_that_was_not_asked_is_a_failure_with_a_name() -> None:
    (found,) = game_controls(by_hand()[:-1])
    assert found.coverage.failures == ((NOT_ASKED, 1), ("timeout", 1))
    assert bounds(found, "consistency") == pytest.approx((2 / 5, 2 / 4, 3 / 5))


def test_repeats_by_hand() -> None:
    """1, 1, 0 agree once in three; 1, failed, 1 once, with two unknown."""
    found = agreement_of_repeats(
        ["x"] * 3 + ["y"] * 3 + ["z"], [1, 1, 0, 1, None, 1, 0], list("xxxyyyz")
    )
    assert found is not None and found.value == pytest.approx(2 / 4)
    assert (found.n, found.asked) == (4, 6)
    assert (found.least, found.most) == pytest.approx((2 / 6, 4 / 6))
    assert agreement_of_repeats(["x", "y"], [1, 0], ["x", "y"]) is None


def test_probabilities_count_by_the_side_they_take() -> None:
    games = [
        game("d1", "a", 0.9, (5, 5), mass=0.8), game("d1", "b", 0.45, (5, 5), mass=0.6),
        game("d2", "a", 0.6, (5, 5)), game("d2", "b", 0.8, (5, 5), mass=1.0),
    ]  # fmt: skip
    (found,) = game_controls(games)
    assert found.consistency.value == 0.5
    assert found.first.value == pytest.approx(0.75)
    assert found.lean.value == pytest.approx((0.9 + 0.45 + 0.6 + 0.8) / 4 - 0.5)
    assert found.mass is not None and found.mass.value == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("games", "said"),
    [
        ([game("d1", "a", 1.0, (1, 1))] * 2, "twice as repeat 0"),
        ([replace(game("d1", "a", 1.0, (1, 1)), second="a")], "compared with itself"),
        ([game("d1", "a", 1.5, (1, 1))], "preference is 1.5"),
        ([game("d1", "a", float("nan"), (1, 1))], "preference is nan"),
        (
            [game("d1", "a", 1.0, (1, 1)), replace(game("d1", "b", 1.0, (1, 1)), cluster="d9")],
            "belongs to two dialogues",
        ),
    ],
)
def test_contradictory_games_are_refused(games: list[Game], said: str) -> None:
    with pytest.raises(InputError, match=said):
        pairs_of(games)


def test_a_failure_is_one_even_with_a_value() -> None:
    (pair,) = pairs_of([game("d1", "a", 1.0, (1, 1), failure="cut")])
    assert pair.first == (None, None)
    assert [g.failure for g in pair.games] == ["cut", NOT_ASKED]


@pytest.mark.parametrize("judge", [JUDGE, Judge(position=-1.2, tie=0.5)], ids=["longer", "last"])
def test_likings_are_recovered_at_the_nominal_rate(judge: Judge) -> None:
    known = truth(MATCH, judge, "a", "b")
    hits = dict.fromkeys((*MEANS[:3], *MEANS[4:], "repeated"), 0)
    runs = 100
    for seed in range(runs):
        games = play(MATCH, judge, np.random.default_rng(seed), repeats=2)
        (found,) = game_controls(games, seed=seed, resamples=200)
        for name in hits:
            mean = getattr(found, name)
            hits[name] += mean.low <= getattr(known, name) <= mean.high
    assert all(within_band(count, runs) for count in hits.values()), hits


def test_no_liking_is_none() -> None:
    """Without any, the first place gets half; an inconsistent pair says nothing of either place."""
    fair = Judge(tie=0.2)
    runs = hits = split = 0
    for seed in range(100):
        games = play(MATCH, fair, np.random.default_rng(seed))
        (found,) = game_controls(games, seed=seed, resamples=200)
        for mean in (found.first, found.first_inconsistent):
            assert mean.low is not None and mean.high is not None
        runs += 1
        hits += found.first.low <= 0.5 <= found.first.high  # type: ignore[operator]
        split += found.first_inconsistent.low <= 0.5 <= found.first_inconsistent.high  # type: ignore[operator]
    assert within_band(hits, runs) and within_band(split, runs), (hits, split)


@pytest.mark.parametrize("turns", [1, 5])
def test_turns_of_one_dialogue_are_not_independent(turns: int) -> None:
    """Five copies of a dialogue know what one knows."""
    base = play(replace(MATCH, turns=1), JUDGE, np.random.default_rng(0))
    copies = [replace(g, item=f"{g.item}/{n}") for g in base for n in range(turns)]
    (found,) = game_controls(copies)
    (alone,) = game_controls(base)
    assert found.first.low == pytest.approx(alone.first.low)
    assert found.first.clusters == 40


def test_everyone_alike_leaves_what_chance_leaves() -> None:
    """20 of 20: Clopper & Pearson's 95 % interval is [.832, 1]."""
    found = mean_of([1.0] * 20, [str(n) for n in range(20)])
    assert (found.low, found.high) == (pytest.approx(0.8316, abs=1e-4), 1.0)
    few = mean_of([1.0] * 4, list("abcd"))
    assert few.value == 1 and few.low is None


def test_means_do_not_hang_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    values, names = rng.random(60).tolist(), [f"d{n % 12}" for n in range(60)]
    order = rng.permutation(60)
    found = mean_of([values[n] for n in order], [names[n] for n in order])
    assert found.low == pytest.approx(mean_of(values, names).low, abs=1e-12)


def failing(preference: float) -> float:
    """Refuses three verdicts for the first in five, and few others."""
    return 0.6 if preference == 1 else 0.05


def test_failures_that_depend_on_the_verdict_are_bounded() -> None:
    outside = 0
    for seed in range(30):
        games = play(MATCH, replace(JUDGE, fails=failing), np.random.default_rng(seed))
        whole = play(MATCH, JUDGE, np.random.default_rng(seed))
        (found,), (full,) = (game_controls(g, resamples=50) for g in (games, whole))
        (rate,), (full_rate,) = (win_rates(g, resamples=200) for g in (games, whole))
        for name in (n for n in MEANS if n != "first_inconsistent"):
            one, other = getattr(found, name), getattr(full, name)
            assert one.least <= other.value <= one.most
            assert one.least <= one.value <= one.most
        assert rate.rate.least is not None and rate.rate.most is not None
        assert full_rate.rate.value is not None
        assert rate.rate.least <= full_rate.rate.value <= rate.rate.most
        first = found.first
        assert first.low is not None and first.high is not None and full.first.value is not None
        outside += not first.low <= full.first.value <= first.high
    # What dropping them would claim is wrong nearly always: the bounds are not idle.
    assert outside > 20


def test_nothing_and_nothing_but_failures() -> None:
    assert game_controls([]) == () and grade_controls([], SCALE) == () and win_rates([]) == ()
    lost = [replace(g, preference=None, failure="timeout") for g in by_hand()]
    (found,), (rate,) = game_controls(lost), win_rates(lost)
    assert found.consistency.value is None and rate.rate.value is None
    assert (rate.rate.least, rate.rate.most) == (0.0, 1.0)
    assert found.coverage.failures == (("timeout", 10),) and found.coverage.share == 0
    failed = [replace(g, value=None, failure="prose") for g in grades_by_hand()]
    (report,) = grade_controls(failed, SCALE)
    assert report.means["a"].value is None
    assert (report.means["a"].least, report.means["a"].most) == (1.0, 5.0)


@st.composite
def some_games(draw: st.DrawFn) -> list[Game]:
    """Games of three systems on a few examples: some missing, some failed, some repeated."""
    games = []
    for number in range(draw(st.integers(1, 7))):
        for first, second in (("a", "b"), ("b", "a"), ("a", "c"), ("c", "b")):
            for repeat in range(draw(st.integers(0, 2))):
                value = draw(st.sampled_from([None, 0.0, 0.3, 0.5, 1.0]))
                lengths = {"a": number, "b": 3, "c": 4 + number}
                games.append(
                    Game(
                        judge="j", item=f"i{number}", cluster=f"d{number % 6}", criterion=OVERALL,
                        repeat=repeat, first=first, second=second, preference=value,
                        failure="cut" if value is None else None,
                        words=(lengths[first], lengths[second]),
                    )
                )  # fmt: skip
    return games


@given(some_games(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_rows_in_any_order_say_the_same(games: list[Game], random: Any) -> None:
    shuffled = random.sample(games, len(games))
    assert game_controls(shuffled, resamples=20) == game_controls(games, resamples=20)
    assert win_rates(shuffled, resamples=20) == win_rates(games, resamples=20)


@given(some_games())
@settings(max_examples=40, deadline=None)
def test_names_do_not_matter(games: list[Game]) -> None:
    other = {"a": "z", "b": "y", "c": "x"}
    renamed = [replace(g, first=other[g.first], second=other[g.second]) for g in games]
    for one, two in zip(
        game_controls(renamed, resamples=20), game_controls(games, resamples=20), strict=True
    ):
        assert one.coverage == two.coverage
        for name in MEANS:
            here, there = getattr(one, name), getattr(two, name)
            assert (here.n, here.asked) == (there.n, there.asked)
            assert (here.value is None) == (there.value is None)
            if here.value is not None:
                assert here.value == pytest.approx(there.value)


@given(some_games())
@settings(max_examples=40, deadline=None)
def test_values_lie_within_their_bounds(games: list[Game]) -> None:
    for report in game_controls(games, resamples=20):
        for name in MEANS:
            mean = getattr(report, name)
            if mean.value is not None:
                assert mean.least - 1e-12 <= mean.value <= mean.most + 1e-12


def grades_by_hand() -> list[Grade]:
    rows = [("i1", "a", 4.0, 3), ("i1", "b", 2.0, 9), ("i2", "a", 5.0, 4), ("i2", "b", None, 8)]
    return [
        Grade(
            judge="j", item=item, cluster=item, criterion="empathy", system=system, value=value,
            words=words, failure=None if value is not None else "prose", mass=0.5,
        )
        for item, system, value, words in rows
    ]  # fmt: skip


def test_grades_by_hand() -> None:
    (found,) = grade_controls(grades_by_hand(), SCALE)
    assert found.means["a"].value == 4.5
    b = found.means["b"]
    assert (b.least, b.value, b.most) == ((2 + 1) / 2, 2, (2 + 5) / 2)
    assert found.coverage.failures == (("prose", 1),)
    assert found.mass is not None and found.mass.value == 0.5
    assert found.repeated is None and found.length is None


def test_repeated_grades_by_hand() -> None:
    """3.4 and 3 are one grade, 2.5 and 3 too; 3.5 and 3 are not."""
    base = grades_by_hand()[0]
    for value, alike in ((3.4, 1.0), (2.5, 1.0), (3.5, 0.0)):
        rows = [replace(base, value=value), replace(base, value=3.0, repeat=1)]
        (found,) = grade_controls(rows, SCALE)
        assert found.repeated is not None and found.repeated.value == alike


@pytest.mark.parametrize(
    ("grades", "said"),
    [
        (grades_by_hand()[:1] * 2, "twice as repeat 0"),
        ([replace(grades_by_hand()[0], value=7.0)], "from 1 to 5"),
        ([replace(grades_by_hand()[0], criterion="wit")], "wit has no scale"),
    ],
)
def test_grades_that_cannot_be_are_refused(grades: list[Grade], said: str) -> None:
    with pytest.raises(InputError, match=said):
        grade_controls(grades, SCALE)


def test_grade_means_and_repeats_are_recovered_at_the_nominal_rate() -> None:
    match = replace(MATCH, quality={"a": 0.5, "b": -0.3})
    many = grade(replace(match, dialogues=8000), np.random.default_rng(99), repeats=2)
    known = {s: np.mean([g.value for g in many if g.system == s]) for s in ("a", "b")}
    known["repeated"] = np.mean(
        [g.value == h.value for g, h in zip(many[::2], many[1::2], strict=True)]
    )  # type: ignore[assignment]
    runs, hits = 100, dict.fromkeys(known, 0)
    for seed in range(runs):
        grades = grade(match, np.random.default_rng(seed), repeats=2)
        (found,) = grade_controls(grades, SCALE, seed=seed, resamples=200)
        for name, true in known.items():
            mean = found.repeated if name == "repeated" else found.means[name]
            assert mean is not None and mean.low is not None and mean.high is not None
            hits[name] += mean.low <= true <= mean.high
    assert all(within_band(count, runs) for count in hits.values()), hits


def test_ranks_of_weighted_rows_are_those_of_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(1, 6, 40).astype(float), rng.integers(3, 9, 40).astype(float)
    weights = rng.integers(0, 4, (5, 40))
    found = spearman_draws(x, y, weights.astype(float))
    for row, rho in zip(weights, found, strict=True):
        assert rho == pytest.approx(spearmanr(np.repeat(x, row), np.repeat(y, row)).statistic)
    assert np.isnan(spearman_draws(np.full(40, 2.1), y, np.ones((1, 40)))).all()


def test_the_correlation_with_length_is_recovered_at_the_nominal_rate() -> None:
    match = Match({"a": 0.3, "b": 0.0}, {"a": 24, "b": 18}, dialogues=40)
    many = grade(replace(match, dialogues=8000), np.random.default_rng(99), length=0.05)
    known = spearmanr([g.value for g in many], [g.words for g in many]).statistic
    hits, runs = 0, 100
    for seed in range(runs):
        (found,) = grade_controls(
            grade(match, np.random.default_rng(seed), length=0.05), SCALE, resamples=200
        )
        rho = found.length
        assert rho is not None and rho.low is not None and rho.high is not None
        hits += rho.low <= known <= rho.high
    assert within_band(hits, runs), hits


def test_a_liking_for_length_is_told_from_long_winded_systems() -> None:
    """One judge grades by length; another likes a system that is long: only `within` differs."""
    match = Match({"a": 0.0, "b": 0.0}, {"a": 30, "b": 15}, dialogues=150)
    liking = grade(match, np.random.default_rng(0), length=0.15, whole=False)
    better = grade(
        replace(match, quality={"a": 0.6, "b": -0.6}), np.random.default_rng(0), whole=False
    )
    (by_length,), (by_system,) = (grade_controls(g, SCALE) for g in (liking, better))
    for report in (by_length, by_system):
        assert report.length is not None and report.length_within is not None
    plain = spearmanr([g.value for g in better], [g.words for g in better]).statistic
    assert by_system.length is not None and by_system.length.value == pytest.approx(plain)
    assert by_system.length.low is not None and by_system.length.low > 0.2
    inner = by_system.length_within
    assert inner is not None and inner.low is not None and inner.high is not None
    assert inner.low < 0 < inner.high
    true = by_length.length_within
    assert true is not None and true.low is not None and true.low > 0.3


def test_failed_grades_are_bounded_whatever_they_depend_on() -> None:
    match = replace(MATCH, quality={"a": 0.8, "b": -0.3})

    def shy(value: float) -> float:
        return 0.5 if value <= 3 else 0.0

    for seed in range(20):
        (found,) = grade_controls(
            grade(match, np.random.default_rng(seed), fails=shy), SCALE, resamples=50
        )
        (full,) = grade_controls(grade(match, np.random.default_rng(seed)), SCALE, resamples=50)
        for system, mean in found.means.items():
            whole = full.means[system].value
            assert mean.least is not None and mean.most is not None and mean.value is not None
            assert whole is not None and mean.least <= whole <= mean.most
            assert mean.value > whole
