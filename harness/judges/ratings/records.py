"""Ratings as records: what was rated, by whom, on which scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from harness.dialogue import Turn
from harness.errors import DataError
from harness.files import canonical_json, sha256_text

__all__ = ["Item", "Rating", "RatingSet", "Scale"]


@dataclass(frozen=True, slots=True)
class Scale:
    """From `low` to `high`; `ordinal` where only whole steps exist; the source's own `words`."""

    low: float
    high: float
    ordinal: bool
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A rated reply (or, without `response`, a whole dialogue): `dialogue` is what is resampled."""

    id: str
    dialogue: str
    system: str
    context: tuple[Turn, ...]
    response: str | None = None
    reference: str | None = None
    emotion: str | None = None


@dataclass(frozen=True, slots=True)
class Rating:
    """What `rater`, one of `group`, gave item `item` on `criterion`."""

    item: str
    rater: str
    group: str
    criterion: str
    value: float


@dataclass(frozen=True)
class RatingSet:
    """Rated items of one source, checked when made.

    Raises:
        DataError: an item or rating twice, a rating of an unknown item or criterion, a value off
            its scale.
    """

    name: str
    citation: str
    licence: str
    items: tuple[Item, ...]
    ratings: tuple[Rating, ...]
    scales: Mapping[str, Scale]

    def __post_init__(self) -> None:
        if len(self.by_id) != len(self.items):
            raise DataError(f"{self.name}: {_doubled(item.id for item in self.items)} stands twice")
        seen: set[tuple[str, str, str]] = set()
        for rating in self.ratings:
            place = f"{self.name}: {rating.rater} on {rating.item}, {rating.criterion}"
            if rating.item not in self.by_id or rating.criterion not in self.scales:
                raise DataError(f"{place}: no such item or criterion")
            scale, key = self.scales[rating.criterion], (
                rating.item, rating.rater, rating.criterion
            )  # fmt: skip
            if not (math.isfinite(rating.value) and scale.low <= rating.value <= scale.high):
                raise DataError(
                    f"{place}: {rating.value:g} is not between {scale.low:g} and {scale.high:g}"
                )
            if key in seen:
                raise DataError(f"{place}: stands twice")
            seen.add(key)

    @cached_property
    def by_id(self) -> Mapping[str, Item]:
        """The items by id."""
        return {item.id: item for item in self.items}

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Groups of raters, in order of appearance."""
        return tuple(dict.fromkeys(rating.group for rating in self.ratings))

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over items and ratings."""
        told = [
            [
                [i.id, i.system, [[t.role, t.text] for t in i.context], i.response]
                for i in self.items
            ],
            [[r.item, r.rater, r.group, r.criterion, r.value] for r in self.ratings],
        ]
        return f"sha256:{sha256_text(canonical_json(told))}"

    def values(self, criterion: str, *, group: str | None = None) -> dict[str, dict[str, float]]:
        """Item → rater → value, of one group or of all, items in their order."""
        found: dict[str, dict[str, float]] = {item.id: {} for item in self.items}
        for rating in self.ratings:
            if rating.criterion == criterion and group in (None, rating.group):
                found[rating.item][rating.rater] = rating.value
        return {item: raters for item, raters in found.items() if raters}

    def means(self, criterion: str, *, group: str | None = None) -> dict[str, float]:
        """Item → mean over its raters."""
        values = self.values(criterion, group=group)
        return {item: sum(given.values()) / len(given) for item, given in values.items()}


def _doubled(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
