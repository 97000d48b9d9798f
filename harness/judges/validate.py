"""Do metrics and judges say what people say? Each against each criterion, beside the ceiling.

For a predictor and a criterion, over the items that have both:

    spearman, kendall   pooled over systems: mixes telling systems apart and telling replies apart
    within              Spearman of what is left when each system's mean is taken away
    pairwise            pairs of items in people's order, ties counted; the tie width ε of the
                        predictor is chosen on one half of the dialogues and used on the other
    system              Kendall's τ-b of the systems' means

Intervals are over resampled dialogues. The ceiling is √ICC(1,k): nothing correlates with the mean
of k raters more than their own noise allows. A judge's mean on people's scale is estimated by
prediction-powered inference (Angelopoulos et al. 2023): the judge's mean over all items, corrected
by the mean error on those that people rated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.judges.agreement import (
    Estimate,
    best_epsilon,
    ceiling,
    icc,
    kendall,
    krippendorff,
    pairwise,
    spearman,
    weighted_kappa,
    with_interval,
    within,
)
from harness.judges.ratings.records import RatingSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.judges.calibrated import Calibrated

    Array = NDArray[np.float64]

__all__ = ["Agreement", "Ceiling", "Report", "powered_mean", "validate"]

Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How far the raters of a criterion agree, and what that allows; `n` items.

    `alpha` is Krippendorff's, ordinal where the scale has steps only, else interval.
    """

    criterion: str
    words: str
    n: int
    raters: float
    single: float | None
    mean: float | None
    alpha: float | None
    ceiling: Estimate


