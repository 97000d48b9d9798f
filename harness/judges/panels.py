"""From several judges' verdicts to one score per sample, and what their agreement is worth.

A panel holds o_j(i): what judge j said of sample i, on one scale (`make_panel`). With Spearman's ρ
over the samples that both judged,

    uniform       w_j = 1 / k
    consistency   w_j = max(0, mean_{k≠j} ρ_jk) / Σ     (ours; STRIDE-ED names the idea only)
    human         w_j = max(0, ρ(o_j, human grades)) / Σ

    S_i = Σ_j w_j o_j(i) / Σ_j w_j   over the judges that judged i.

Consistency rewards shared error as much as skill (see `harness.judges.shared_errors`), so uniform
is the default, and in every report stand the effective number of judges by weight (Kish's 1/Σw²)
and by agreement (k / (1 + (k−1) ρ̄)), what each one's absence would change, and suspicions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import InputError
from harness.judges.shared_errors import (
    Suspicion,
    bootstrap_correlations,
    rank_correlations,
    suspicions,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Panel",
    "Scheme",
    "Weighting",
    "aggregate",
    "combine",
    "independent",
    "make_panel",
    "top",
]

Scheme = Literal["uniform", "consistency", "human"]

# Fewer grades by people than this order judges by chance.
_LEAST_HUMAN = 10


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """k judges' values of n samples: `o` (n, k), NaN where there is none.

    `clusters` (n) names each sample's dialogue; without it each is its own. `systems` (n) names
    whose reply each sample is, where that is known. Judges in `constant` said the same of all.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    o: NDArray[Any]
    constant: tuple[str, ...]
    clusters: tuple[str, ...] | None = None
    systems: tuple[str, ...] | None = None

    @property
    def missing(self) -> tuple[int, ...]:
        """Samples without a value, for each judge."""
        import numpy as np

        return tuple(int(count) for count in np.isnan(self.o).sum(0))


@dataclass(frozen=True, slots=True, eq=False)
class Weighting:
    """Weights (k) with 95 % intervals (k, 2), ρ (k, k), and what they amount to.

    `score` (n) is the aggregate, NaN where nobody graded; `graded` (n) counts the judges.
    `effective` is Kish's 1 / Σw²; `independent` k / (1 + (k−1) ρ̄), with its 95 % interval in
    `independent_range`. `without[j]` is (Spearman's ρ of the aggregate with and without j, share of
    the best `kept` that stay); `score_without` (k, n) holds those aggregates, NaN where k is 1.
    """

    scheme: Scheme
    names: tuple[str, ...]
    weights: NDArray[Any]
    intervals: NDArray[Any]
    rho: NDArray[Any]
    score: NDArray[Any]
    graded: NDArray[Any]
    effective: float
    independent: float
    without: tuple[tuple[float, float], ...]
    suspicions: tuple[Suspicion, ...]
    score_without: NDArray[Any]
    independent_range: tuple[float, float]


def make_panel(
    ids: Sequence[str],
    grades: Mapping[str, Mapping[str, Mapping[str, float]]],
    *,
    clusters: Sequence[str] | None = None,
) -> Panel:
    """Grades by judge, id and criterion, on one scale: mean 0 and deviation 1 for each judge.

    Each criterion is standardised over the samples that the judge graded, so that a harsh judge
    and a kind one count alike; their mean is standardised again. A criterion that a judge grades
    all alike says nothing and is left out; a judge with no other stands in `constant` and has no
    grades.

    Raises:
        InputError: there is no judge.
    """
    import numpy as np

    if not grades:
        raise InputError("there is no judge: nothing has been graded")
    columns, constant = [], []
    for name, given in grades.items():
        criteria = list(dict.fromkeys(c for values in given.values() for c in values))
        table = np.full((len(ids), len(criteria)), np.nan)
        for row, identity in enumerate(ids):
            for criterion, value in given.get(identity, {}).items():
                table[row, criteria.index(criterion)] = value
        columns.append(_standard(_mean(_standard(table))[:, None])[:, 0])
        if np.isnan(columns[-1]).all():
            constant.append(name)
    return Panel(
        ids=tuple(ids),
        names=tuple(grades),
        o=np.stack(columns, axis=1),
        constant=tuple(constant),
        clusters=None if clusters is None else tuple(clusters),
    )


def _standard(x: NDArray[Any]) -> NDArray[Any]:
    """Columns of (n, d) with mean 0 and deviation 1; NaN where all values are alike."""
    import numpy as np

    found = np.full_like(x, np.nan)
    for column in range(x.shape[1]):
        known = x[~np.isnan(x[:, column]), column]
        if len(known) > 1 and np.ptp(known) > 1e-12:
            found[:, column] = (x[:, column] - known.mean()) / known.std()
    return found


