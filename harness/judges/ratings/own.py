"""A table of one's own ratings.

    item,system,rater,criterion,value,response,context,reference,emotion,group
    d1,mine,anna,empathy,4,"Oh no, what happened?","Speaker: I lost my job.",…

item, system, rater, criterion and value are needed; the rest may be left out. A reply is told apart
by item and system. The context is turns by line, `Speaker: …` and `Listener: …`. The scale of a
criterion goes from the lowest to the highest value found, unless --scale names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.dialogue import Turn
from harness.errors import DataError, located
from harness.judges.ratings.records import Item, Rating, RatingSet, Scale
from harness.judges.ratings.tables import Row, number, read_rows, text

__all__ = ["own_ratings"]

_NEEDED = ("item", "system", "rater", "criterion", "value")


def own_ratings(path: Path, scales: Mapping[str, tuple[float, float]] | None = None) -> RatingSet:
    """Read such a table; `scales` bounds criteria by name.

    Raises:
        DataError: a column or cell is missing or of the wrong kind, a value off its scale, one
            reply with two texts, a rating twice.
    """
    items: dict[str, Item] = {}
    ratings: list[Rating] = []
    for line, row in read_rows(path, _NEEDED):
        dialogue, system = text(path, line, row, "item"), text(path, line, row, "system")
        item = Item(
            id=f"{dialogue}/{system}", dialogue=dialogue, system=system,
            context=_turns(row.get("context") or ""), response=_cell(row, "response"),
            reference=_cell(row, "reference"), emotion=_cell(row, "emotion"),
        )  # fmt: skip
        known = items.setdefault(item.id, item)
        if known != item:
            raise DataError(located(path, line, f"{item.id} has another text than before"))
        rating = Rating(
            item.id, text(path, line, row, "rater"), _cell(row, "group") or "people",
            text(path, line, row, "criterion"), number(path, line, row, "value"),
        )  # fmt: skip
        _check_scale(path, line, rating, scales or {})
        ratings.append(rating)
    unknown = sorted(set(scales or {}) - {rating.criterion for rating in ratings})
    if unknown:
        raise DataError(f"{path}: --scale {unknown[0]}: nothing was rated by that name")
    found: dict[str, Scale] = {}
    for criterion in dict.fromkeys(rating.criterion for rating in ratings):
        values = [rating.value for rating in ratings if rating.criterion == criterion]
        low, high = (scales or {}).get(criterion, (min(values), max(values)))
        whole = all(value == int(value) for value in values) and high - low <= 10
        found[criterion] = Scale(low, high, whole, criterion)
    return RatingSet(path.stem, str(path.name), "the user's own", tuple(items.values()),
                     tuple(ratings), found)  # fmt: skip


def _check_scale(
    path: Path, line: int, rating: Rating, scales: Mapping[str, tuple[float, float]]
) -> None:
    low, high = scales.get(rating.criterion, (rating.value, rating.value))
    if not low <= rating.value <= high:
        raise DataError(
            located(
                path,
                line,
                f'"value" {rating.value:g} of {rating.criterion} is not between {low:g} and '
                f"{high:g}; correct it, or widen --scale",
            )
        )


def _cell(row: Row, column: str) -> str | None:
    return " ".join((row.get(column) or "").split()) or None


def _turns(words: str) -> tuple[Turn, ...]:
    turns: list[Turn] = []
    for line in filter(str.strip, words.splitlines()):
        role, colon, said = line.strip().partition(":")
        known = colon and role.casefold() in ("speaker", "listener")
        kind, told = (role.casefold(), said) if known else ("speaker", line)
        turns.append(Turn(len(turns), kind, " ".join(told.split())))  # type: ignore[arg-type]
    return tuple(turns)
