"""What a comparison supports, in words."""

from __future__ import annotations

from typing import Literal

from harness.statistics.multiplicity import Correction
from harness.statistics.paired import Difference

__all__ = ["ALPHA", "POWER", "amount", "claim", "p_text", "verdict"]

ALPHA = 0.05
POWER = 0.8
CORRECTIONS: dict[Correction, str] = {"holm": "Holm", "bh": "Benjamini–Hochberg"}

Direction = Literal["higher", "lower", "none"]


def verdict(direction: str, difference: float, p_adjusted: float) -> str:
    """What a difference of this size and p-value supports."""
    if difference == 0:
        return "equal"
    if p_adjusted > ALPHA:
        return "no difference shown"
    if direction == "none":
        return "larger" if difference > 0 else "smaller"
    return "better" if (difference > 0) == (direction == "higher") else "worse"


def claim(
    found: Difference,
    *,
    metric: str,
    direction: Direction,
    system: str,
    baseline: str,
    p_adjusted: float,
    correction: Correction,
    comparisons: int,
    detectable: float | None,
    least_p: float = 0.0,
) -> str:
    """One sentence that may be printed; `found` is system − baseline.

    `detectable` is the smallest difference that would have been seen with probability POWER at
    the level that one of so many comparisons must meet; a p-value at `least_p`, the smallest that
    so many resamples can give, is told as a bound.
    """
    said = verdict(direction, found.value, p_adjusted)
    adjusted = p_text(p_adjusted, bound=found.p <= least_p)
    p = _p(found.p, p_adjusted, adjusted, correction, comparisons)
    if said == "equal":
        return f"{system} and {baseline} are equal on {metric} here"
    if said == "no difference shown":
        sign = "+" if found.value > 0 else "−"
        size = f"{sign}{_size(found)}{_bounds(found, flip=False)}"
        seen = _seen(found, detectable)
        return (
            f"no difference shown between {system} and {baseline} on {metric} ({size}, {p}){seen}"
        )
    verb = f"is {said} than" if direction != "none" else f"has a {said} value than"
    sentence = f"{system} {verb} {baseline} on {metric} by {_size(found)}"
    sentence += f"{_bounds(found, flip=found.value < 0)} ({p})"
    if found.low is not None and found.high is not None and found.low <= 0 <= found.high:
        sentence += ", though the interval includes 0"
    return sentence


def amount(value: float, error: float | None) -> str:
    """`value` to the digits that its standard error leaves meaningful, two to four."""
    digits = 2 if not error or error >= 0.05 else 3 if error >= 0.005 else 4
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def p_text(p: float, *, bound: bool = False) -> str:
    """`p = .002`, to three digits, or `p < .001`; `p ≤ .002` where it can only be bounded."""
    if p < 0.001:
        return "p < .001"
    return "p = 1" if p >= 0.9995 else f"p {'≤' if bound else '='} {p:.3f}".replace("0.", ".")


def _size(found: Difference) -> str:
    return amount(abs(found.value), found.standard_error)


def _bounds(found: Difference, *, flip: bool) -> str:
    """The interval; of the size of the difference where that is told without its sign."""
    if found.low is None or found.high is None:
        return ""
    low, high = (-found.high, -found.low) if flip else (found.low, found.high)
    return f" [{amount(low, found.standard_error)}, {amount(high, found.standard_error)}]"


def _p(p: float, p_adjusted: float, adjusted: str, correction: Correction, comparisons: int) -> str:
    if comparisons == 1:
        return adjusted
    after = f"after {CORRECTIONS[correction]} over {comparisons} comparisons"
    if p <= ALPHA < p_adjusted:
        return f"{p_text(p)} alone, {adjusted.removeprefix('p = ')} {after}"
    return f"{adjusted} {after}"


def _seen(found: Difference, detectable: float | None) -> str:
    given = f": with {found.clusters:,} dialogues"
    if not detectable:
        return f"{given} nothing can be said of what would have been seen"
    least = amount(detectable, found.standard_error)
    return (
        f"{given} only differences above {least} would have been seen with "
        f"{100 * POWER:.0f} % probability"
    )
