"""Two versions of a board: which numbers and places changed, and what changed them.

A number depends on predictions, metric definition and examples; each is named by a hash or a
signature on the board, so every change is put down to one of them, or told to have no cause on
record. A place depends on the others' numbers too: "others moved" says that nothing of one's own
changed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from leaderboards.submissions.findings import shown
from leaderboards.submissions.record import RANKED

__all__ = ["Change", "Reason", "compare_boards"]

Reason = Literal[
    "new model",
    "gone",
    "new predictions",
    "new metric signature",
    "new data fingerprint",
    "others moved",
    "no cause on record",
]
_Record = Mapping[str, Any]
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one model in one table.

    `table` is its task, example set and profile; places are by the table's first metric, None
    for rows that have none, and ranks the 95 % interval of the rank, where the board has it.
    `metrics` maps a changed metric to (old, new). `reasons` are why,
    never none. A changed fingerprint changes what was asked: old and new are then not comparable.
    """

    table: str
    name: str
    kind: str
    reasons: tuple[Reason, ...]
    old_place: int | None = None
    new_place: int | None = None
    old_rank: tuple[int, int] | None = None
    new_rank: tuple[int, int] | None = None
    metrics: Mapping[str, tuple[float | None, float | None]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def moved(self) -> bool:
        """Whether its place changed; rows that come or go do not move."""
        return None not in (self.old_place, self.new_place) and self.old_place != self.new_place

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "moved": self.moved}

    def __str__(self) -> str:
        old, new = _place(self.old_place, self.old_rank), _place(self.new_place, self.new_rank)
        place = f"{old} → {new}"
        numbers = "".join(
            f"\n    {name}: {_number(old)} → {_number(new)}"
            for name, (old, new) in self.metrics.items()
        )
        return (
            f"{shown(self.table)}  {shown(self.name)}  {place}  {', '.join(self.reasons)}{numbers}"
        )


def compare_boards(old: _Record, new: _Record) -> list[Change]:
    """Every row that differs between two board records (`record.board_record`), by table."""
    changes: list[Change] = []
    for key, before, after in _pairs(old["tables"], new["tables"]):
        changes += _compare_tables(_name(key), before, after)
    return changes


def _pairs(
    old: Sequence[_Record], new: Sequence[_Record]
) -> list[tuple[_Key, _Record | None, _Record | None]]:
    """Tables that belong together: of the same examples, else of the same example set.

    A limited run of a set is a table beside the whole one, so those of one set pair by size.
    """
    pairs: list[tuple[_Key, _Record | None, _Record | None]] = []
    left, right = list(old), list(new)
    for before in old:
        for after in right:
            if (_key(before), before["fingerprint"]) == (_key(after), after["fingerprint"]):
                pairs.append((_key(before), before, after))
                left.remove(before)
                right.remove(after)
                break
    for key in sorted({_key(table) for table in (*left, *right)}):
        mine = sorted((t for t in left if _key(t) == key), key=_size)
        theirs = sorted((t for t in right if _key(t) == key), key=_size)
        pairs += [(key, *both) for both in zip_longest(mine, theirs)]
    return sorted(pairs, key=lambda pair: pair[0])


def _key(table: _Record) -> _Key:
    return (table["task"], table["example_set"], table["profile"])


def _size(table: _Record) -> int:
    return -int(table.get("size") or 0)


def _name(key: _Key) -> str:
    task, example_set, profile = key
    legacy = "" if profile == "harness" else f" ({profile})"
    return f"{task} {example_set}".strip() + legacy


def _compare_tables(name: str, old: _Record | None, new: _Record | None) -> Iterator[Change]:
    before, after = _rows(old), _rows(new)
    other_data = bool(old and new and old["fingerprint"] != new["fingerprint"])
    for key in sorted({*before, *after}):
        change = _compare_rows(name, before.get(key), after.get(key), other_data=other_data)
        if change is not None:
            yield change


def _rows(table: _Record | None) -> dict[tuple[str, str, int], _Record]:
    """Rows by name and what tells them apart; floors and people too, for they are yardsticks."""
    found: dict[tuple[str, str, int], _Record] = {}
    for row in table["rows"] if table else ():
        count = 0
        while (row["name"], row["detail"], count) in found:
            count += 1
        found[row["name"], row["detail"], count] = row
    return found


def _compare_rows(
    table: str, old: _Record | None, new: _Record | None, *, other_data: bool
) -> Change | None:
    row = new or old
    assert row is not None, "a key comes from one of the boards"
    old_place, new_place = (r.get("place") if r else None for r in (old, new))
    reasons: list[Reason] = []
    metrics: dict[str, tuple[float | None, float | None]] = {}
    if old is None or new is None:
        reasons.append("new model" if old is None else "gone")
    else:
        metrics = _values(old, new)
        reasons = _reasons(old, new, metrics, other_data=other_data)
        if not reasons and (metrics or old_place != new_place):
            ranked = row["kind"] in RANKED
            reasons.append("no cause on record" if metrics or not ranked else "others moved")
    if not reasons:
        return None
    return Change(
        table=table,
        name=row["name"],
        kind=row["kind"],
        reasons=tuple(reasons),
        old_place=old_place,
        new_place=new_place,
        old_rank=_rank(old),
        new_rank=_rank(new),
        metrics=metrics,
    )


def _reasons(
    old: _Record,
    new: _Record,
    metrics: Mapping[str, object],
    *,
    other_data: bool,
) -> list[Reason]:
    """What a row's numbers depend on that is not the same any more."""
    reasons: list[Reason] = []
    if other_data:
        reasons.append("new data fingerprint")
    if old["predictions"] != new["predictions"]:
        reasons.append("new predictions")
    both = old["metrics"].keys() & new["metrics"].keys()
    redefined = {
        name
        for name in both
        if old["metrics"][name]["signature"] != new["metrics"][name]["signature"]
    }
    added = old["metrics"].keys() ^ new["metrics"].keys()
    if redefined or (added and metrics.keys() & added):
        reasons.append("new metric signature")
    return reasons


def _values(old: _Record, new: _Record) -> dict[str, tuple[float | None, float | None]]:
    """Metrics whose value changed, came or went."""
    found = {}
    for name in sorted({*old["metrics"], *new["metrics"]}):
        mine = old["metrics"].get(name, {}).get("value")
        theirs = new["metrics"].get(name, {}).get("value")
        if mine != theirs:
            found[name] = (mine, theirs)
    return found


def _place(place: int | None, rank: tuple[int, int] | None) -> str:
    """A place with the interval that the rank lies in."""
    bounds = f" [{rank[0]}–{rank[1]}]" if rank else ""
    return f"{place or '–'}{bounds}"


def _rank(row: _Record | None) -> tuple[int, int] | None:
    found = row.get("rank") if row else None
    return (found[0], found[1]) if found else None


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"
