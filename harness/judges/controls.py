"""What a judge's games say about the judge: liking for a place, for length, for itself.

Over the pairs (both orders of one comparison; see `harness.judges.pairs`) of one judge on one
criterion, each with an interval over resampled dialogues and the bounds that failures leave:

    consistency         share of pairs with the same winner after swapping (two ties are the same;
                        a tie and a win are not): Shi et al. 2024, arXiv 2406.07791
    first               share of wins that went to the first place, ties half; .5 without bias,
                        since every reply stands there once
    first_inconsistent  the same among the pairs without the same winner: 1 always the first
    lean                mean preference for the first less .5: for judges who give probabilities
    ties                share of games that are ties
    longer              preference for the longer reply, both orders averaged. Longer may be better:
                        what length alone is worth `harness.judges.bradley_terry` says
    repeated            share of repeats of a game, two by two, that name the same winner
    mass                mean probability that fell on valid score tokens
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from harness.judges.means import Mean, mean_of
from harness.judges.pairs import Coverage, Pair, coverage, pairs_of, preference, winner
from harness.judges.verdicts import Game, Verdict

__all__ = ["GameControls", "agreement_of_repeats", "game_controls", "mean_mass"]

V = TypeVar("V", bound=Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GameControls:
    """See the module's head; `repeated` and `mass` are None where there are none.

    `consistent`, `to_first`, `to_second` and `mixed` count the complete pairs: the same winner,
    the first place both times, the second both times, a tie and a win.
    """

    judge: str
    criterion: str
    coverage: Coverage
    consistent: int
    to_first: int
    to_second: int
    mixed: int
    consistency: Mean
    first: Mean
    first_inconsistent: Mean
    lean: Mean
    ties: Mean
    longer: Mean
    repeated: Mean | None
    mass: Mean | None


def game_controls(
    games: Iterable[Game], *, seed: int = 0, resamples: int = 1000
) -> tuple[GameControls, ...]:
    """One report for each judge and criterion, in order of their names.

    Raises:
        InputError: games contradict each other; see `pairs_of`.
    """
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs_of(games):
        groups.setdefault((pair.judge, pair.criterion), []).append(pair)
    options = {"seed": seed, "resamples": resamples}
    return tuple(_report(judge, name, pairs, options) for (judge, name), pairs in groups.items())


def _report(
    judge: str, criterion: str, pairs: Sequence[Pair], options: Mapping[str, Any]
) -> GameControls:
    games = [game for pair in pairs for game in pair.games]
    places = [_places(pair) for pair in pairs]
    kinds = [place for place in places if place is not None]
    split = [pair for pair, place in zip(pairs, places, strict=True) if place and not _same(place)]

    def over(values: Sequence[float | None], rows: Sequence[Pair] = pairs, **more: Any) -> Mean:
        return mean_of(values, [row.cluster for row in rows], **options, **more)

    return GameControls(
        judge=judge,
        criterion=criterion,
        coverage=coverage(games),
        consistent=sum(map(_same, kinds)),
        to_first=kinds.count((1.0, 1.0)),
        to_second=kinds.count((0.0, 0.0)),
        mixed=sum(0.5 in place and not _same(place) for place in kinds),
        consistency=over([None if place is None else float(_same(place)) for place in places]),
        first=over([None if place is None else sum(place) / 2 for place in places]),
        first_inconsistent=over([_halved(_places(pair)) for pair in split], split),
        lean=over([_lean(pair) for pair in pairs], scale=(-0.5, 0.5)),
        ties=_ties(games, options),
        longer=_longer(pairs, options),
        repeated=agreement_of_repeats(
            [(game.item, game.first, game.second) for game in games],
            [_verdict(game) for game in games],
            [game.cluster for game in games],
            **options,
        ),
        mass=mean_mass(games, **options),
    )


def _places(pair: Pair) -> tuple[float, float] | None:
    """Whether the first place won in either game; None unless both have a verdict."""
    one, other = pair.first
    return None if one is None or other is None else (winner(one), winner(other))


def _same(place: tuple[float, float]) -> bool:
    """The reply that won in the first place won in the second, or neither won."""
    return place[0] == 1 - place[1]


def _halved(place: tuple[float, float] | None) -> float | None:
    return None if place is None else sum(place) / 2


def _lean(pair: Pair) -> float | None:
    one, other = pair.first
    return None if one is None or other is None else (one + other) / 2 - 0.5


def _verdict(game: Game) -> float | None:
    value = preference(game)
    return None if value is None else winner(value)


def _ties(games: Sequence[Game], options: Mapping[str, Any]) -> Mean:
    verdicts = [_verdict(game) for game in games]
    values = [None if verdict is None else float(verdict == 0.5) for verdict in verdicts]
    return mean_of(values, [game.cluster for game in games], **options)


def _longer(pairs: Sequence[Pair], options: Mapping[str, Any]) -> Mean:
    uneven = [pair for pair in pairs if pair.words[0] != pair.words[1]]
    values: list[float | None] = []
    for pair in uneven:
        one, other = pair.of_a
        of_a = None if one is None or other is None else (one + other) / 2
        longer_a = pair.words[0] > pair.words[1]
        values.append(of_a if of_a is None or longer_a else 1 - of_a)
    return mean_of(values, [pair.cluster for pair in uneven], **options)


def agreement_of_repeats(
    asked: Sequence[Hashable],
    verdicts: Sequence[float | None],
    clusters: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Mean | None:
    """Share of repeats of one question, two by two, with the same verdict; None without repeats.

    Rows (n): what was asked, what was said (None: failed), the dialogue.
    """
    cells: dict[Hashable, list[int]] = {}
    for row, question in enumerate(asked):
        cells.setdefault(question, []).append(row)
    values: list[float | None] = []
    dialogues: list[str] = []
    for rows in cells.values():
        for one, other in combinations(rows, 2):
            said = verdicts[one], verdicts[other]
            values.append(None if None in said else float(said[0] == said[1]))
            dialogues.append(clusters[one])
    return mean_of(values, dialogues, seed=seed, resamples=resamples) if values else None


def mean_mass(verdicts: Sequence[V], *, seed: int = 0, resamples: int = 1000) -> Mean | None:
    """Mean mass of the verdicts that have one; None where none has."""
    known = [verdict for verdict in verdicts if verdict.mass is not None]
    if not known:
        return None
    return mean_of(
        [verdict.mass for verdict in known],
        [verdict.cluster for verdict in known],
        seed=seed,
        resamples=resamples,
    )
