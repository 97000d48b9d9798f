"""Strengths of systems from all games at once, with the judge's likings as terms of their own.

    logit P(first wins) = θ_first − θ_second + γ_j + β_j z

Bradley & Terry 1952, with a term for the first place (Davidson & Beaver 1977) and one for length as
in Arena's style control: z = (words of the first − of the second) / (their sum), in units of its
root mean square. `length="tanh"` is AlpacaEval's form (Dubois et al. 2024): tanh of the difference
over its root mean square. γ_j and β_j are judge j's own. With them set to 0,

    win rate of a over b = σ(θ_a − θ_b)

is what it would be for replies of equal length and a judge without a liking for a place. That takes
length for no merit: where longer replies are better *because* they are longer, too much is taken
out. Where examples differ much, γ_j and β_j are smaller than on any one of them, as averages of
log-odds are: rates stay right, and the shares of `harness.judges.controls` need no model. A term
that cannot be told from the systems (one order only; replies of each system all alike in length) is
left out, and said to be.

Dialogues are resampled and everything is fitted again, so intervals, ranks and chances of being
best come from the same joint draws. *Controls* (a null reply, a constant, the longest of two) are
fitted afterwards, each against the strengths of the others, which they therefore do not move.
A system that won (or lost) everything has an interval with one open end: with C dialogues alike, a
share of at most 1 − .025^{1/C} others bounds it (as in `harness.judges.means`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judges.agreement import Estimate
from harness.judges.design import Design, Length, design_of
from harness.judges.logistic import fit, sigmoid
from harness.judges.means import outward
from harness.judges.pairs import Coverage
from harness.judges.verdicts import OVERALL, Game
from harness.statistics import MIN_CLUSTERS, Rank, bootstrap_weights
from harness.statistics.ranks import rank_draws

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["Bias", "Length", "Rate", "Strength", "Strengths", "bradley_terry"]

# Resamples × games at once: 2**20 of 8 bytes.
_BLOCK = 2**20
_ALPHA = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """A system: θ in log-odds, mean 0 over the systems that are no controls.

    `win_rate` is its controlled one, averaged over the others that are no controls; `least` and
    `most` are what it would be if every failed game of the system had been lost, or won. `rank` is
    None for controls, and below MIN_CLUSTERS dialogues.
    """

    system: str
    control: bool
    games: int
    failed: int
    theta: Estimate
    win_rate: Estimate
    least: float
    most: float
    rank: Rank | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """A judge's terms in log-odds: for the first place, and per unit of length; None: left out.

    `length_own` is the share of z's variance that the systems and the place do not explain: the
    smaller, the less can be said of length.
    """

    judge: str
    position: Estimate | None
    length: Estimate | None
    length_own: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The controlled win rate of `a` over `b`; `met` is how many games of the two were judged."""

    a: str
    b: str
    value: Estimate
    met: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """Best first, controls after the systems; `rates` has each two systems once, but
    not two controls.

    `length_unit` is what one unit of a length term is: z's root mean square (.2 means 120 words
    against 80), with "tanh" that of the difference in words. `notes` say what was left out.
    """

    criterion: str
    length: Length
    length_unit: float
    systems: tuple[Strength, ...]
    biases: tuple[Bias, ...]
    rates: tuple[Rate, ...]
    coverage: Coverage
    clusters: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """θ and terms (K + T), their draws (R, K + T) or None, and the fit with streaks softened."""

    whole: FloatArray
    draws: FloatArray | None
    streaks: IntArray
    soft: FloatArray


def bradley_terry(
    games: Iterable[Game],
    *,
    criterion: str = OVERALL,
    controls: Collection[str] = (),
    judges: Mapping[str, float] | None = None,
    length: Length = "relative",
    seed: int = 0,
    resamples: int = 1000,
) -> Strengths:
    """Fit all games on `criterion`; `judges` weighs the judges (all alike if None).

    Systems that cannot be compared with the others, even through a third, are left out.

    Raises:
        InputError: fewer than two systems that are no controls can be compared, or games contradict
            each other (`pairs_of`), or a weight is negative.
    """
    made = design_of(games, criterion, controls=controls, judges=judges, length=length)
    whole = _fitted(made, made.y, np.ones((1, made.clusters)))[0]
    draws = None
    if made.main_clusters >= MIN_CLUSTERS:
        weights = _weights(made, seed, resamples)
        draws = _fitted(made, made.y, weights, start=whole)
    streaks = _streaks(made)
    soft = whole
    if streaks.any():
        soft = _fitted(made, _softened(made, streaks), np.ones((1, made.clusters)))[0]
    found = _Fit(whole, draws, streaks, soft)
    return Strengths(
        criterion=criterion,
        length=length,
        length_unit=made.length_unit,
        systems=_strengths(made, found),
        biases=_biases(made, found),
        rates=_rates(made, found),
        coverage=made.coverage,
        clusters=made.clusters,
        notes=made.notes,
    )


