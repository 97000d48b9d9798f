"""From several evaluators' grades to one score per trace.

Each evaluator's grades are standardised by dimension (over the samples it graded), averaged over
the dimensions it judges, and standardised again: o_j(i). With Spearman's ρ over the samples that
both graded,

    consistency   w_j = max(0, mean_{k≠j} ρ_jk) / Σ     (ours; the paper names the idea only)
    uniform       w_j = 1 / k
    human         w_j = max(0, ρ(o_j, human grades)) / Σ

    S_i = Σ_j w_j o_j(i) / Σ_j w_j   over the evaluators that graded i.

Consistency rewards shared error as much as skill (see `stride_ed.agreement`): the number of
effective evaluators, what each one's absence would change, and suspicions stand in every report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import InputError
from stride_ed.agreement import Suspicion, bootstrap_correlations, rank_correlations, suspicions
from stride_ed.rubric import DIMENSIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stride_ed.records import Score

__all__ = ["Panel", "Scheme", "Weighting", "combine", "make_panel", "top"]

Scheme = Literal["consistency", "uniform", "human"]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """k evaluators' standardised grades of n samples: `o` (n, k), NaN where there is none."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    o: NDArray[Any]
    constant: tuple[str, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """Samples without a grade, for each evaluator."""
        import numpy as np

        return tuple(int(count) for count in np.isnan(self.o).sum(0))


@dataclass(frozen=True, slots=True, eq=False)
class Weighting:
    """Weights (k) with 95 % intervals (k, 2), ρ (k, k), and what they amount to.

    `score` (n) is the aggregate, NaN where nobody graded; `graded` (n) counts the evaluators.
    `effective` is Kish's 1 / Σw²; `independent` k / (1 + (k−1) ρ̄). `without[j]` is (Spearman's ρ of
    the aggregate with and without j, share of the best `kept` that stay).
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


def make_panel(ids: Sequence[str], scores: Mapping[str, Mapping[str, Score]]) -> Panel:
    """Grades by evaluator and id, on one scale.

    A dimension that an evaluator grades all alike says nothing and is left out; an evaluator with
    no other stands in `constant` and has no grades.

    Raises:
        InputError: there is no evaluator.
    """
    import numpy as np

    if not scores:
        raise InputError("no evaluator has graded anything; run `empathy-bench stride evaluate`")
    columns, constant = [], []
    for name in scores:
        grades = np.full((len(ids), len(DIMENSIONS)), np.nan)
        for row, identity in enumerate(ids):
            score = scores[name].get(identity)
            for dimension, value in score.values.items() if score else ():
                grades[row, DIMENSIONS.index(dimension)] = value
        columns.append(_standard(_mean(_standard(grades))[:, None])[:, 0])
        if np.isnan(columns[-1]).all():
            constant.append(name)
    return Panel(tuple(ids), tuple(scores), np.stack(columns, axis=1), tuple(constant))


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
    scheme: Scheme = "consistency",
    *,
    human: Mapping[str, float] | None = None,
    kept: int | None = None,
    seed: int = 0,
) -> Weighting:
    """Weights and aggregate of a panel; `human` grades of some ids are for the scheme `human`.

    Raises:
        InputError: no evaluator has a positive weight, or human grades are missing.
    """
    import numpy as np

    names = [name for name in panel.names if name not in panel.constant]
    if not names:
        raise InputError(
            f"every grade is alike for {', '.join(panel.constant)}: nothing can be ranked"
        )
    o = panel.o[:, [panel.names.index(name) for name in names]]
    target = _human(panel.ids, human, scheme)
    dialogues = [identity.rpartition("/")[0] or identity for identity in panel.ids]
    rho, drawn = rank_correlations(o), bootstrap_correlations(o, dialogues, seed=seed)
    weights = _weights(scheme, rho, o, target)
    if not weights.sum() > 0:
        whom = "human grades" if scheme == "human" else "the others"
        raise InputError(
            f"no evaluator agrees with {whom} ({', '.join(names)} all have weight zero); "
            "grade with other evaluators, or use --weights uniform"
        )
    score = _aggregate(o, weights)
    kept = kept or max(1, len(panel.ids) // 2)
    k = len(names)
    pairs = rho[np.triu_indices(k, 1)]
    known = pairs[~np.isnan(pairs)]
    mean_rho = float(known.mean()) if len(known) else 0.0
    return Weighting(
        scheme=scheme,
        names=tuple(names),
        weights=weights,
        intervals=_intervals(scheme, drawn, o, target, seed),
        rho=rho,
        score=score,
        graded=(~np.isnan(o)).sum(1),
        effective=float(1 / (weights**2).sum()),
        # Below zero the formula counts more evaluators than there are.
        independent=float(k / (1 + (k - 1) * max(mean_rho, 0.0))),
        without=tuple(_without(scheme, o, target, rho, score, j, kept) for j in range(k)),
        suspicions=suspicions(names, rho, drawn),
    )


def _weights(
    scheme: Scheme, rho: NDArray[Any], o: NDArray[Any], target: NDArray[Any] | None
) -> NDArray[Any]:
    """(k), summing to 1, or all 0 where nobody agrees."""
    import numpy as np

    k = len(rho)
    if scheme == "uniform" or k == 1:
        return np.full(k, 1 / k)
    if scheme == "human":
        assert target is not None
        with_human = rank_correlations(np.column_stack([o, target]))[:k, k]
        agreement = with_human
    else:
        others = np.where(np.eye(k, dtype=bool), np.nan, rho)
        agreement = _mean(others)
    raw: NDArray[Any] = np.maximum(np.nan_to_num(agreement), 0.0)
    return raw / raw.sum() if raw.sum() > 0 else raw


def _human(
    ids: Sequence[str], human: Mapping[str, float] | None, scheme: Scheme
) -> NDArray[Any] | None:
    import numpy as np

    if scheme != "human":
        return None
    known = [identity for identity in ids if human and identity in human]
    if len(known) < 10:
        raise InputError(f"human grades are at hand for {len(known)} of the samples; 10 are needed")
    return np.array([human.get(identity, np.nan) if human else np.nan for identity in ids])


def _intervals(
    scheme: Scheme,
    drawn: NDArray[Any],
    o: NDArray[Any],
    target: NDArray[Any] | None,
    seed: int,
) -> NDArray[Any]:
    """(k, 2): percentiles of the weights over resampled samples."""
    import numpy as np

    if scheme == "human":
        rng = np.random.default_rng(seed)
        found = []
        assert target is not None
        for _ in range(len(drawn)):
            rows = rng.integers(0, len(o), len(o))
            found.append(_weights(scheme, drawn[0], o[rows], target[rows]))
    else:
        found = [_weights(scheme, rho, o, None) for rho in drawn]
    bounds: NDArray[Any] = np.quantile(np.stack(found), [0.025, 0.975], axis=0).T
    return bounds


def _aggregate(o: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """(n): weighted means over the evaluators that graded each sample; NaN where none did."""
    import numpy as np

    share = (~np.isnan(o)) * weights
    total = share.sum(1)
    sums = (np.nan_to_num(o) * weights).sum(1)
    return np.where(total > 0, sums / np.where(total > 0, total, 1), np.nan)


def _without(
    scheme: Scheme,
    o: NDArray[Any],
    target: NDArray[Any] | None,
    rho: NDArray[Any],
    score: NDArray[Any],
    j: int,
    kept: int,
) -> tuple[float, float]:
    import numpy as np

    rest = [i for i in range(len(rho)) if i != j]
    if not rest:
        return float("nan"), float("nan")
    weights = _weights(scheme, rho[np.ix_(rest, rest)], o[:, rest], target)
    if not weights.sum() > 0:
        weights = np.full(len(rest), 1 / len(rest))
    other = _aggregate(o[:, rest], weights)
    same = float(rank_correlations(np.column_stack([score, other]))[0, 1])
    best, best_other = (set(top(s, kept)) for s in (score, other))
    return same, len(best & best_other) / max(len(best), 1)


def top(score: NDArray[Any], count: int) -> list[int]:
    """Rows of the `count` highest scores, best first; equals in their order, NaN never."""
    import numpy as np

    order = np.argsort(-np.where(np.isnan(score), -np.inf, score), kind="stable")
    return [int(row) for row in order[:count] if not np.isnan(score[row])]
