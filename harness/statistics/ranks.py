"""How sure the order of several systems is: ranks within joint resamples of the same dialogues.

Every draw resamples the dialogues once for all systems, ranks the systems within itself, and so
keeps what their answers to the same dialogues have in common. Rank 1 is best; systems of one value
share the better rank and, at the top, the draw.

The intervals hold each system's rank at its level, one system at a time. Among systems that are
nearly equal they can be too short (Mogstad et al. 2024), as any order of a tie is; whether two
systems differ is for the paired test to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.statistics.intervals import MIN_CLUSTERS
from harness.statistics.systems import Systems

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["Rank", "rank_draws", "ranks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """A system's observed rank, its 95 % interval, and the share of draws in which it is best."""

    rank: int
    low: int
    high: int
    p_best: float


def ranks(
    found: Systems,
    *,
    seed: int = 0,
    resamples: int = 2000,
    level: float = 0.95,
    draws: FloatArray | None = None,
) -> list[Rank] | None:
    """The rank of each system; None below MIN_CLUSTERS dialogues or where no value is better.

    `draws` as `found.draws` gives them. None also where a draw has no finite value.
    """
    direction = found.metric.direction
    if direction == "none" or found.count < MIN_CLUSTERS:
        return None
    if draws is None:
        draws = found.draws(seed=seed, resamples=resamples)
    if not np.isfinite(draws).all():
        return None
    return rank_draws(found.values, draws, direction=direction, level=level)


def rank_draws(
    values: FloatArray,
    draws: FloatArray,
    *,
    direction: Literal["higher", "lower"],
    level: float = 0.95,
) -> list[Rank]:
    """Ranks of k systems from their values (k,) and jointly resampled values (draws, k)."""
    sign = -1.0 if direction == "higher" else 1.0
    observed = _places(sign * values[None])[0]
    places = _places(sign * draws)
    best = places == 1
    chances = (best / best.sum(axis=1, keepdims=True)).mean(axis=0)
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(places, tails, axis=0, method="inverted_cdf")
    return [
        Rank(
            rank=int(observed[i]),
            low=int(min(low[i], observed[i])),
            high=int(max(high[i], observed[i])),
            p_best=float(chances[i]),
        )
        for i in range(len(values))
    ]


def _places(costs: FloatArray) -> IntArray:
    """(draws, k) costs → 1 + how many systems of the draw cost less, rounding apart."""
    near = 1e-9 * np.maximum(np.abs(costs), 1e-9)
    columns = [(costs < (costs[:, [i]] - near[:, [i]])).sum(axis=1) for i in range(costs.shape[1])]
    return 1 + np.stack(columns, axis=1)
