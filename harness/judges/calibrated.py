"""A judge's means on people's scale: prediction-powered inference (Angelopoulos et al. 2023).

    θ = mean(judge, all judged) + mean(human − judge, those that people rated)

The judge may be wrong by any constant, or in any direction: what it adds is precision where it
follows people, and nothing but noise where it does not. Where every judged item was rated, θ is
people's own mean. Only judges on the scale of the criterion can be corrected this way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.judges.agreement import Estimate
from harness.judges.ratings.records import RatingSet
from harness.judges.validate import powered_mean

__all__ = ["Calibrated", "calibrated_means"]

Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A judge's mean on one criterion for one system (None: all), and what people would give.

    `judged` items have a score, `rated` of them a rating; `human` is the mean of those ratings.
    """

    judge: str
    criterion: str
    system: str | None
    judged: int
    rated: int
    judge_mean: float
    human: float
    powered: Estimate


def calibrated_means(
    ratings: RatingSet,
    judges: Mapping[str, Scores],
    *,
    group: str | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> tuple[Calibrated, ...]:
    """For every judge and criterion whose scale it keeps: all items together, then each system.

    Cells with fewer than two rated items are left out. Items that the set does not know are too.
    """
    found = []
    for judge, scores in judges.items():
        known = {item: score for item, score in scores.items() if item in ratings.by_id}
        for criterion, scale in ratings.scales.items():
            if not known or not all(scale.low <= s <= scale.high for s in known.values()):
                continue
            human = ratings.means(criterion, group=group)
            for system, cell in _cells(ratings, known).items():
                rated = [item for item in cell if item in human]
                if len(rated) < 2:
                    continue
                clusters = {item: ratings.by_id[item].dialogue for item in cell}
                found.append(
                    Calibrated(
                        judge=judge,
                        criterion=criterion,
                        system=system,
                        judged=len(cell),
                        rated=len(rated),
                        judge_mean=sum(cell.values()) / len(cell),
                        human=sum(human[item] for item in rated) / len(rated),
                        powered=powered_mean(cell, human, clusters, seed=seed, resamples=resamples),
                    )
                )
    return tuple(found)


def _cells(ratings: RatingSet, scores: Scores) -> dict[str | None, dict[str, float]]:
    """All items under None, then those of each system; one system alone is all of them."""
    cells: dict[str | None, dict[str, float]] = {None: dict(scores)}
    for item, score in scores.items():
        cells.setdefault(ratings.by_id[item].system, {})[item] = score
    return {None: cells[None]} if len(cells) == 2 else cells
