"""Games paired: the same judge, example, criterion and repeat, once in either order.

A judge's liking for a place shows in the difference of the two orders and cancels in their mean, so
a pair is what is counted. An order that was not asked counts as a failure, named `not asked`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.errors import InputError
from harness.judges.verdicts import Game, Grade, Verdict

__all__ = [
    "NOT_ASKED",
    "Coverage",
    "Pair",
    "chosen_pairs",
    "coverage",
    "pairs_of",
    "preference",
    "winner",
]

NOT_ASKED = "not asked"
UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`a` and `b` (a < b by name) on one example: the game with `a` first, and with `b` first."""

    judge: str
    item: str
    cluster: str
    criterion: str
    repeat: int
    a: str
    b: str
    a_first: Game | None
    b_first: Game | None

    @property
    def games(self) -> tuple[Game, Game]:
        """Both games; one that was not asked stands there as failed."""
        one, other = self.a_first, self.b_first
        if one is None:
            assert other is not None
            one = _absent(other)
        return one, _absent(one) if other is None else other

    @property
    def first(self) -> tuple[float | None, float | None]:
        """The preference for whichever was shown first, in either game; None: failed."""
        return preference(self.a_first), preference(self.b_first)

    @property
    def of_a(self) -> tuple[float | None, float | None]:
        """The preference for `a` in either game; None: failed."""
        one, other = self.first
        return one, None if other is None else 1 - other

    @property
    def words(self) -> tuple[int, int]:
        """The lengths of a's and b's replies."""
        return self.games[0].words


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many verdicts were asked for, how many came, and the failures by name, most first."""

    asked: int
    judged: int
    failures: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float | None:
        """Of what was asked, how much came; None where nothing was asked."""
        return self.judged / self.asked if self.asked else None


def _absent(game: Game) -> Game:
    """The other order of `game`, not asked."""
    return replace(
        game,
        first=game.second,
        second=game.first,
        words=(game.words[1], game.words[0]),
        preference=None,
        mass=None,
        failure=NOT_ASKED,
        reason="this order was not asked",
    )


def preference(game: Game | None) -> float | None:
    """What counts of a game: nothing where it failed, even if a value stands there."""
    return None if game is None or game.failure is not None else game.preference


def winner(value: float) -> float:
    """1 the first, 0 the second, .5 neither, of a preference that may come from probabilities."""
    return 0.5 if abs(value - 0.5) < 1e-9 else float(value > 0.5)


def pairs_of(games: Iterable[Game]) -> list[Pair]:
    """Every pair that was met, in order of judge, criterion, example, systems and repeat.

    Raises:
        InputError: a game stands twice, is of a system with itself, has two dialogues for one
            example, or a preference outside [0, 1].
    """
    found: dict[tuple[str, str, str, str, str, int], dict[bool, Game]] = {}
    clusters: dict[str, str] = {}
    for game in games:
        _check(game)
        if clusters.setdefault(game.item, game.cluster) != game.cluster:
            raise InputError(
                f"{game.item} belongs to two dialogues, {clusters[game.item]} and {game.cluster}"
            )
        a, b = sorted((game.first, game.second))
        key = (game.judge, game.criterion, game.item, a, b, game.repeat)
        orders = found.setdefault(key, {})
        if (game.first == a) in orders:
            raise InputError(
                f"{game.judge} judged {game.first} before {game.second} on {game.item} twice as "
                f"repeat {game.repeat} ({game.criterion}); number repeats apart"
            )
        orders[game.first == a] = game
    return [
        Pair(
            judge=judge,
            item=item,
            cluster=clusters[item],
            criterion=criterion,
            repeat=repeat,
            a=a,
            b=b,
            a_first=orders.get(True),
            b_first=orders.get(False),
        )
        for (judge, criterion, item, a, b, repeat), orders in sorted(
            found.items(), key=lambda pair: pair[0]
        )
    ]


def chosen_pairs(
    games: Iterable[Game], criterion: str, judges: Mapping[str, float] | None
) -> list[Pair]:
    """`pairs_of` the games on `criterion`, of the judges with a weight; of all if None.

    Raises:
        InputError: as `pairs_of`; or a weight is negative or no number.
    """
    if judges is not None and not all(0 <= weight < math.inf for weight in judges.values()):
        raise InputError(f"judges' weights are {dict(judges)}: expected numbers, 0 or more")
    return pairs_of(
        game
        for game in games
        if game.criterion == criterion and (judges is None or judges.get(game.judge, 0) > 0)
    )


def _check(game: Game) -> None:
    if game.first == game.second:
        raise InputError(f"{game.item}: {game.first} was compared with itself")
    value = preference(game)
    if value is not None and not 0 <= value <= 1:
        raise InputError(
            f"{game.item}: {game.judge}'s preference is {value}; expected 0 (the second) to 1"
        )


def coverage(verdicts: Sequence[Verdict]) -> Coverage:
    """Of grades or games."""
    lost: Counter[str] = Counter()
    for verdict in verdicts:
        value = verdict.value if isinstance(verdict, Grade) else None
        value = verdict.preference if isinstance(verdict, Game) else value
        if verdict.failure is not None or value is None:
            lost[verdict.failure or UNNAMED] += 1
    named = tuple(sorted(lost.items(), key=lambda pair: (-pair[1], pair[0])))
    return Coverage(asked=len(verdicts), judged=len(verdicts) - lost.total(), failures=named)
