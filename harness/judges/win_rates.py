"""How often a judge prefers one system to another: both orders averaged, ties half.

The rate is the mean of the mean preference where `a` was shown first and of that where `b` was, so
a liking for a place cancels to first order even where failures hit one order more. It does not
cancel wholly: a judge with a strong liking for a place tells less, and draws every rate towards .5;
likings for length stay in. `harness.judges.bradley_terry` takes both out.

Several judges: the weighted mean of their rates. Every pair of systems is reckoned from its own
games alone, so neither a control nor another model moves its numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.judges.means import Mean, mean_of
from harness.judges.pairs import Coverage, Pair, chosen_pairs, coverage, winner
from harness.judges.verdicts import OVERALL, Game

__all__ = ["WinRate", "win_rates"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRate:
    """Of `a` over `b`: see the module's head. `wins`, `ties` and `losses` count games, for `a`.

    `rate.n` and `rate.asked` count games too, `complete` the pairs with a verdict in both orders.
    """

    criterion: str
    a: str
    b: str
    judges: tuple[str, ...]
    rate: Mean
    wins: int
    ties: int
    losses: int
    complete: int
    coverage: Coverage

    @property
    def reverse(self) -> WinRate:
        """Of `b` over `a`."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            rate=self.rate.mirrored(),
            wins=self.losses,
            losses=self.wins,
        )


def win_rates(
    games: Iterable[Game],
    *,
    criterion: str = OVERALL,
    judges: Mapping[str, float] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[WinRate, ...]:
    """Each pair of systems that met, once, `a` before `b` by name.

    `judges` weighs the judges (all alike if None); others are left out, and among those who judged
    a pair the weights are scaled to sum to 1.

    Raises:
        InputError: games contradict each other (`pairs_of`), or a weight is negative.
    """
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in chosen_pairs(games, criterion, judges):
        groups.setdefault((pair.a, pair.b), []).append(pair)
    return tuple(
        _rate(criterion, pairs, judges, seed=seed, resamples=resamples)
        for _, pairs in sorted(groups.items())
    )


def _rate(
    criterion: str,
    pairs: list[Pair],
    judges: Mapping[str, float] | None,
    *,
    seed: int,
    resamples: int,
) -> WinRate:
    orders = (True, False)
    values = [value for pair in pairs for value in pair.of_a]
    strata = [(pair.judge, order) for pair in pairs for order in orders]
    verdicts = [winner(value) for value in values if value is not None]
    return WinRate(
        criterion=criterion,
        a=pairs[0].a,
        b=pairs[0].b,
        judges=tuple(sorted({pair.judge for pair in pairs})),
        rate=mean_of(
            values,
            [pair.cluster for pair in pairs for _ in orders],
            strata=strata,
            weights={s: 1.0 if judges is None else judges[s[0]] for s in set(strata)},
            seed=seed,
            resamples=resamples,
        ),
        wins=verdicts.count(1.0),
        ties=verdicts.count(0.5),
        losses=verdicts.count(0.0),
        complete=sum(None not in pair.first for pair in pairs),
        coverage=coverage([game for pair in pairs for game in pair.games]),
    )
