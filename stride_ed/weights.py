"""From several evaluators' grades to one score per trace: the judges' panels, for traces.

Each evaluator's grades are standardised by dimension (over the samples it graded), averaged over
the dimensions it judges, and standardised again; `harness.judges.panels` weighs the evaluators and
says how much their agreement is worth. Turns of one dialogue count as one draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.judges import panels
from harness.judges.panels import Panel, Scheme, Weighting, top

if TYPE_CHECKING:
    from stride_ed.records import Score

__all__ = ["Panel", "Scheme", "Weighting", "combine", "make_panel", "top"]


def make_panel(ids: Sequence[str], scores: Mapping[str, Mapping[str, Score]]) -> Panel:
    """Grades by evaluator and id, on one scale; see `harness.judges.panels.make_panel`.

    Raises:
        InputError: there is no evaluator.
    """
    if not scores:
        raise InputError("no evaluator has graded anything; run `empathy-bench stride evaluate`")
    grades = {
        name: {identity: score.values for identity, score in given.items()}
        for name, given in scores.items()
    }
    dialogues = [identity.rpartition("/")[0] or identity for identity in ids]
    return panels.make_panel(ids, grades, clusters=dialogues)


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
    return panels.combine(panel, scheme, human=human, kept=kept, seed=seed)
