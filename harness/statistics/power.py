"""What a comparison can see, and how many dialogues it needs to see more.

Normal approximation, two-sided at level α with power 1 − β (Miller 2024, arXiv 2411.00640):

    MDE = (z_{1−α/2} + z_{1−β}) · SE            smallest difference seen with that probability
    n   = (z_{1−α/2} + z_{1−β})² · (ω² + σ_A²/K_A + σ_B²/K_B) · D / δ²

ω is the standard deviation over examples of the two systems' true difference, σ that of a system's
answers to one example (0 where decoding is deterministic: then ω is the plain standard deviation of
the paired differences), K the answers per example, δ the difference looked for. D is the design
effect of dialogues: m turns that correlate by ρ are worth m/(1 + (m − 1)ρ) independent ones (Kish
1965).

Where a metric is no mean over examples (BLEU, Dist-n), SE comes from resampling and shrinks as
1/√dialogues: exactly for means, nearly for smooth functions of means such as BLEU, and only as a
guide for Dist-n, whose value itself changes with the number of dialogues.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = [
    "Spread",
    "answer_variance",
    "design_effect",
    "detectable",
    "discordance_sd",
    "needed",
    "proportion_sd",
    "reach",
    "standard_error",
]


@dataclass(frozen=True, slots=True)
class Spread:
    """How a paired difference varies: `sd` per dialogue, `turns` examples in a dialogue."""

    sd: float
    turns: float = 1.0

    @classmethod
    def of_examples(cls, sd: float, *, cluster_size: float = 1.0, icc: float = 0.0) -> Spread:
        """From the standard deviation per example, with dialogues of `cluster_size` turns.

        Raises:
            InputError: see `design_effect`.
        """
        design = design_effect(cluster_size, icc)
        return cls(sd * math.sqrt(design / cluster_size), cluster_size)

    @classmethod
    def measured(cls, standard_error: float, *, dialogues: int, examples: int) -> Spread:
        """From the standard error of a difference on so many dialogues."""
        return cls(standard_error * math.sqrt(dialogues), examples / dialogues)

    def detectable(self, dialogues: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
        """The smallest difference that so many dialogues show with probability `power`."""
        return detectable(self.sd / math.sqrt(dialogues), alpha=alpha, power=power)

    def needed(self, effect: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
        """The number of dialogues that show `effect` with probability `power`.

        Raises:
            InputError: `effect` is 0 or not a number.
        """
        return needed(effect, sd=self.sd, alpha=alpha, power=power)


def reach(*, alpha: float = 0.05, power: float = 0.8) -> float:
    """z_{1−α/2} + z_{1−β}: by how many standard errors a difference must exceed 0.

    Raises:
        InputError: `alpha` or `power` is not between 0 and 1.
    """
    from statistics import NormalDist

    for name, share in (("alpha", alpha), ("power", power)):
        if not 0 < share < 1:
            raise InputError(f"{name} is {share}: expected a share between 0 and 1, such as 0.8")
    normal = NormalDist()
    return normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)


def detectable(standard_error: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The minimum detectable effect: the difference seen with probability `power`."""
    return reach(alpha=alpha, power=power) * standard_error


def needed(
    effect: float, *, sd: float, design: float = 1.0, alpha: float = 0.05, power: float = 0.8
) -> int:
    """How many examples show a difference of `effect` with probability `power`.

    `sd` is the standard deviation of paired differences per example, `design` the design effect.
    With a standard error measured on C dialogues, `sd` = SE · √C gives the number of dialogues.

    Raises:
        InputError: `effect` is 0 or not a number.
    """
    if not math.isfinite(effect) or effect == 0:
        raise InputError(f"the effect is {effect}: no number of examples shows a difference of 0")
    count = reach(alpha=alpha, power=power) ** 2 * design * (sd / effect) ** 2
    # A rounding error must not ask for one example more.
    return max(2, math.ceil(count * (1 - 1e-12)))


def answer_variance(sd: float, *, within: Sequence[tuple[float, int]] = ()) -> float:
    """ω² + Σ σ²/K: `within` holds σ and the number of answers K of each system.

    Raises:
        InputError: a standard deviation is negative, or K below 1.
    """
    if sd < 0 or any(sigma < 0 or answers < 1 for sigma, answers in within):
        raise InputError("standard deviations are 0 or more, answers per example 1 or more")
    return sd**2 + sum(sigma**2 / answers for sigma, answers in within)


def design_effect(cluster_size: float, icc: float, *, size_cv: float = 0.0) -> float:
    """1 + ((1 + cv²)·m − 1)·ρ: by how much clusters inflate the variance of a mean.

    m is the mean number of turns per dialogue, cv the coefficient of variation of that number, ρ
    the intra-class correlation of the differences (Kish 1965; Eldridge et al. 2006).

    Raises:
        InputError: a cluster below one turn, or a correlation outside [0, 1].
    """
    if cluster_size < 1:
        raise InputError(
            f"the cluster size is {cluster_size}: expected 1 turn per dialogue or more"
        )
    if not 0 <= icc <= 1:
        raise InputError(f"the intra-class correlation is {icc}: expected a number from 0 to 1")
    return 1.0 + ((1.0 + size_cv**2) * cluster_size - 1.0) * icc


def proportion_sd(share: float) -> float:
    """√(p(1 − p)): the standard deviation of a yes or no, such as a win.

    Raises:
        InputError: `share` is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise InputError(
            f"the proportion is {share}: expected a share between 0 and 1, such as 0.5"
        )
    return math.sqrt(share * (1.0 - share))


def discordance_sd(discordant: float, effect: float = 0.0) -> float:
    """√(d − δ²): of the difference of two yes-or-no answers that differ on a share d of examples.

    What McNemar's test turns on; δ is the difference of the two shares of yes.

    Raises:
        InputError: the share is not between 0 and 1, or smaller than the effect.
    """
    if not 0 < discordant <= 1:
        raise InputError(f"the discordant share is {discordant}: expected more than 0, at most 1")
    if discordant < abs(effect):
        raise InputError(
            f"answers that differ on {discordant} of the examples cannot differ by {effect} in sum"
        )
    return math.sqrt(discordant - effect**2)


def standard_error(values: FloatArray, clusters: Sequence[str] | None = None) -> float:
    """Of the mean of `values` (n,), examples of one cluster being dependent.

    √(Σ(s−s̄)²/(n(n−1))), to whose square (1/n²)·Σ_c Σ_{i≠j∈c}(s_i−s̄)(s_j−s̄) is added (Miller
    2024). NaN below two values.
    """
    import numpy as np

    from harness.statistics.resampling import cluster_codes

    if len(values) < 2:
        return math.nan
    off = np.asarray(values, dtype=float) - np.mean(values)
    squares = float(off @ off)
    variance = squares / (len(off) * (len(off) - 1))
    if clusters is not None:
        codes, count = cluster_codes(clusters)
        sums = np.bincount(codes, weights=off, minlength=count)
        variance += (float(sums @ sums) - squares) / len(off) ** 2
    # Where dialogues' turns cancel each other, the estimate can fall below nought.
    return math.sqrt(max(variance, 0.0))
