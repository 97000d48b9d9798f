"""Which definitions of the metrics a scoring uses.

"harness" holds the principled ones. Every other profile reproduces one published evaluator; its
numbers belong beside that evaluator's table and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UnknownNameError
from harness.metrics import (
    chrf,
    diversity,
    failures,
    labels,
    legacy,
    likelihood,
    overlap,
    repetition,
    rouge,
)
from harness.metrics.contract import Metric

__all__ = ["PROFILES", "Profile", "get_profile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named set of metric definitions; `caveat` says why its numbers do not compare."""

    name: str
    description: str
    caveat: str
    metrics: tuple[Metric, ...]


_LEGACY_TEXT = (
    "It scores lower-cased, pre-cut text by its spaces, against the reference that the file "
    "prints, so a text with other spacing or spelling gets another number"
)

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            name="harness",
            description="This project's definitions: one tokeniser, canonical references, "
            "failures counted, an interval on every number.",
            caveat="",
            metrics=(
                *overlap.METRICS,
                *chrf.METRICS,
                *rouge.METRICS,
                *diversity.METRICS,
                *repetition.METRICS,
                *likelihood.METRICS,
                *labels.METRICS,
                *failures.METRICS,
            ),
        ),
        Profile(
            name="moel",
            description="As MoEL reported: Moses corpus BLEU on the tokens of its own output file.",
            caveat=f"{_LEGACY_TEXT}.",
            metrics=legacy.MOSES,
        ),
        Profile(
            name="mime",
            description="As MIME reported: Moses corpus BLEU, the numbers its output file prints.",
            caveat=f"{_LEGACY_TEXT}.",
            metrics=legacy.MOSES,
        ),
        Profile(
            name="empdg",
            description="As EmpDG reported: n-gram precisions averaged over replies, and Dist-n.",
            caveat=f"{_LEGACY_TEXT}; nothing penalises short replies, and it is on 2,713 of the "
            "5,255 examples.",
            metrics=legacy.EMPDG,
        ),
    )
}


def get_profile(name: str) -> Profile:
    """The profile of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PROFILES:
        raise UnknownNameError("profile", name, PROFILES)
    return PROFILES[name]
