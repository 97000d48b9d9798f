"""What rows can be filtered by: facts of model cards, in a few words each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.results import Result
from leaderboards.columns import Column

__all__ = ["FACETS", "Facet", "Facets", "choices", "row_facets"]

# Facet → the values a row has of it; a row without a fact has the value UNKNOWN.
Facets = dict[str, list[str]]

UNKNOWN = "not stated"
FACETS = {
    "kind": "Kind",
    "provenance": "Provenance",
    "size": "Size",
    "family": "Family",
    "data": "Training data",
    "complete": "Coverage",
}
_SIZES = (
    (100_000_000, "below 100M"),
    (1_000_000_000, "100M to 1B"),
    (10_000_000_000, "1B to 10B"),
    (100_000_000_000, "10B to 100B"),
)
_LARGEST = "100B and more"
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Facet:
    """One filter of a board and the values to choose from."""

    name: str
    label: str
    values: tuple[str, ...]


def row_facets(result: Result, kind: str, columns: Sequence[Column]) -> Facets:
    """The facets of one row; `kind` as `rows.row_kind` says. Coverage is of a table's `columns`."""
    model = result.model
    held = {metric.name for metric in result.metrics if metric.value is not None}
    complete = all(column.name in held for column in columns)
    data = model.get("training_data")
    named = [_brief(item) for item in data] if isinstance(data, list) else []
    return {
        "kind": [kind],
        "provenance": [result.provenance],
        "size": [_size(model.get("parameters"))],
        "family": [_brief(model.get("family") or UNKNOWN)],
        "data": named or [_brief(data or UNKNOWN)],
        "complete": ["every metric" if complete else "metrics missing"],
    }


def choices(rows: Sequence[Facets]) -> tuple[Facet, ...]:
    """The facets in which `rows` differ, each with its values in order."""
    found = []
    for name, label in FACETS.items():
        values = {value for row in rows for value in row[name]}
        if len(values) > 1:
            found.append(Facet(name, label, tuple(sorted(values, key=_order))))
    return tuple(found)


def _size(parameters: object) -> str:
    if not isinstance(parameters, int) or isinstance(parameters, bool) or parameters < 1:
        return UNKNOWN
    return next((words for above, words in _SIZES if parameters < above), _LARGEST)


def _order(value: str) -> tuple[bool, int, str]:
    sizes = [*(words for _, words in _SIZES), _LARGEST]
    return value == UNKNOWN, sizes.index(value) if value in sizes else 0, value.casefold()


def _brief(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
