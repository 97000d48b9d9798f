"""Do evaluators agree, and does some group agree for another reason than that it is right?

If evaluator j sees the truth t through noise of its own, o_j = λ_j t + e_j, correlations factor,
ρ_jk = λ_j λ_k, and every tetrad difference vanishes (Spearman 1904): for a, b of one group and
c, d of the rest

    τ = ρ_ab ρ_cd − (ρ_ac ρ_bd + ρ_ad ρ_bc) / 2 = 0.

A group that shares errors (two checkpoints of one model, a model graded by itself) agrees more
within than its agreement with the others allows, and its τ is positive. Two good evaluators among
poor ones also agree with each other most, but their τ is zero: that is why agreement alone is no
sign. τ needs two evaluators on either side. With three in all nothing can tell shared errors of two
from a poor third; there a wide gap is reported for what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Suspicion", "bootstrap_correlations", "rank_correlations", "suspicions"]

_RESAMPLES = 200
# Shared errors smaller than this change no ranking worth the name.
_LEAST_EXCESS = 0.05
_WIDE_GAP = 0.25
_LEAST_SHARED = 10


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A group whose agreement with one another is more than its agreement with the rest allows.

    `within` and `across` are mean Spearman correlations; `low` bounds the excess from below.
    """

    group: tuple[str, ...]
    within: float
    across: float
    low: float
    certain: bool

    def __str__(self) -> str:
        names = ", ".join(self.group)
        numbers = f"ρ {self.within:.2f} among them, {self.across:.2f} with the others"
        if self.certain:
            return (
                f"{names} agree more than being right explains ({numbers}): they seem to share "
                "errors, and weights by consistency then favour them; use --weights uniform or "
                "human, or leave one out"
            )
        return (
            f"{names} agree far more with each other than with the third ({numbers}): either they "
            "share errors or it grades poorly; a fourth evaluator or human scores would tell"
        )


def rank_correlations(o: NDArray[Any]) -> NDArray[Any]:
    """Spearman's ρ of every two columns of (n, k), over the rows that both have (not NaN).

    NaN where fewer than 10 rows are shared or a column is constant on them; 1 on the diagonal.
    """
    import numpy as np
    from scipy.stats import rankdata

    k = o.shape[1]
    found = np.eye(k)
    whole = not np.isnan(o).any()
    ranks = rankdata(o, axis=0) if whole else None
    for j, m in combinations(range(k), 2):
        if ranks is not None:
            x, y = ranks[:, j], ranks[:, m]
        else:
            both = ~np.isnan(o[:, j]) & ~np.isnan(o[:, m])
            x, y = rankdata(o[both, j]), rankdata(o[both, m])
        found[j, m] = found[m, j] = _pearson(x, y)
    return found


def _pearson(x: NDArray[Any], y: NDArray[Any]) -> float:
    import numpy as np

    if len(x) < _LEAST_SHARED:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else float("nan")


def bootstrap_correlations(
    o: NDArray[Any],
    clusters: Sequence[str] | None = None,
    *,
    seed: int = 0,
    resamples: int = _RESAMPLES,
) -> NDArray[Any]:
    """(resamples, k, k): `rank_correlations` of dialogues drawn with replacement.

    `clusters` (n) names each row's dialogue: turns of one are alike, and count as one draw. Without
    it each row is its own.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    members: dict[Any, list[int]] = {}
    for row, name in enumerate(clusters if clusters is not None else range(len(o))):
        members.setdefault(name, []).append(row)
    groups = [np.array(rows) for rows in members.values()]
    return np.stack(
        [
            rank_correlations(
                o[np.concatenate([groups[g] for g in rng.integers(0, len(groups), len(groups))])]
            )
            for _ in range(resamples)
        ]
    )


def suspicions(
    names: Sequence[str], rho: NDArray[Any], drawn: NDArray[Any], *, level: float = 0.95
) -> tuple[Suspicion, ...]:
    """Groups that share errors, most excess first; of nested groups the one with most.

    `rho` (k, k) and `drawn` (m, k, k) are the correlations and their resamples. Over all groups
    together a report is false in at most 1 − `level` of cases (Bonferroni). An evaluator that
    shares too few samples with another is left out, the one that lacks most first.
    """
    import numpy as np

    known = _comparable(rho)
    names = [names[i] for i in known]
    rho, drawn = rho[np.ix_(known, known)], drawn[:, known][:, :, known]
    k = len(names)
    if k < 3:
        return ()
    if k == 3:
        return _gaps(names, rho, drawn, level)
    groups = list(_splits(k))
    found = []
    for group in groups:
        rest = tuple(i for i in range(k) if i not in group)
        tau, spread = _tau(rho, group, rest), _tau(drawn, group, rest)
        spread = spread[~np.isnan(spread)]
        error = float(spread.std(ddof=1)) if len(spread) > 1 else float("inf")
        low = float(tau) - _normal(1 - (1 - level) / len(groups)) * error
        side = max((group, rest), key=lambda members: _within(rho, members))
        if low > 0 and float(tau) > _LEAST_EXCESS:
            other = rest if side == group else group
            found.append(
                Suspicion(
                    tuple(names[i] for i in side),
                    _within(rho, side),
                    float(rho[np.ix_(side, other)].mean()),
                    low,
                    certain=True,
                )
            )
    found.sort(key=lambda s: (-s.low, s.group))
    return tuple(found[:1])


def _comparable(rho: NDArray[Any]) -> list[int]:
    """The evaluators that all have a ρ with one another."""
    import numpy as np

    known = list(range(len(rho)))
    while len(known) > 1:
        absent = np.isnan(rho[np.ix_(known, known)]).sum(1)
        if not absent.any():
            break
        known.pop(int(absent.argmax()))
    return known


def _gaps(
    names: Sequence[str], rho: NDArray[Any], drawn: NDArray[Any], level: float
) -> tuple[Suspicion, ...]:
    import numpy as np

    for a, b, c in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        gap = drawn[:, a, b] - np.maximum(drawn[:, a, c], drawn[:, b, c])
        low = float(np.nanquantile(gap, (1 - level) / 3))
        if low > _WIDE_GAP:
            across = float((rho[a, c] + rho[b, c]) / 2)
            return (Suspicion((names[a], names[b]), float(rho[a, b]), across, low, certain=False),)
    return ()


def _splits(k: int) -> Iterator[tuple[int, ...]]:
    """Every division of k into two sides of two or more, once: the side without the last."""
    for size in range(2, k - 1):
        yield from combinations(range(k - 1), size)


def _tau(rho: NDArray[Any], group: Sequence[int], rest: Sequence[int]) -> NDArray[Any]:
    """The mean tetrad difference of (..., k, k) over pairs of the group and pairs of the rest."""
    import numpy as np

    found: NDArray[Any] = np.mean(
        [
            rho[..., a, b] * rho[..., c, d]
            - (rho[..., a, c] * rho[..., b, d] + rho[..., a, d] * rho[..., b, c]) / 2
            for a, b in combinations(group, 2)
            for c, d in combinations(rest, 2)
        ],
        axis=0,
    )
    return found


def _within(rho: NDArray[Any], members: Sequence[int]) -> float:
    pairs = list(combinations(members, 2))
    return sum(float(rho[a, b]) for a, b in pairs) / len(pairs)


def _normal(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))
