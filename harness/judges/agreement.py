"""How far raters, judges and metrics agree, and how far they could.

    icc(x)            one-way random, Shrout & Fleiss 1979: ICC(1,1) and ICC(1,k)
    weighted_kappa    Cohen 1968, quadratic weights, over the whole scale
    krippendorff      Krippendorff 2011; nominal, ordinal or interval; raters may be missing
    spearman, kendall ranks with ties (τ-b)
    pairwise          share of pairs put in the same order, ties counted (Deutsch et al. 2023)
    ceiling           √ICC(1,k): the most that anything can correlate with the mean of k raters

Every one takes plain arrays; `with_interval` adds a percentile interval over resampled clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "Estimate",
    "Icc",
    "Level",
    "best_epsilon",
    "ceiling",
    "icc",
    "kendall",
    "krippendorff",
    "pairwise",
    "spearman",
    "weighted_kappa",
    "with_interval",
    "within",
    "z_scored",
]

Level = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval (None where there are too few clusters) and its n."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Icc:
    """ICC(1,1) of one rater and ICC(1,k) of the mean of `k`, their number, averaged."""

    single: float
    mean: float
    k: float


def icc(ratings: Mapping[str, Mapping[str, float]]) -> Icc | None:
    """One-way random ICC of item → rater → value; None where no item has two raters.

    Items may have different numbers of raters; k is then n0 of the unbalanced design,
    (N − Σ k_i² / N) / (n − 1), and equals k where all have k.
    """
    import numpy as np

    rows = [np.array(list(given.values())) for given in ratings.values() if given]
    total = sum(len(row) for row in rows)
    if len(rows) < 2 or total == len(rows):
        return None
    grand = sum(row.sum() for row in rows) / total
    between = sum(len(row) * (row.mean() - grand) ** 2 for row in rows) / (len(rows) - 1)
    within_ = sum(((row - row.mean()) ** 2).sum() for row in rows) / (total - len(rows))
    k = (total - sum(len(row) ** 2 for row in rows) / total) / (len(rows) - 1)
    if between == 0:
        return Icc(0.0, 0.0, float(k))
    single = (between - within_) / (between + (k - 1) * within_)
    return Icc(float(single), float((between - within_) / between), float(k))


def ceiling(found: Icc) -> float:
    """The most that anything can correlate with the raters' mean; 0 where they do not agree."""
    return float(max(found.mean, 0.0) ** 0.5)


