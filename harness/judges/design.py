"""Games as the arrays of a Bradley–Terry fit: who met whom, who won, how long, judged by whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.errors import InputError
from harness.judges.pairs import Coverage, chosen_pairs, coverage, preference
from harness.judges.verdicts import Game

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.metrics.contract import FloatArray, IntArray

    Flags = NDArray[np.bool_]

__all__ = ["Design", "Length", "design_of"]

Length = Literal["relative", "tanh", "none"]

# Less of a term's variance than this left to itself is rounding.
_NOTHING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Design:
    """n games of K = `main` systems and then controls, failed ones included.

    `first`, `second` (n,) number the systems, `y` (n,) is the preference for the first (NaN:
    failed), `weights` (n,) the judges', `codes` (n,) the dialogue, those of main games before
    others. `signs` (n, K) is +1 for the first and −1 for the second; `terms` (n, T) the judges'
    own, named by `kinds` ("position" or "length", judge); `own` is, by judge, how much of the
    variance of the length term nothing else explains.
    """

    systems: tuple[str, ...]
    main: int
    judges: tuple[str, ...]
    first: IntArray
    second: IntArray
    y: FloatArray
    weights: FloatArray
    codes: IntArray
    main_clusters: int
    clusters: int
    signs: FloatArray
    terms: FloatArray
    kinds: tuple[tuple[str, str], ...]
    own: Mapping[str, float]
    length_unit: float
    coverage: Coverage
    notes: tuple[str, ...]

    @property
    def known(self) -> Flags:
        """(n,) games with a verdict."""
        found: Flags = ~np.isnan(self.y)
        return found

    @property
    def among_main(self) -> Flags:
        """(n,) games of two systems that are no controls."""
        found: Flags = (self.first < self.main) & (self.second < self.main)
        return found

    def against_main(self, system: int) -> Flags:
        """(n,) games of that system with systems that are no controls."""
        one: Flags = (self.first == system) & (self.second < self.main)
        other: Flags = (self.second == system) & (self.first < self.main)
        return one | other


def design_of(
    games: Iterable[Game],
    criterion: str,
    *,
    controls: Collection[str],
    judges: Mapping[str, float] | None,
    length: Length,
) -> Design:
    """See `harness.judges.bradley_terry`.

    Raises:
        InputError: there are not two systems to compare, games contradict each other, or a weight
            is negative.
    """
    pairs = chosen_pairs(games, criterion, judges)
    rows = [game for pair in pairs for game in pair.games]
    whole = coverage(rows)
    systems, number, notes = _systems(rows, controls, criterion)
    place = {system: code for code, system in enumerate(systems)}
    # Of left-out systems, and of two controls, nothing can be fitted.
    rows = [
        game
        for game in rows
        if game.first in place
        and game.second in place
        and min(place[game.first], place[game.second]) < number
    ]
    return _arrays(rows, place, number, whole, notes, judges=judges, length=length)


def _arrays(
    games: Sequence[Game],
    place: Mapping[str, int],
    number: int,
    whole: Coverage,
    notes: Sequence[str],
    *,
    judges: Mapping[str, float] | None,
    length: Length,
) -> Design:
    first = np.array([place[game.first] for game in games], dtype=np.int64)
    second = np.array([place[game.second] for game in games], dtype=np.int64)
    values = [preference(game) for game in games]
    y = np.array([np.nan if value is None else value for value in values])
    main = (first < number) & (second < number)
    fitted = main & ~np.isnan(y)
    codes, main_clusters, clusters = _codes([game.cluster for game in games], main)
    signs = np.zeros((len(games), len(place)))
    signs[range(len(games)), first] = 1.0
    signs[range(len(games)), second] = -1.0
    z, unit = _lengths(games, fitted, length)
    names = tuple(sorted({game.judge for game in games}))
    by = np.array([names.index(game.judge) for game in games], dtype=np.int64)
    terms, kinds, own, more = _terms(signs[:, :number], by, names, z, fitted, length)
    given = np.array([1.0 if judges is None else judges[name] for name in names])
    return Design(
        systems=tuple(place),
        main=number,
        judges=names,
        first=first,
        second=second,
        y=y,
        weights=(given * len(given) / given.sum())[by],
        codes=codes,
        main_clusters=main_clusters,
        clusters=clusters,
        signs=signs,
        terms=terms,
        kinds=kinds,
        own=own,
        length_unit=unit,
        coverage=whole,
        notes=(*notes, *more),
    )


def _systems(
    games: Sequence[Game], controls: Collection[str], criterion: str
) -> tuple[tuple[str, ...], int, list[str]]:
    """Systems, then controls; the number of the former; what had to be left out."""
    every = sorted({name for game in games for name in (game.first, game.second)})
    known = [game for game in games if preference(game) is not None]
    plain = [name for name in every if name not in controls]
    main = _largest_group(plain, known)
    if len(main) < 2:
        raise InputError(
            f"{', '.join(plain) or 'no system'}: no two systems have a verdict on {criterion}; a "
            "Bradley–Terry fit needs games between systems that are no controls"
        )
    met = {
        name
        for game in known
        for name, other in ((game.first, game.second), (game.second, game.first))
        if other in main
    }
    beside = [name for name in every if name in controls and name in met]
    notes = [
        f"{name} is left out: no verdict compares it with the others, even through a third"
        for name in every
        if name not in main and name not in beside
    ]
    return (*main, *beside), len(main), notes


def _largest_group(names: Sequence[str], games: Sequence[Game]) -> tuple[str, ...]:
    """The most systems that games connect; of equals the first by name."""
    near: dict[str, set[str]] = {name: set() for name in names}
    for game in games:
        if game.first in near and game.second in near:
            near[game.first].add(game.second)
            near[game.second].add(game.first)
    best: set[str] = set()
    for name in names:
        group, edge = {name}, [name]
        while edge:
            fresh = near[edge.pop()] - group
            group |= fresh
            edge.extend(fresh)
        if len(group) > len(best):
            best = group
    return tuple(sorted(best))


def _codes(clusters: Sequence[str], main: Flags) -> tuple[IntArray, int, int]:
    """Dialogues by name, those of main games first: what controls add must not move their draws."""
    own = sorted({name for name, flag in zip(clusters, main, strict=True) if flag})
    order = [*own, *sorted(set(clusters) - set(own))]
    index = {name: code for code, name in enumerate(order)}
    return np.array([index[name] for name in clusters], dtype=np.int64), len(own), len(order)


def _lengths(games: Sequence[Game], fitted: Flags, length: Length) -> tuple[FloatArray, float]:
    """z (n,) and its unit, which the games `fitted` say."""
    words = np.array([game.words for game in games], dtype=float).reshape(-1, 2)
    gap = words[:, 0] - words[:, 1]
    if length == "tanh":
        unit = float(np.sqrt((gap[fitted] ** 2).mean()))
        return np.tanh(gap / (unit or 1.0)), unit
    relative = gap / np.maximum(words.sum(1), 1.0)
    unit = float(np.sqrt((relative[fitted] ** 2).mean()))
    return relative / (unit or 1.0), unit


def _terms(
    signs: FloatArray,
    by: IntArray,
    judges: Sequence[str],
    z: FloatArray,
    fitted: Flags,
    length: Length,
) -> tuple[FloatArray, tuple[tuple[str, str], ...], dict[str, float], list[str]]:
    """The judges' terms that can be told from the systems and each other."""
    kept: list[FloatArray] = []
    kinds: list[tuple[str, str]] = []
    own = dict.fromkeys(judges, 0.0)
    notes = []
    for number, judge in enumerate(judges):
        columns = {"position": (by == number).astype(float), "length": (by == number) * z}
        for kind, column in columns.items():
            if kind == "length" and length == "none":
                continue
            share = _own_share(column[fitted], np.column_stack([signs, *kept])[fitted])
            if kind == "length":
                own[judge] = share
            if share > _NOTHING:
                kept.append(column)
                kinds.append((kind, judge))
            else:
                notes.append(
                    f"{judge}: no term for {kind}: its games do not tell it from the systems"
                )
    terms = np.stack(kept, axis=1) if kept else np.zeros((len(z), 0))
    return terms, tuple(kinds), own, notes


def _own_share(column: FloatArray, others: FloatArray) -> float:
    """1 − R² of `column` (n,) on `others` (n, p), around 0."""
    size = float(column @ column)
    if size == 0:
        return 0.0
    found = np.linalg.lstsq(others, column, rcond=None)[0]
    left = column - others @ found
    return float(left @ left) / size
