"""Win rates: hand-worked, biased where the judge is, and nobody else's business."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from harness.errors import InputError
from harness.judges.verdicts import Game
from harness.judges.win_rates import WinRate, win_rates
from tests.judges.simulated import Judge, Match, play, truth, within_band
from tests.judges.test_controls import by_hand, game, some_games

MATCH = Match({"a": 0.4, "b": 0.0}, {"a": 25, "b": 18}, dialogues=40)


def only(games: list[Game], **options: Any) -> WinRate:
    (found,) = win_rates(games, **options)
    return found


def test_win_rate_by_hand() -> None:
    """a shown first: 1, 1, 0, .5, failed; b shown first: 1, 0, .5, .5, 0 for a."""
    found = only(by_hand())
    assert (found.a, found.b, found.judges) == ("a", "b", ("j",))
    assert found.rate.value == pytest.approx((2.5 / 4 + 2 / 5) / 2)
    assert found.rate.least == pytest.approx((2.5 / 5 + 2 / 5) / 2)
    assert found.rate.most == pytest.approx((3.5 / 5 + 2 / 5) / 2)
    assert (found.wins, found.ties, found.losses, found.complete) == (3, 3, 3, 4)
    assert (found.rate.n, found.rate.asked) == (9, 10)
    assert found.coverage.failures == (("timeout", 1),)


def test_the_other_side_is_the_mirror() -> None:
    found = only(by_hand())
    swapped = [
        replace(g, first={"a": "b", "b": "a"}[g.first], second={"a": "b", "b": "a"}[g.second])
        for g in by_hand()
    ]
    other, mirror = only(swapped), found.reverse
    assert (other.wins, other.ties, other.losses) == (mirror.wins, mirror.ties, mirror.losses)
    assert (mirror.a, mirror.b) == ("b", "a")
    for name in ("value", "low", "high", "least", "most"):
        assert getattr(other.rate, name) == pytest.approx(getattr(mirror.rate, name))
    assert mirror.reverse.rate.value == pytest.approx(found.rate.value)


def test_failures_in_one_order_let_no_liking_in() -> None:
    """A judge who always takes the first, and fails where b stands there: a and b stay even."""
    games = [game(f"d{n}", "a", 1.0, (5, 5)) for n in range(40)]
    games += [game(f"d{n}", "b", 1.0, (5, 5)) for n in range(10)]
    games += [game(f"d{n}", "b", None, (5, 5), failure="timeout") for n in range(10, 40)]
    found = only(games)
    assert found.rate.value == 0.5
    plain = np.mean([1.0] * 40 + [0.0] * 10)
    assert plain == 0.8
    assert found.rate.least == 0.5 and found.rate.most == pytest.approx(0.5 + 30 / 80)


def test_with_one_order_alone_there_is_no_rate() -> None:
    found = only([game(f"d{n}", "a", 1.0, (5, 5)) for n in range(20)])
    assert found.rate.value is None and found.rate.low is None
    assert (found.rate.least, found.rate.most) == (0.5, 1.0)
    assert found.coverage.failures == (("not asked", 20),)


def test_judges_are_weighed() -> None:
    one = [
        g
        for n in range(8)
        for g in (game(f"d{n}", "a", 1.0, (5, 5)), game(f"d{n}", "b", 0.0, (5, 5)))
    ]
    other = [replace(g, judge="k", preference=0.5) for g in one]
    assert only(one + other).rate.value == pytest.approx(0.75)
    assert only(one + other, judges={"j": 3.0, "k": 1.0}).rate.value == pytest.approx(0.875)
    assert only(one + other, judges={"k": 1.0}).judges == ("k",)
    # More repeats of one judge are no more votes.
    again = [replace(g, repeat=r) for g in other for r in range(5)]
    assert only(one + again).rate.value == pytest.approx(0.75)
    with pytest.raises(InputError, match="0 or more"):
        win_rates(one, judges={"j": -1.0})


@given(some_games())
@settings(max_examples=40, deadline=None)
def test_swapping_names_mirrors_every_rate(games: list[Game]) -> None:
    """a ↔ b, in the order of names too: every rate turns, to the last digit but rounding."""
    other = {"a": "b", "b": "a", "c": "c"}
    swapped = [replace(g, first=other[g.first], second=other[g.second]) for g in games]
    rates = {(r.a, r.b): r for r in win_rates(swapped, resamples=20)}
    for rate in win_rates(games, resamples=20):
        names = other[rate.a], other[rate.b]
        mirror = rates[names] if names in rates else rates[names[::-1]].reverse
        for name in ("value", "low", "high", "least", "most"):
            here, there = getattr(rate.rate, name), getattr(mirror.rate, name)
            assert (here is None) == (there is None)
            assert here is None or here == pytest.approx(there)


@given(some_games())
@settings(max_examples=30, deadline=None)
def test_nobody_else_moves_a_rate(games: list[Game]) -> None:
    """A model or control that joins, on the same dialogues and more, leaves every digit."""
    met = [g for g in games if (g.first, g.second, g.repeat) == ("a", "b", 0)]
    joined = [
        replace(g, second="null", preference=1.0, failure=None, item=f"{mark}{g.item}",
                cluster=f"{mark}{g.cluster}" if mark else g.cluster)
        for g in met
        for mark in ("", "n")
    ]  # fmt: skip
    before = win_rates(games, resamples=20)
    after = win_rates([*joined, *games], resamples=20)
    assert before == tuple(r for r in after if "null" not in (r.a, r.b))


def test_raw_rates_are_recovered_and_are_not_the_truth() -> None:
    """Intervals hold what the judge would say for ever; that is not which system is better."""
    judge = Judge(position=1.0, length=2.0, tie=0.1)
    known = truth(MATCH, judge, "a", "b")
    rates = [
        only(play(MATCH, judge, np.random.default_rng(seed)), seed=seed, resamples=200).rate
        for seed in range(150)
    ]
    hits = sum(r.low <= known.raw <= r.high for r in rates)  # type: ignore[operator]
    assert within_band(hits, len(rates)), hits
    values = np.array([r.value for r in rates])
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert abs(values.mean() - known.raw) < 3.5 * error
    assert values.mean() - known.controlled > 5 * error