def _weights(made: Design, seed: int, resamples: int) -> FloatArray:
    """(R, C); dialogues that only controls have are drawn apart, after the others."""
    parts = [np.concatenate(list(bootstrap_weights(made.main_clusters, resamples, seed)))]
    beside = made.clusters - made.main_clusters
    if beside:
        parts.append(np.concatenate(list(bootstrap_weights(beside, resamples, seed + 1))))
    return np.concatenate(parts, axis=1)


def _fitted(
    made: Design, y: FloatArray, weights: FloatArray, *, start: FloatArray | None = None
) -> FloatArray:
    """(R, K + T): strengths of all systems, then the judges' terms, for weights (R, C)."""
    size = max(1, _BLOCK // max(len(y), 1))
    blocks = [
        _block(made, y, weights[begin : begin + size], start)
        for begin in range(0, len(weights), size)
    ]
    return np.concatenate(blocks)


def _block(
    made: Design, y: FloatArray, weights: FloatArray, start: FloatArray | None
) -> FloatArray:
    count, main = len(made.systems), made.main
    found = np.zeros((len(weights), count + made.terms.shape[1]))
    columns = [*range(main), *range(count, found.shape[1])]
    known = ~np.isnan(y)
    rows = np.flatnonzero(known & made.among_main)
    x = np.column_stack([made.signs[rows, :main], made.terms[rows]])
    given = weights[:, made.codes[rows]] * made.weights[rows]
    found[:, columns] = fit(x, y[rows], given, start=None if start is None else start[columns])
    # Each component of a fit with a ridge sums to 0; said again against rounding.
    found[:, :main] -= found[:, :main].mean(1, keepdims=True)
    for system in range(main, count):
        rows = np.flatnonzero(known & made.against_main(system))
        other = np.delete(np.column_stack([made.signs[rows], made.terms[rows]]), system, axis=1)
        offset = np.delete(found, system, axis=1) @ other.T
        given = weights[:, made.codes[rows]] * made.weights[rows]
        begin = None if start is None else start[[system]]
        one = made.signs[rows][:, [system]]
        found[:, [system]] = fit(one, y[rows], given, start=begin, offset=offset)
    return found


def _streaks(made: Design) -> IntArray:
    """(K,): 1 where a system won everything that counts, −1 where it lost it, else 0."""
    found = np.zeros(len(made.systems), dtype=np.int64)
    for system in range(len(made.systems)):
        rows = made.known & made.against_main(system)
        own = np.where(made.first[rows] == system, made.y[rows], 1 - made.y[rows])
        found[system] = int((own > 1 - 1e-9).all()) - int((own < 1e-9).all())
    return found


def _softened(made: Design, streaks: IntArray) -> FloatArray:
    """y with as many games of a streak turned as the dialogues do not rule out."""
    y = made.y.copy()
    for system in np.flatnonzero(streaks):
        rows = made.known & made.against_main(int(system))
        count = len(set(made.codes[rows].tolist()))
        turned = 1 - (_ALPHA / 2) ** (1 / count)
        y[rows] = np.where(made.y[rows] > 0.5, 1 - turned, turned)
    return y


def _estimate(value: float, draws: FloatArray | None, made: Design, n: int) -> Estimate:
    if draws is None:
        return Estimate(value, None, None, n)
    low, high = np.quantile(draws, outward(made.main_clusters))
    return Estimate(value, float(low), float(high), n)


def _strengths(made: Design, found: _Fit) -> tuple[Strength, ...]:
    main = made.main
    ranks = None
    if found.draws is not None:
        ranks = rank_draws(found.whole[:main], found.draws[:, :main], direction="higher")
    rows = []
    for number, name in enumerate(made.systems):
        met = made.against_main(number)
        games = int((met & made.known).sum())
        value = float(_mean_rate(found.whole[None], number, main)[0])
        theta, rate = _intervals(made, found, number, games)
        failed = int((met & ~made.known).sum())
        least, most = _bounds(made, number) if failed else (value, value)
        rows.append(
            Strength(
                system=name,
                control=number >= main,
                games=games,
                failed=failed,
                theta=theta,
                win_rate=rate,
                least=least,
                most=most,
                rank=ranks[number] if ranks and number < main else None,
            )
        )
    return tuple(sorted(rows, key=lambda s: (s.control, -(s.theta.value or 0.0), s.system)))


def _intervals(made: Design, found: _Fit, number: int, n: int) -> tuple[Estimate, Estimate]:
    """Of θ and of the mean controlled win rate; a streak's open end is None, and 1 or 0."""
    value = float(found.whole[number])
    rate = float(_mean_rate(found.whole[None], number, made.main)[0])
    if found.streaks[number] and found.draws is not None:
        bound = float(found.soft[number])
        share = float(_mean_rate(found.soft[None], number, made.main)[0])
        if found.streaks[number] > 0:
            return Estimate(value, bound, None, n), Estimate(rate, min(share, rate), 1.0, n)
        return Estimate(value, None, bound, n), Estimate(rate, 0.0, max(share, rate), n)
    drawn = None if found.draws is None else _mean_rate(found.draws, number, made.main)
    own = None if found.draws is None else found.draws[:, number]
    return _estimate(value, own, made, n), _estimate(rate, drawn, made, n)


def _mean_rate(theta: FloatArray, number: int, main: int) -> FloatArray:
    """(R, ≥ K) → (R,): the mean over the others that are no controls of σ(θ − θ_other)."""
    others = [other for other in range(main) if other != number]
    found: FloatArray = sigmoid(theta[:, [number]] - theta[:, others]).mean(1)
    return found


def _bounds(made: Design, number: int) -> tuple[float, float]:
    """The mean win rate with every failed game of the system lost, and won."""
    ends = []
    for won in (0.0, 1.0):
        y = made.y.copy()
        rows = made.against_main(number) & ~made.known
        y[rows] = np.where(made.first[rows] == number, won, 1 - won)
        theta = _fitted(made, y, np.ones((1, made.clusters)))
        ends.append(float(_mean_rate(theta, number, made.main)[0]))
    return ends[0], ends[1]


def _biases(made: Design, found: _Fit) -> tuple[Bias, ...]:
    n = int((made.known & made.among_main).sum())
    terms: dict[tuple[str, str], Estimate] = {}
    for column, kind in enumerate(made.kinds, start=len(made.systems)):
        drawn = None if found.draws is None else found.draws[:, column]
        terms[kind] = _estimate(float(found.whole[column]), drawn, made, n)
    return tuple(
        Bias(
            judge=judge,
            position=terms.get(("position", judge)),
            length=terms.get(("length", judge)),
            length_own=made.own[judge],
        )
        for judge in made.judges
    )


def _rates(made: Design, found: _Fit) -> tuple[Rate, ...]:
    rows = []
    for one in range(len(made.systems)):
        for other in range(one + 1, len(made.systems)):
            if one >= made.main:
                continue
            pair = (one, other)
            met = np.isin(made.first, pair) & np.isin(made.second, pair) & made.known
            value = _pair_rate(made, found, one, other, int(met.sum()))
            rows.append(Rate(a=made.systems[one], b=made.systems[other], value=value, met=value.n))
    return tuple(rows)


def _pair_rate(made: Design, found: _Fit, a: int, b: int, n: int) -> Estimate:
    value = float(sigmoid(found.whole[a] - found.whole[b]))
    drawn = None if found.draws is None else sigmoid(found.draws[:, a] - found.draws[:, b])
    plain = _estimate(value, drawn, made, n)
    lean = int(found.streaks[a] - found.streaks[b])
    if plain.low is None or plain.high is None or not lean:
        return plain
    bound = float(sigmoid(found.soft[a] - found.soft[b]))
    if lean > 0:
        return Estimate(value, min(bound, plain.low), 1.0, n)
    return Estimate(value, 0.0, max(bound, plain.high), n)
