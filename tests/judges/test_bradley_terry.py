"""Strengths: against scikit-learn and published numbers, likings recovered, controls apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.special import expit, logit

from harness.errors import InputError
from harness.judges.bradley_terry import Strengths, bradley_terry
from harness.judges.logistic import RIDGE
from harness.judges.verdicts import OVERALL, Game
from tests.judges.simulated import Judge, Match, play, truth, within_band
from tests.judges.test_controls import some_games

FOUR = Match({"a": 0.5, "b": 0.0, "c": -0.2, "d": 0.1}, {"a": 25, "b": 18, "c": 12, "d": 20})


def thetas(found: Strengths) -> dict[str, float]:
    return {s.system: s.theta.value or 0.0 for s in found.systems}


def beaten(winner: str, loser: str, number: int, words: tuple[int, int] = (9, 9)) -> list[Game]:
    """One example on which `winner` wins in both orders."""
    return [
        Game(
            judge="j", item=f"{winner}{loser}{number}", cluster=f"c{number}", criterion=OVERALL,
            first=first, second=second, preference=float(first == winner),
            words=words if first == winner else words[::-1],
        )
        for first, second in ((winner, loser), (loser, winner))
    ]  # fmt: skip


def by_sklearn(games: list[Game], *, tanh: bool = False) -> tuple[dict[str, float], float, float]:
    """θ, γ, β by scikit-learn: a game is a win of weight y and a loss of weight 1 − y."""
    from sklearn.linear_model import LogisticRegression

    rows = [g for g in games if g.preference is not None]
    names = sorted({g.first for g in rows} | {g.second for g in rows})
    gap = np.array([g.words[0] - g.words[1] for g in rows], dtype=float)
    z = gap / np.array([sum(g.words) for g in rows])
    z = np.tanh(gap / np.sqrt((gap**2).mean())) if tanh else z / np.sqrt((z**2).mean())
    x = np.zeros((len(rows), len(names) + 2))
    for row, g in enumerate(rows):
        x[row, names.index(g.first)], x[row, names.index(g.second)] = 1, -1
    x[:, -2], x[:, -1] = 1, z
    y = np.array([g.preference for g in rows])
    model = LogisticRegression(C=1 / RIDGE, fit_intercept=False, tol=1e-12, max_iter=100_000)
    model.fit(
        np.concatenate([x, x]),
        np.repeat([1, 0], len(rows)),
        sample_weight=np.concatenate([y, 1 - y]),
    )
    b = model.coef_[0]
    theta = b[: len(names)] - b[: len(names)].mean()
    return dict(zip(names, theta, strict=True)), float(b[-2]), float(b[-1])


@pytest.mark.parametrize("length", ["relative", "tanh"])
@pytest.mark.parametrize("soft", [False, True])
def test_fit_is_scikit_learns(length: Any, soft: bool) -> None:
    judge = Judge(position=0.7, length=1.5, tie=0.3, soft=soft, fails=lambda p: 0.1)
    games = play(FOUR, judge, np.random.default_rng(0))
    found = bradley_terry(games, length=length, resamples=10)
    theta, position, per_length = by_sklearn(games, tanh=length == "tanh")
    assert thetas(found) == pytest.approx(theta, abs=1e-5)
    (bias,) = found.biases
    assert bias.position is not None and bias.length is not None
    assert bias.position.value == pytest.approx(position, abs=1e-5)
    assert bias.length.value == pytest.approx(per_length, abs=1e-5)


def test_published_example() -> None:
    """Wikipedia, "Bradley–Terry model": four teams, wins of row over column; after twenty rounds
    p = .640, 1.043, .660, 2.270, with geometric mean 1."""
    wins = {"ab": 2, "ad": 1, "ba": 3, "bc": 5, "cb": 3, "cd": 1, "da": 4, "dc": 3}
    games = [g for pair, n in wins.items() for i in range(n) for g in beaten(*pair, i)]
    found = bradley_terry(games, resamples=10)
    strength = {s: np.exp(t) for s, t in thetas(found).items()}
    assert [round(strength[s], 2) for s in "abcd"] == [0.64, 1.04, 0.66, 2.27]
    assert found.systems[0].system == "d"


def test_two_systems_are_the_log_odds_of_their_rate() -> None:
    games = [g for n in range(30) for g in beaten("a", "b", n)]
    games += [g for n in range(30, 40) for g in beaten("b", "a", n)]
    found = bradley_terry(games, resamples=10)
    theta = thetas(found)
    assert theta["a"] - theta["b"] == pytest.approx(logit(0.75), rel=1e-3)
    assert found.rates[0].value.value == pytest.approx(0.75, abs=1e-3)
    assert found.systems[0].win_rate.value == pytest.approx(0.75, abs=1e-3)


def test_ridge_takes_as_little_as_it_says() -> None:
    """Of n nearly even games: .04/n of the size, of each side of the difference."""
    games = [g for n in range(11) for g in beaten("a", "b", n)]
    games += [g for n in range(11, 20) for g in beaten("b", "a", n)]
    theta = thetas(bradley_terry(games, resamples=10))
    lost = 1 - (theta["a"] - theta["b"]) / logit(0.55)
    assert 0 < lost < 0.04 / 40


@pytest.mark.parametrize("spread", [0.0, 0.8])
def test_rates_after_control_are_unbiased_and_intervals_hold(spread: float) -> None:
    """Raw ones are neither. The a that is longer gains; so does whoever stands first."""
    match = Match({"a": 0.3, "b": 0.0, "c": -0.4}, {"a": 26, "b": 15, "c": 18}, spread=spread,
                  dialogues=40)  # fmt: skip
    judge = Judge(position=0.8, length=1.5)
    known = {(a, b): truth(match, judge, a, b) for a, b in combinations("abc", 2)}
    runs = 100
    hits = dict.fromkeys(known, 0)
    values: dict[Any, list[float]] = {pair: [] for pair in known}
    for seed in range(runs):
        games = play(match, judge, np.random.default_rng(seed))
        found = bradley_terry(games, seed=seed, resamples=200)
        for rate in found.rates:
            value, true = rate.value, known[rate.a, rate.b].controlled
            assert value.low is not None and value.high is not None and value.value is not None
            hits[rate.a, rate.b] += value.low <= true <= value.high
            values[rate.a, rate.b].append(value.value)
    assert all(within_band(count, runs) for count in hits.values()), hits
    for pair, true in known.items():
        error = np.std(values[pair], ddof=1) / np.sqrt(runs)
        assert abs(np.mean(values[pair]) - true.controlled) < 4 * error
    assert known["a", "b"].raw - known["a", "b"].controlled > 0.03


def test_likings_are_recovered_at_the_nominal_rate() -> None:
    match = replace(FOUR, spread=0.0, dialogues=40, turns=1)
    judge = Judge(position=0.7, length=1.5)
    runs, hits = 100, {"position": 0, "length": 0}
    for seed in range(runs):
        games = play(match, judge, np.random.default_rng(seed))
        found = bradley_terry(games, seed=seed, resamples=200)
        (bias,) = found.biases
        assert bias.position is not None and bias.length is not None
        low, high = bias.position.low, bias.position.high
        hits["position"] += low <= 0.7 <= high  # type: ignore[operator]
        # One unit of the term is `length_unit` of the relative difference.
        low, high = (end / found.length_unit for end in (bias.length.low, bias.length.high))  # type: ignore[operator]
        hits["length"] += low <= 1.5 <= high
    assert all(within_band(count, runs) for count in hits.values()), hits


def test_each_judge_has_likings_of_its_own() -> None:
    match = replace(FOUR, spread=0.0, dialogues=200)
    games = [
        g
        for judge in (Judge("first", position=1.0), Judge("long", length=2.0))
        for g in play(match, judge, np.random.default_rng(0))
    ]
    found = bradley_terry(games, resamples=100)
    first, long = found.biases
    assert (first.judge, long.judge) == ("first", "long")
    for bias, position, length in ((first, 1.0, 0.0), (long, 0.0, 2.0)):
        assert bias.position is not None and bias.length is not None
        assert bias.position.low < position < bias.position.high  # type: ignore[operator]
        low, high = bias.length.low, bias.length.high
        assert low / found.length_unit < length < high / found.length_unit  # type: ignore[operator]
    alone = bradley_terry(games, judges={"long": 1.0}, resamples=10)
    assert alone.biases[0].judge == "long" and len(alone.biases) == 1
    weighed = bradley_terry(games, judges={"long": 1.0, "first": 1e-9}, resamples=10)
    assert thetas(weighed) == pytest.approx(thetas(alone), abs=1e-3)


def test_controls_move_nobody() -> None:
    match = Match({"a": 0.5, "b": 0.0, "c": 0.2}, {"a": 20, "b": 22, "c": 18})
    judge = Judge(position=0.6, length=1.0)
    games = play(match, judge, np.random.default_rng(1))
    wide = Match({**match.quality, "null": -2.0, "longest": 0.4},
                 {**match.words, "null": 1, "longest": 40})  # fmt: skip
    more = [
        g
        for g in play(wide, judge, np.random.default_rng(2))
        if {g.first, g.second} & {"null", "longest"}
    ]
    beside = [replace(g, item=f"0{g.item}", cluster=f"0{g.cluster}") for g in more]
    names = ("null", "longest")
    alone = bradley_terry(games, controls=names, resamples=100)
    for added in (more, more + beside):
        joined = bradley_terry(games + added, controls=names, resamples=100)
        assert joined.systems[:3] == alone.systems
        assert joined.biases == alone.biases and joined.length_unit == alone.length_unit
        both = {(r.a, r.b): r for r in joined.rates}
        assert all(both[r.a, r.b] == r for r in alone.rates)
        assert [s.system for s in joined.systems[3:]] == ["longest", "null"]
        assert all(s.control and s.rank is None for s in joined.systems[3:])
    moved = bradley_terry(games + more, resamples=100)
    assert thetas(moved) != pytest.approx(thetas(alone), abs=0.01)


def test_a_controls_strength_is_what_fits_it_best() -> None:
    """Where the model holds, fitting a control afterwards finds what it is worth."""
    match = Match({"a": 0.5, "b": -0.5, "null": -1.5}, {"a": 20, "b": 20, "null": 20}, spread=0,
                  dialogues=400)  # fmt: skip
    games = play(match, Judge(position=0.5), np.random.default_rng(0))
    null = bradley_terry(games, controls=["null"], resamples=200).systems[-1]
    assert null.theta.low is not None and null.theta.high is not None
    assert null.theta.low < -1.5 < null.theta.high
    assert null.win_rate.value == pytest.approx(expit([-2, -1]).mean(), abs=0.02)


def test_ranks_hold_the_truth() -> None:
    match = Match({"a": 0.6, "b": 0.2, "c": 0.0}, {"a": 20, "b": 20, "c": 20}, dialogues=30)
    order, runs, held, best = ["a", "b", "c"], 60, 0, []
    for seed in range(runs):
        found = bradley_terry(play(match, Judge(), np.random.default_rng(seed)), resamples=200)
        for s in found.systems:
            assert s.rank is not None
            held += s.rank.low <= order.index(s.system) + 1 <= s.rank.high
        best.append(sum(s.rank.p_best for s in found.systems if s.rank))
    assert held >= 0.93 * 3 * runs
    assert best == pytest.approx([1.0] * runs)


def test_who_always_wins_has_an_open_end() -> None:
    """In 40 dialogues a true rate of .97 shows no loss in three runs of ten."""
    games = [g for n in range(40) for g in beaten("a", "b", n)]
    found = bradley_terry(games, resamples=50)
    a, b = found.systems
    assert a.theta.high is None and b.theta.low is None
    assert a.win_rate.high == 1.0 and b.win_rate.low == 0.0
    # Clopper & Pearson, 40 of 40: [.912, 1].
    assert found.rates[0].value.low == pytest.approx(0.912, abs=0.002)
    assert a.win_rate.low == pytest.approx(0.912, abs=0.002)
    assert b.win_rate.high == pytest.approx(0.088, abs=0.002)


def test_failed_games_are_counted_and_bounded() -> None:
    judge = Judge(position=0.5, fails=lambda p: 0.5 if p == 1 else 0.0)
    match = Match({"a": 0.5, "b": 0.0}, {"a": 20, "b": 20}, dialogues=40)
    games = play(match, judge, np.random.default_rng(0))
    found = bradley_terry(games, resamples=50)
    lost = sum(g.failure is not None for g in games)
    assert found.coverage.failures == (("refused", lost),)
    a = next(s for s in found.systems if s.system == "a")
    assert (a.failed, a.games) == (lost, len(games) - lost)
    for end, name in ((0.0, "least"), (1.0, "most")):
        filled = [
            replace(g, preference=end if g.first == "a" else 1 - end, failure=None)
            if g.failure
            else g
            for g in games
        ]
        rate = bradley_terry(filled, resamples=10).rates[0].value.value
        assert getattr(a, name) == pytest.approx(rate)
    assert a.least < a.win_rate.value < a.most  # type: ignore[operator]


def test_what_cannot_be_told_is_said() -> None:
    rng = np.random.default_rng(0)
    match = Match({"a": 0.5, "b": 0.0}, {"a": 20, "b": 12})
    games = play(match, Judge(position=1.0), rng)
    one_order = bradley_terry([g for g in games if g.first == "a"], resamples=10)
    assert one_order.biases[0].position is None
    assert any("position" in note for note in one_order.notes)
    assert one_order.coverage.failures == (("not asked", len(games) // 2),)
    lengths = {"a": 20, "b": 10}
    stiff = [replace(g, words=(lengths[g.first], lengths[g.second])) for g in games]
    found = bradley_terry(stiff, resamples=10)
    assert found.biases[0].length is None and found.biases[0].length_own < 1e-6
    assert any("length" in note for note in found.notes)
    even = bradley_terry([replace(g, words=(0, 0)) for g in games], resamples=10)
    assert even.biases[0].length is None and thetas(even) == pytest.approx(thetas(found))
    plain = bradley_terry(games, length="none", resamples=10)
    assert plain.biases[0].length is None and not plain.notes


def test_who_met_nobody_is_left_out_and_named() -> None:
    games = [g for pair in ("ab", "bc", "de") for n in range(6) for g in beaten(*pair, n)]
    games += [replace(g, preference=None, failure="cut") for g in beaten("f", "a", 0)]
    found = bradley_terry(games, controls=["f"], resamples=10)
    assert [s.system for s in found.systems] == ["a", "b", "c"]
    assert [note.split()[0] for note in found.notes if "left out" in note] == ["d", "e", "f"]
    with pytest.raises(InputError, match="no two systems"):
        bradley_terry(games, controls=["a", "b", "c", "d"], resamples=10)
    lost = [replace(g, preference=None, failure="cut") for g in games]
    for none in ([], lost):
        with pytest.raises(InputError, match="no two systems"):
            bradley_terry(none, resamples=10)
    with pytest.raises(InputError, match="0 or more"):
        bradley_terry(games, judges={"j": -1.0})


def test_few_dialogues_have_no_interval() -> None:
    games = [g for pair in ("ab", "ba", "bc", "cb") for n in range(4) for g in beaten(*pair, n)]
    found = bradley_terry(games, resamples=10)
    assert all(s.rank is None and s.theta.low is None for s in found.systems)
    assert all(r.value.low is None and r.value.value is not None for r in found.rates)


@given(some_games())
@settings(max_examples=30, deadline=None)
def test_names_places_and_order_do_not_matter(games: list[Game]) -> None:
    other = {"a": "z", "b": "y", "c": "x"}
    renamed = [replace(g, first=other[g.first], second=other[g.second]) for g in games[::-1]]
    # Every game told from the other side: what was first is second, and the liking turns.
    turned = [
        replace(g, first=g.second, second=g.first, words=g.words[::-1],
                preference=None if g.preference is None else 1 - g.preference)
        for g in games
    ]  # fmt: skip
    try:
        found = bradley_terry(games, resamples=10)
    except InputError:
        for changed in (renamed, turned):
            with pytest.raises(InputError):
                bradley_terry(changed, resamples=10)
        return
    theta = thetas(found)
    if len({frozenset((g.first, g.second)) for g in games if g.preference is not None}) > 1:
        other_found = bradley_terry(renamed, resamples=10)
        assert {other[s]: t for s, t in theta.items()} == pytest.approx(
            thetas(other_found), abs=1e-6
        )
    mirror = bradley_terry(turned, resamples=10)
    assert theta == pytest.approx(thetas(mirror), abs=1e-6)
    here, there = found.biases[0].position, mirror.biases[0].position
    assert (here is None) == (there is None)
    if here is not None and there is not None:
        assert here.value == pytest.approx(-(there.value or 0.0), abs=1e-6)
