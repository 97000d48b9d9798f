"""Which rows speak of one system: training seeds, decodings and printings of it.

`MoEL (seed 0)`, `MoEL (seed 1), beam` and a paper's `MoEL (21M)` with `same_as: MoEL` are one. No
other likeness of names counts: what a paper calls MoEL-large is not MoEL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["system_key", "system_name", "without_seed"]

_SEED = re.compile(r"\s*\(seed (\d{1,18})\)")
_DECODING = re.compile(r",\s*(greedy|beam|top-k)\s*$", re.IGNORECASE)


def without_seed(name: str) -> tuple[str, int | None]:
    """A model's name without its "(seed N)", and N."""
    found = _SEED.search(name)
    return _SEED.sub("", name, count=1).strip(), int(found[1]) if found else None


def system_name(model: Mapping[str, Any]) -> str:
    """The system that a result's model is one of: its field `same_as`, else its bare name."""
    named = model.get("same_as")
    name = named if isinstance(named, str) and named.strip() else str(model["name"])
    return _DECODING.sub("", without_seed(name)[0])


def system_key(name: str) -> str:
    """What `system_name`s of one system have in common; case does not count."""
    return " ".join(name.casefold().split())
