"""What may be claimed about a number, and about the difference of two.

Examples of one dialogue are not independent, so dialogues are the unit throughout. A metric is
never computed from text again: its per-dialogue statistics are weighted.

    resampling     weights of bootstrap, subsample and swap      one seed, the same draws for all
    intervals      value → 95 % interval
    systems        k systems on the same dialogues
    paired         two of them → difference, interval, p
    ranks          all of them → rank intervals, chance of being best
    multiplicity   many p-values → adjusted ones
    power          spread → smallest difference that can be seen, dialogues needed
"""

from harness.statistics.intervals import MIN_CLUSTERS, interval
from harness.statistics.multiplicity import Correction, adjust, benjamini_hochberg, holm
from harness.statistics.paired import Difference, Test, compare, differences, paired_error
from harness.statistics.power import (
    Spread,
    design_effect,
    detectable,
    needed,
    proportion_sd,
    standard_error,
)
from harness.statistics.ranks import Rank, ranks
from harness.statistics.resampling import (
    bootstrap_weights,
    cluster_codes,
    ones,
    subsample_weights,
    swaps,
)
from harness.statistics.systems import Systems, systems

__all__ = [
    "MIN_CLUSTERS",
    "Correction",
    "Difference",
    "Rank",
    "Spread",
    "Systems",
    "Test",
    "adjust",
    "benjamini_hochberg",
    "bootstrap_weights",
    "cluster_codes",
    "compare",
    "design_effect",
    "detectable",
    "differences",
    "holm",
    "interval",
    "needed",
    "ones",
    "paired_error",
    "proportion_sd",
    "ranks",
    "standard_error",
    "subsample_weights",
    "swaps",
    "systems",
]
