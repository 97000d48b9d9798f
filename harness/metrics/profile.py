"""What a profile is: one evaluator's set of metric definitions, with what sets it apart."""

from __future__ import annotations

from dataclasses import dataclass

from harness.metrics.contract import Metric

__all__ = ["Profile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A named set of metric definitions.

    `description` says in one sentence whose numbers it gives; `differences` what it does otherwise
    than the harness profile, one sentence a quirk; `caveat` why its numbers do not compare.
    """

    name: str
    description: str
    caveat: str
    metrics: tuple[Metric, ...]
    differences: tuple[str, ...] = ()