def z_scored(ratings: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Each rater's values with mean 0 and variance 1; a rater who never varies gives zeros."""
    import numpy as np

    by_rater: dict[str, list[float]] = {}
    for given in ratings.values():
        for rater, value in given.items():
            by_rater.setdefault(rater, []).append(value)
    scale = {r: (float(np.mean(v)), float(np.std(v, ddof=1)) if len(v) > 1 else 0.0)
             for r, v in by_rater.items()}  # fmt: skip
    return {
        item: {r: (v - scale[r][0]) / scale[r][1] if scale[r][1] else 0.0 for r, v in given.items()}
        for item, given in ratings.items()
    }


def spearman(a: Array, b: Array) -> float:
    """Spearman's ρ; nan where one of the two never varies."""
    from scipy.stats import rankdata

    return _pearson(rankdata(a), rankdata(b))


def kendall(a: Array, b: Array) -> float:
    """Kendall's τ-b; nan where one of the two never varies."""
    from scipy.stats import kendalltau

    return float(kendalltau(a, b).statistic)


def weighted_kappa(a: Array, b: Array, *, low: float, high: float) -> float:
    """Cohen's κ with quadratic weights on a scale of any steps; nan where it is not defined.

    With quadratic weights no categories are needed: κ = 1 − E(a − b)² / E(a − b')², b' being b of
    another item drawn at random (Fleiss & Cohen 1973).
    """
    import numpy as np

    x, y = (np.asarray(v, dtype=float) / (high - low) for v in (a, b))
    observed = float(((x - y) ** 2).mean())
    expected = float(x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    return 1 - observed / expected if expected else float("nan")


def krippendorff(ratings: Mapping[str, Mapping[str, float]], *, level: Level) -> float | None:
    """α of item → rater → value, by evalica; items with one rater do not count.

    None without any pair.
    """
    import numpy as np
    import pandas as pd
    from evalica import alpha

    rows = [list(given.values()) for given in ratings.values() if len(given) > 1]
    if not rows:
        return None
    # α does not ask who the raters are: the first value of every item is the first row.
    table = np.full((max(map(len, rows)), len(rows)), np.nan)
    for unit, row in enumerate(rows):
        table[: len(row), unit] = row
    return float(alpha(pd.DataFrame(table), distance=level).alpha)


def pairwise(human: Array, other: Array, *, epsilon: float = 0.0) -> float:
    """Share of pairs of items on which both say the same: before, behind, or tied.

    `other` ties where it differs by at most `epsilon` (Deutsch, Foster, Freitag 2023: tie
    calibration; choose it on other items, `best_epsilon`). nan with fewer than two items.
    """
    import numpy as np

    if len(human) < 2:
        return float("nan")
    upper = np.triu_indices(len(human), 1)
    mine = np.subtract.outer(human, human)[upper]
    theirs = np.subtract.outer(other, other)[upper]
    theirs = np.where(np.abs(theirs) <= epsilon, 0.0, theirs)
    return float((np.sign(mine) == np.sign(theirs)).mean())


def best_epsilon(human: Array, other: Array) -> float:
    """The ε with the highest `pairwise` share on these items; the smallest of equals."""
    import numpy as np

    if len(human) < 2:
        return 0.0
    upper = np.triu_indices(len(human), 1)
    mine = np.subtract.outer(human, human)[upper]
    theirs = np.subtract.outer(other, other)[upper]
    order = np.argsort(np.abs(theirs), kind="stable")
    size = np.abs(theirs)[order]
    tied = (mine == 0)[order]
    right = (np.sign(mine) == np.sign(theirs))[order]
    # Raising ε past a pair makes it a tie: it becomes right where people tie, else wrong.
    gained = np.concatenate([[0], np.cumsum(tied.astype(int) - right.astype(int))])
    ends = np.append(size[1:] != size[:-1], True) if len(size) else np.array([], dtype=bool)
    steps = np.concatenate([[True], ends])
    best = int(np.argmax(np.where(steps, gained, gained.min() - 1)))
    return 0.0 if best == 0 else float(size[best - 1])


def within(values: Array, groups: Sequence[str]) -> Array:
    """Values less the mean of their group: what is left when systems are held constant."""
    import numpy as np

    found = np.asarray(values, dtype=float).copy()
    names = np.array(list(groups))
    for name in dict.fromkeys(groups):
        found[names == name] -= found[names == name].mean()
    return found


def with_interval(
    statistic: Callable[[NDArray[np.intp]], float],
    clusters: Sequence[str],
    *,
    seed: int = 0,
    resamples: int = 1000,
) -> Estimate:
    """`statistic` of row numbers, with its percentile interval over resampled `clusters`.

    Resamples on which it is not defined are left out; there is no interval if they are more than a
    tenth, or if there are fewer than five clusters.
    """
    import numpy as np

    from harness.statistics.resampling import cluster_codes

    codes, names = cluster_codes(clusters)
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.searchsorted(codes[order], np.arange(1, names)))
    value = statistic(np.arange(len(clusters)))
    plain = float(value) if np.isfinite(value) else None
    if names < 5 or plain is None:
        return Estimate(plain, None, None, len(clusters))
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = rng.integers(names, size=names)
        again = statistic(np.concatenate([rows[number] for number in drawn]))
        if np.isfinite(again):
            found.append(again)
    if len(found) < 0.9 * resamples:
        return Estimate(plain, None, None, len(clusters))
    low, high = np.percentile(found, [2.5, 97.5])
    return Estimate(plain, float(low), float(high), len(clusters))


def _pearson(a: Array, b: Array) -> float:
    import numpy as np

    x, y = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / scale if scale else float("nan")
