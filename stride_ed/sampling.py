"""A balanced training set out of a scored pool.

Target shares, with f_s the share of strategy s in the pool and d_s its difficulty (1 to 3):

    q_s ∝ f_s^(1−α) · d_s^β

α 0 keeps the pool's shares, α 1 makes all strategies alike; β > 0 favours hard ones. The formula is
ours, for the paper's "frequency × difficulty" (it prints none). Shares become whole numbers by
largest remainders, so that no strategy is off its target by one item or more. A strategy with fewer
items than its target gives all it has, and what it lacks is shared out among the others by their
q_s, again and again: the *dynamic* part. Within a strategy the best score comes first; equal scores
come in an order drawn by seed and id, so that the order of the file decides nothing.

`emotion_least` puts the best items of each emotion first, up to that many or as many as there are,
against their strategies' targets; only where these are full is a target passed, and the report
tells it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from harness.errors import InputError
from stride_ed.strategies import STRATEGIES, STRATEGY_NAMES

__all__ = ["Candidate", "Drawn", "draw", "shares", "targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An item of the pool; a higher `score` is taken earlier."""

    id: str
    strategy: str
    emotion: str
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """The ids taken, strategy by strategy, best first; targets and counts by strategy.

    `wanted` are the counts that the shares ask for if every strategy had enough; `target` those
    that the pool allows. `beyond` counts items taken beyond a target for an emotion's sake.
    """

    ids: tuple[str, ...]
    pool: Mapping[str, int]
    wanted: Mapping[str, int]
    target: Mapping[str, int]
    taken: Mapping[str, int]
    beyond: int = 0
    emotions: Mapping[str, int] = field(default_factory=dict)


def shares(counts: Mapping[str, int], *, alpha: float, beta: float) -> dict[str, float]:
    """q_s of every strategy with a count above 0; they sum to 1.

    Raises:
        InputError: α is not within 0 and 1, β is negative, or nothing is counted.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}, expected 0 (as in the pool) to 1 (all alike)")
    if not 0 <= beta <= 10:
        raise InputError(f"beta is {beta}, expected 0 (difficulty counts nothing) to 10")
    total = sum(counts.values())
    if not total:
        raise InputError("the pool is empty: nothing can be drawn")
    raw = {
        name: (counts[name] / total) ** (1 - alpha) * STRATEGIES[name].difficulty ** beta
        for name in STRATEGY_NAMES
        if counts.get(name, 0) > 0
    }
    whole = sum(raw.values())
    return {name: value / whole for name, value in raw.items()}


def targets(size: int, q: Mapping[str, float], available: Mapping[str, int]) -> dict[str, int]:
    """Whole numbers that sum to `size`, or to all there is; see the module's opening."""
    found = dict.fromkeys(q, 0)
    open_ = dict(q)
    left = min(size, sum(available[name] for name in q))
    while left:
        part = _rounded(left, open_)
        full = [name for name in open_ if part[name] > available[name]]
        if not full:
            return found | part
        for name in full:
            # Only what is exhausted is settled; the rest is shared out anew.
            left -= available[name]
            found[name] = available[name]
            del open_[name]
    return found


def _rounded(size: int, q: Mapping[str, float]) -> dict[str, int]:
    """`size` by largest remainders of `q`; equal remainders in the table's order."""
    whole = sum(q.values())
    exact = {name: size * value / whole for name, value in q.items()}
    found = {name: int(value) for name, value in exact.items()}
    order = sorted(exact, key=lambda name: (found[name] - exact[name], STRATEGY_NAMES.index(name)))
    for name in order[: size - sum(found.values())]:
        found[name] += 1
    return found


def draw(
    pool: Sequence[Candidate],
    size: int,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    emotion_least: int = 0,
    seed: int = 0,
) -> Drawn:
    """Draw `size` candidates without replacement, the same ones whatever the pool's order.

    Raises:
        InputError: the pool is smaller than `size`, an id stands in it twice, or a setting is off.
    """
    if len({candidate.id for candidate in pool}) < len(pool):
        raise InputError("an id stands twice in the pool")
    if not 0 < size <= len(pool):
        raise InputError(f"{size} examples cannot be drawn from {len(pool)}; lower --size")
    counts = Counter(candidate.strategy for candidate in pool)
    q = shares(counts, alpha=alpha, beta=beta)
    wanted, target = _rounded(size, q), targets(size, q, counts)
    ordered = sorted(pool, key=lambda c: (-c.score, Random(f"{seed}|{c.id}").random(), c.id))
    taken = _for_emotions(ordered, target, emotion_least, size)
    used = Counter(candidate.strategy for candidate in taken.values())
    beyond = sum(max(0, used[name] - target[name]) for name in target)
    rest = _settled(target, used, size - len(taken))
    for candidate in ordered:
        if candidate.id not in taken and rest[candidate.strategy] > 0:
            rest[candidate.strategy] -= 1
            taken[candidate.id] = candidate
    chosen = [c for c in ordered if c.id in taken]
    chosen.sort(key=lambda c: STRATEGY_NAMES.index(c.strategy))
    return Drawn(
        ids=tuple(c.id for c in chosen),
        pool=dict(counts),
        wanted=wanted,
        target=target,
        taken=dict(Counter(c.strategy for c in chosen)),
        beyond=beyond,
        emotions=dict(Counter(c.emotion for c in chosen)),
    )


def _for_emotions(
    ordered: Sequence[Candidate], target: Mapping[str, int], least: int, size: int
) -> dict[str, Candidate]:
    """The first `least` of each emotion, within targets where these have room."""
    taken: dict[str, Candidate] = {}
    emotions: Counter[str] = Counter()
    room = dict(target)
    # A round gives every emotion one more, so that none starves while another has many.
    for within in (True, False):
        for level in range(1, least + 1):
            for candidate in ordered:
                fits = room[candidate.strategy] > 0 or not within
                wanted = emotions[candidate.emotion] < level and candidate.id not in taken
                if fits and wanted and len(taken) < size:
                    taken[candidate.id] = candidate
                    emotions[candidate.emotion] += 1
                    room[candidate.strategy] -= 1
    return taken


def _settled(target: Mapping[str, int], used: Mapping[str, int], left: int) -> Counter[str]:
    """What each strategy still gives, `left` in all: the largest gives way first."""
    rest = Counter({name: max(0, target[name] - used.get(name, 0)) for name in target})
    while rest.total() > left:
        rest[max(rest, key=lambda name: (rest[name], -STRATEGY_NAMES.index(name)))] -= 1
    return rest
