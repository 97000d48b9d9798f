"""A judge without a language model: ridge regression on sentence vectors, learned from people."""

from __future__ import annotations

from harness.judges.offline.fitting import OfflineJudge, fit_judge, held_out
from harness.judges.offline.kept import keep_judge, load_offline_judge

__all__ = ["OfflineJudge", "fit_judge", "held_out", "keep_judge", "load_offline_judge"]
