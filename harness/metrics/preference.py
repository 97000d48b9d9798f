"""Which strategies a model prefers, whatever is called for (Kang et al. 2024, section 3.2).

w_ij counts the examples where the model chose strategy i and j was the right one; i = j says
nothing of preference and is left out. A Bradley–Terry model of "i is preferred to j" gives each
strategy a strength p_i, found by the iteration

    p_i ← Σ_j w_ij p_j / (p_i + p_j)  /  Σ_j w_ji / (p_i + p_j),        mean p = 1,

one strategy after the other, 20 rounds from p = 1, as in the authors' released evaluator. The
preference bias B is the standard deviation of p: 0 where no strategy is preferred, √7 where one of
eight always is.

What the paper leaves open, and how it is settled here: a strategy that is never confused with
another keeps p = 1, and two that are never chosen say nothing of each other. One that is chosen
wrongly but never missed has no finite strength, so B has no value. Answers that are no strategy
cannot be left out, or failing would cure a bias: they count as whichever single strategy makes B
largest. Elsewhere the numbers are those of the released evaluator, which divides by zero in the
first three cases and refuses files with answers of the last kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.metrics.classification import LABELS, answer, gold
from harness.metrics.contract import Metric, Scored, Statistics, signature

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["BIAS", "ROUNDS", "choices", "preferences"]

ROUNDS = 20
_STRATEGIES = LABELS["strategy"]


def choices(scored: Sequence[Scored]) -> FloatArray:
    """One 1 per example, (n, S + 1, S): the row is the answer (S: invalid), the column gold."""
    import numpy as np

    index: dict[str | None, int] = {label: i for i, label in enumerate(_STRATEGIES)}
    size = len(index)
    values = np.zeros((len(scored), size + 1, size))
    for cell, item in zip(values, scored, strict=True):
        true = gold(item, "strategy")
        if true in index:
            cell[index.get(answer(item, "strategy"), size), index[true]] = 1
    return values


def preferences(counts: FloatArray) -> FloatArray:
    """Counts w (..., S, S) of chosen i, gold j → strengths p (..., S) of mean 1.

    NaN where a strategy is chosen wrongly but never missed.
    """
    import numpy as np

    size = counts.shape[-1]
    wins = counts * (1.0 - np.eye(size))
    won, lost = wins.sum(-1), wins.sum(-2)
    known = (won + lost) > 0
    strengths = np.ones(won.shape)
    for _ in range(ROUNDS):
        for i in range(size):
            both = strengths[..., i, None] + strengths
            # Two strategies without any strength left say nothing of each other.
            weights = np.divide(1.0, both, out=np.zeros_like(both), where=both > 0)
            gained = (wins[..., i, :] * strengths * weights).sum(-1)
            given = (wins[..., :, i] * weights).sum(-1)
            found = np.divide(gained, given, out=np.zeros_like(gained), where=given > 0)
            strengths[..., i] = np.where(known[..., i], found, 1.0)
        total = (strengths * known).sum(-1, keepdims=True)
        scale = np.divide(
            known.sum(-1, keepdims=True), total, out=np.ones_like(total), where=total > 0
        )
        strengths = np.where(known, strengths * scale, 1.0)
    unbounded = ((won > 0) & (lost == 0)).any(-1, keepdims=True)
    return np.where(unbounded, np.nan, strengths)


def _statistics(scored: Sequence[Scored]) -> Statistics:
    """n × (S + 1)·S: `choices`, flat."""
    from harness.metrics.arrays import Additive

    return Additive(choices(scored).reshape(len(scored), -1))


def _bias(sums: FloatArray) -> FloatArray:
    """(..., (S + 1)·S) → B; NaN without a single valid answer."""
    import numpy as np

    size = len(_STRATEGIES)
    counts = sums.reshape(*sums.shape[:-1], size + 1, size)
    valid, invalid = counts[..., :size, :], counts[..., size, :]
    if invalid.any():
        # (..., k, i, j): invalid answers added to those of strategy k.
        moved = np.eye(size)[:, :, None] * invalid[..., None, None, :]
        bias = preferences(valid[..., None, :, :] + moved).std(-1).max(-1)
    else:
        bias = preferences(valid).std(-1)
    return np.where(valid.sum((-1, -2)) > 0, bias, np.nan)


BIAS = Metric(
    name="strategy_bias",
    signature=signature(
        "preference-bias",
        label="strategy",
        classes=len(_STRATEGIES),
        model="bradley-terry",
        rounds=ROUNDS,
        diagonal="out",
        invalid="worst",
    ),
    direction="lower",
    unit="",
    range=(0.0, (len(_STRATEGIES) - 1) ** 0.5),
    description="Preference bias B (Kang et al. 2024): how unequally strategies are chosen in "
    "place of each other; 0 is none.",
    statistics=_statistics,
    score=_bias,
    needs=("gold_strategy",),
    kinds=frozenset({"strategy"}),
    per_example=False,
)
