"""Whether evaluators share errors; judges ask the same: see `harness.judges.shared_errors`."""

from __future__ import annotations

from harness.judges.shared_errors import (
    Suspicion,
    bootstrap_correlations,
    rank_correlations,
    suspicions,
)

__all__ = ["Suspicion", "bootstrap_correlations", "rank_correlations", "suspicions"]
