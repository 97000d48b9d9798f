"""Which definitions of the metrics a scoring uses.

"harness" holds the principled ones. Every other profile reproduces one published evaluator; its
numbers belong beside that evaluator's table and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import UnknownNameError
from harness.metrics import (
    chrf,
    diversity,
    failures,
    labels,
    likelihood,
    overlap,
    repetition,
    rouge,
)
from harness.metrics.legacy import LEGACY
from harness.metrics.profile import Profile

__all__ = ["PROFILES", "Profile", "get_profile"]

_HARNESS = Profile(
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
)

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (_HARNESS, *LEGACY)}


def get_profile(name: str) -> Profile:
    """The profile of this name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PROFILES:
        raise UnknownNameError("profile", name, PROFILES)
    return PROFILES[name]