def _mean(x: NDArray[Any]) -> NDArray[Any]:
    """Row means of (n, d) over what is known; NaN where nothing is."""
    import numpy as np

    known = ~np.isnan(x)
    sums, counts = np.where(known, x, 0).sum(1), known.sum(1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def combine(
    panel: Panel,
    scheme: Scheme = "uniform",
    *,
    human: Mapping[str, float] | None = None,
    kept: int | None = None,
    seed: int = 0,
) -> Weighting:
    """Weights and aggregate of a panel; `human` grades of some ids are for the scheme `human`.

    `kept` is how many of the best samples `Weighting.without` looks at, half of them if None.

    Raises:
        InputError: no judge has a positive weight, or human grades are missing.
    """
    import numpy as np

    names = [name for name in panel.names if name not in panel.constant]
    if not names:
        raise InputError(
            f"every grade is alike for {', '.join(panel.constant)}: nothing can be ranked"
        )
    k = len(names)
    o = panel.o[:, [panel.names.index(name) for name in names]]
    # People are one column more: their correlations come with the same resamples.
    seen = np.column_stack([o, _human(panel.ids, human)]) if scheme == "human" else o
    rho = rank_correlations(seen)
    drawn = bootstrap_correlations(seen, panel.clusters, seed=seed)
    weights = _weights(scheme, rho, k)
    if not weights.sum() > 0:
        whom = "human grades" if scheme == "human" else "the others"
        raise InputError(
            f"no evaluator agrees with {whom} ({', '.join(names)} all have weight zero); "
            "grade with other evaluators, or use --weights uniform"
        )
    score = aggregate(o, weights)
    others = np.stack([_without(scheme, o, rho, j) for j in range(k)])
    kept = kept or max(1, len(panel.ids) // 2)
    return Weighting(
        scheme=scheme,
        names=tuple(names),
        weights=weights,
        intervals=np.quantile([_weights(scheme, r, k) for r in drawn], [0.025, 0.975], axis=0).T,
        rho=rho[:k, :k],
        score=score,
        graded=(~np.isnan(o)).sum(1),
        effective=float(1 / (weights**2).sum()),
        independent=independent(rho[:k, :k]),
        without=tuple(_alike(score, other, kept) for other in others),
        suspicions=suspicions(names, rho[:k, :k], drawn[:, :k, :k]),
        score_without=others,
        independent_range=_range([independent(r[:k, :k]) for r in drawn]),
    )


def independent(rho: NDArray[Any]) -> float:
    """k / (1 + (k−1) ρ̄): how many independent votes k judges with correlations (k, k) amount to.

    ρ̄ is the mean over the pairs that have one. Below zero the formula counts more judges than
    there are: then it is k.
    """
    import numpy as np

    k = len(rho)
    pairs = rho[np.triu_indices(k, 1)]
    known = pairs[~np.isnan(pairs)]
    mean = float(known.mean()) if len(known) else 0.0
    return float(k / (1 + (k - 1) * max(mean, 0.0)))


def _range(values: Sequence[float]) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _weights(scheme: Scheme, rho: NDArray[Any], k: int) -> NDArray[Any]:
    """(k), summing to 1, or all 0 where nobody agrees; the scheme `human` has people at row k."""
    import numpy as np

    if scheme == "uniform" or k == 1:
        return np.full(k, 1 / k)
    if scheme == "human":
        agreement = rho[:k, k]
    else:
        agreement = _mean(np.where(np.eye(k, dtype=bool), np.nan, rho))
    raw: NDArray[Any] = np.maximum(np.nan_to_num(agreement), 0.0)
    return raw / raw.sum() if raw.sum() > 0 else raw


def _human(ids: Sequence[str], human: Mapping[str, float] | None) -> NDArray[Any]:
    import numpy as np

    known = sum(identity in (human or {}) for identity in ids)
    if known < _LEAST_HUMAN:
        raise InputError(
            f"human grades are at hand for {known} of the samples; {_LEAST_HUMAN} are needed"
        )
    return np.array([(human or {}).get(identity, np.nan) for identity in ids])


def aggregate(o: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """(n): weighted means of (n, k) over the judges of each sample; NaN where there is none."""
    import numpy as np

    share = (~np.isnan(o)) * weights
    total = share.sum(1)
    sums = (np.nan_to_num(o) * weights).sum(1)
    return np.where(total > 0, sums / np.where(total > 0, total, 1), np.nan)


def _without(scheme: Scheme, o: NDArray[Any], rho: NDArray[Any], j: int) -> NDArray[Any]:
    """(n): the aggregate of all but j, NaN where nobody else is."""
    import numpy as np

    rest = [i for i in range(o.shape[1]) if i != j]
    if not rest:
        return np.full(len(o), np.nan)
    left = [i for i in range(len(rho)) if i != j]
    weights = _weights(scheme, rho[np.ix_(left, left)], len(rest))
    if not weights.sum() > 0:
        weights = np.full(len(rest), 1 / len(rest))
    return aggregate(o[:, rest], weights)


def _alike(score: NDArray[Any], other: NDArray[Any], kept: int) -> tuple[float, float]:
    import numpy as np

    if np.isnan(other).all():
        return float("nan"), float("nan")
    same = float(rank_correlations(np.column_stack([score, other]))[0, 1])
    best, best_other = (set(top(s, kept)) for s in (score, other))
    return same, len(best & best_other) / max(len(best), 1)


def top(score: NDArray[Any], count: int) -> list[int]:
    """Rows of the `count` highest scores, best first; equals in their order, NaN never."""
    import numpy as np

    order = np.argsort(-np.where(np.isnan(score), -np.inf, score), kind="stable")
    return [int(row) for row in order[:count] if not np.isnan(score[row])]