@dataclass(frozen=True, slots=True)
class Agreement:
    """One predictor against one criterion; see the module's head.

    `failed` counts rated items on which the predictor failed: they are in no other number.
    `kappa` is Cohen's, quadratic weights, with people's mean: None unless the predictor keeps to
    the criterion's scale.
    `means` are people's and the predictor's mean of each system, over the items that have both.
    """

    predictor: str
    criterion: str
    n: int
    spearman: Estimate
    kendall: Estimate
    within: Estimate
    pairwise: float | None
    epsilon: float
    system: float | None
    kappa: Estimate | None = None
    failed: int = 0
    means: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """A rating set, its ceilings, its criteria's correlations with each other, all agreements."""

    name: str
    citation: str
    licence: str
    fingerprint: str
    group: str | None
    systems: tuple[str, ...]
    means: Mapping[str, Mapping[str, float]]
    ceilings: tuple[Ceiling, ...]
    halo: Mapping[str, Mapping[str, float | None]]
    agreements: tuple[Agreement, ...]
    calibrated: tuple[Calibrated, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def validate(
    ratings: RatingSet,
    predictors: Mapping[str, Scores],
    *,
    group: str | None = None,
    failed: Mapping[str, Collection[str]] | None = None,
    seed: int = 0,
    resamples: int = 1000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Every predictor (item → score) against every criterion, by the ratings of `group` or all.

    `failed` names, by predictor, the items on which it has no score because it failed.

    Raises:
        DataError: a predictor scores nothing that was rated.
    """
    done, total = 0, len(predictors) * len(ratings.scales)
    agreements = []
    for name, scores in predictors.items():
        if not any(item in ratings.by_id for item in scores):
            raise DataError(f"{name}: scores no item of {ratings.name}; ids are as in its items")
        for criterion in ratings.scales:
            found = _agreement(ratings, name, scores, criterion, group, seed, resamples)
            if found:
                rated = ratings.means(criterion, group=group)
                lost = sum(item in rated for item in set((failed or {}).get(name, ())))
                agreements.append(replace(found, failed=lost))
            done += 1
            progress(done, total)
    means = {criterion: ratings.means(criterion, group=group) for criterion in ratings.scales}
    systems = tuple(dict.fromkeys(item.system for item in ratings.items))
    return Report(
        name=ratings.name,
        citation=ratings.citation,
        licence=ratings.licence,
        fingerprint=ratings.fingerprint,
        group=group,
        systems=systems,
        means={c: _system_means(ratings, given) for c, given in means.items()},
        ceilings=tuple(_ceiling(ratings, c, group, seed, resamples) for c in ratings.scales),
        halo={a: {b: _plain(means[a], means[b]) for b in means} for a in means},
        agreements=tuple(agreements),
    )


def powered_mean(
    judged: Scores, human: Scores, clusters: Mapping[str, str], *, seed: int = 0,
    resamples: int = 1000,
) -> Estimate:  # fmt: skip
    """The mean that people would have given all of `judged`, from the judge and some ratings.

    θ = mean(judge, all) + mean(human − judge, rated). The interval resamples clusters.

    Raises:
        DataError: fewer than two judged items were rated.
    """
    import numpy as np

    ids = list(judged)
    rated = np.array([item in human for item in ids])
    if rated.sum() < 2:
        raise DataError("fewer than two judged items were rated by people; rate more")
    values = np.array([judged[item] for item in ids])
    error = np.array([human[item] - judged[item] if item in human else 0.0 for item in ids])

    def theta(rows: NDArray[np.intp]) -> float:
        with_people = rated[rows]
        if not with_people.any():
            return float("nan")
        return float(values[rows].mean() + error[rows][with_people].mean())

    return with_interval(
        theta, [clusters[item] for item in ids], seed=seed, resamples=resamples
    )  # fmt: skip


def _agreement(
    ratings: RatingSet,
    name: str,
    scores: Scores,
    criterion: str,
    group: str | None,
    seed: int,
    resamples: int,
) -> Agreement | None:
    """None where fewer than three items have both."""
    import numpy as np

    given = ratings.means(criterion, group=group)
    ids = [item for item in given if item in scores]
    if len(ids) < 3:
        return None
    human, other = (np.array([source[item] for item in ids]) for source in (given, scores))
    items = [ratings.by_id[item] for item in ids]
    clusters, systems = [item.dialogue for item in items], [item.system for item in items]
    left = [within(x, systems) for x in (human, other)]

    def over(statistic: Callable[[Array, Array], float], a: Array, b: Array) -> Estimate:
        return with_interval(
            lambda rows: statistic(a[rows], b[rows]), clusters, seed=seed, resamples=resamples
        )

    scale = ratings.scales[criterion]
    kept = bool(((other >= scale.low) & (other <= scale.high)).all())
    share, epsilon = _calibrated(human, other, clusters, seed)
    pooled = _by_system(human, systems), _by_system(other, systems)
    tau = kendall(*pooled) if len(pooled[0]) > 2 else float("nan")
    return Agreement(
        predictor=name,
        criterion=criterion,
        n=len(ids),
        spearman=over(spearman, human, other),
        # Rank correlation of every pair is dear: its interval takes fewer draws.
        kendall=with_interval(
            lambda rows: kendall(human[rows], other[rows]), clusters, seed=seed,
            resamples=min(resamples, 200),
        ),
        within=over(spearman, *left),
        pairwise=share,
        epsilon=epsilon,
        system=float(tau) if np.isfinite(tau) else None,
        kappa=over(partial(weighted_kappa, low=scale.low, high=scale.high), human, other)
        if kept else None,
        means={
            system: (float(people), float(mean))
            for system, people, mean in zip(dict.fromkeys(systems), *pooled, strict=True)
        },
    )  # fmt: skip


def _calibrated(
    human: Array, other: Array, clusters: Sequence[str], seed: int
) -> tuple[float | None, float]:
    """`pairwise` of each half of the dialogues at the other half's ε, averaged; the mean ε."""
    import numpy as np

    names = list(dict.fromkeys(clusters))
    chosen = set(np.random.default_rng(seed).permutation(names)[: len(names) // 2].tolist())
    first = np.array([cluster in chosen for cluster in clusters])
    shares, widths = [], []
    for learn, use in ((first, ~first), (~first, first)):
        if learn.sum() < 2 or use.sum() < 2:
            return None, 0.0
        width = best_epsilon(human[learn], other[learn])
        shares.append(pairwise(human[use], other[use], epsilon=width))
        widths.append(width)
    return sum(shares) / 2, sum(widths) / 2


def _ceiling(
    ratings: RatingSet, criterion: str, group: str | None, seed: int, resamples: int
) -> Ceiling:
    values = ratings.values(criterion, group=group)
    ids = list(values)
    found, scale = icc(values), ratings.scales[criterion]

    def of(rows: Sequence[int] | NDArray[np.intp]) -> float:
        # A drawn item may come twice: each time it is another item.
        again = icc({f"{place}": values[ids[row]] for place, row in enumerate(rows)})
        return float("nan") if again is None else ceiling(again)

    return Ceiling(
        criterion=criterion,
        words=scale.words,
        n=len(ids),
        raters=sum(map(len, values.values())) / len(ids) if ids else 0.0,
        single=found.single if found else None,
        mean=found.mean if found else None,
        alpha=krippendorff(values, level="ordinal" if scale.ordinal else "interval"),
        ceiling=with_interval(of, [ratings.by_id[item].dialogue for item in ids], seed=seed,
                              resamples=min(resamples, 200))
        if found else Estimate(None, None, None, len(ids)),
    )  # fmt: skip


def _system_means(ratings: RatingSet, given: Scores) -> dict[str, float]:
    sums: dict[str, list[float]] = {}
    for item, value in given.items():
        sums.setdefault(ratings.by_id[item].system, []).append(value)
    return {system: sum(values) / len(values) for system, values in sums.items()}


def _by_system(values: Array, systems: Sequence[str]) -> Array:
    import numpy as np

    names = np.array(list(systems))
    return np.array([values[names == name].mean() for name in dict.fromkeys(systems)])


def _plain(a: Scores, b: Scores) -> float | None:
    import numpy as np

    ids = [item for item in a if item in b]
    if len(ids) < 3:
        return None
    found = spearman(np.array([a[i] for i in ids]), np.array([b[i] for i in ids]))
    return found if np.isfinite(found) else None
