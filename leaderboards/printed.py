"""What papers printed: grouped by system, and beside what was measured here.

Two papers that print a system's number seldom agree; so all printings of one stand together, with
where each was read. Beside our own numbers they say how far a re-measurement is from print. It is
a comparison of statements, not of systems: definitions and test sets differ, and the words say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from leaderboards.columns import Column
from leaderboards.rows import Row
from leaderboards.seeds import Runs, runs_by_system

__all__ = ["Against", "Comparison", "Measured", "Printing", "Prints", "compare", "group"]

# Papers print a perplexity of whatever kind; ours have definitions, and other names therefore.
_COUNTERPARTS = {"ppl": ("ppl_closed", "ppl_word")}


@dataclass(frozen=True, slots=True)
class Prints:
    """All printed rows of one system; `differing` names the columns printed with two values."""

    system: str
    name: str
    rows: tuple[Row, ...]
    differing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Printing:
    """One printed number: where, how defined, and the test set where it is another one.

    `names` are the rows that it stands in, where they are not called like the system.
    """

    text: str
    source: str
    citation: str
    definition: str
    test_set: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """Our number of one model: value (the mean over seeds), how sure, and the gap to print."""

    name: str
    text: str
    spread: str
    gap: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one system, printed and measured; `notes` say how they are defined."""

    label: str
    printings: tuple[Printing, ...]
    measured: tuple[Measured, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Against:
    """One system that was both printed and measured."""

    system: str
    name: str
    comparisons: tuple[Comparison, ...]


def group(reported: Sequence[Row], columns: Sequence[Column]) -> tuple[Prints, ...]:
    """The printed rows by system, in the order of names."""
    grouped: dict[str, list[Row]] = {}
    for row in sorted(reported, key=lambda row: (row.source, row.name, row.id)):
        grouped.setdefault(row.system, []).append(row)
    return tuple(
        Prints(
            system=system,
            name=rows[0].system_name,
            rows=tuple(rows),
            differing=tuple(
                column.label
                for i, column in enumerate(columns)
                if len({row.cells[i].text for row in rows if _value(row, i) is not None}) > 1
            ),
        )
        for system, rows in sorted(grouped.items())
    )


def compare(
    rows: Sequence[Row], reported: Sequence[Row], columns: Sequence[Column]
) -> tuple[Against, ...]:
    """Systems that stand in `rows`, run or scored here, and in `reported`; metric by metric."""
    ours = runs_by_system(rows)
    found = []
    for prints in group(reported, columns):
        runs = ours.get(prints.system, [])
        comparisons = [
            compared
            for i in range(len(columns))
            if (compared := _comparison(prints, runs, columns, i)) is not None
        ]
        if comparisons:
            name = runs[0].rows[0].system_name
            found.append(Against(prints.system, name, tuple(comparisons)))
    return tuple(found)


def _comparison(
    prints: Prints, runs: Sequence[Runs], columns: Sequence[Column], printed: int
) -> Comparison | None:
    own = _own_column(runs, columns, printed)
    rows = [row for row in prints.rows if _value(row, printed) is not None]
    if own is None or not rows:
        return None
    values = [value for row in rows if (value := _value(row, printed)) is not None]
    measured = [
        found
        for run, name in zip(runs, _names(runs), strict=True)
        if (found := _measured(run, name, columns[own], own, values)) is not None
    ]
    printings = _printings(prints, rows, printed)
    label = columns[own].label if columns[own].name != columns[printed].name else ""
    ours = ". ".join(filter(None, [label, columns[own].description])) or columns[own].signature
    notes = (f"Ours: {ours}", *_notes(printings))
    return Comparison(columns[printed].label, printings, tuple(measured), notes)


def _own_column(runs: Sequence[Runs], columns: Sequence[Column], printed: int) -> int | None:
    """The column of our number: of the same name, else the first counterpart's."""
    names = [column.name for column in columns]
    others = _COUNTERPARTS.get(names[printed], ())
    places = [printed, *(names.index(other) for other in others if other in names)]
    return next((i for i in places if any(run.metrics(i) for run in runs)), None)


def _names(runs: Sequence[Runs]) -> list[str]:
    """What tells our models of one system apart; nothing where there is only one."""
    if len(runs) == 1:
        return [""]
    if len({run.name for run in runs}) == len(runs):
        return [run.name for run in runs]
    return [" · ".join(filter(None, [run.name, run.detail])) for run in runs]


def _measured(
    runs: Runs, name: str, column: Column, place: int, printed: Sequence[float]
) -> Measured | None:
    values = [metric.value for metric in runs.metrics(place) if metric.value is not None]
    if not values:
        return None
    value = fmean(values)
    if len(values) > 1:
        ends = f"{column.text(min(values))} to {column.text(max(values))}"
        spread = f"mean of {len(values)} seeds, {ends}"
    else:
        interval = runs.rows[0].cells[place].interval
        spread = f"95 % interval {interval}" if interval else ""
    gaps = [value - other for other in printed]
    low, high = _signed(column, min(gaps)), _signed(column, max(gaps))
    return Measured(name, column.text(value), spread, low if low == high else f"{low} to {high}")


def _signed(column: Column, value: float) -> str:
    text = column.text(value)
    if not text.strip("−0.,"):
        return text.removeprefix("−")
    return text if text.startswith("−") else f"+{text}"


def _printings(prints: Prints, rows: Sequence[Row], place: int) -> tuple[Printing, ...]:
    """The printed numbers; one that a source gives several times is said once."""
    said: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        said.setdefault((row.cells[place].text, row.source, row.test_set), []).append(row)
    found = []
    for (text, source, test_set), same in said.items():
        metric = same[0].cells[place].metric
        note = metric.note if metric is not None else ""
        found.append(
            Printing(
                text=text,
                source=source or "a paper",
                citation=same[0].citation,
                definition=note.removeprefix(f"{source}: ") or "definition not stated",
                test_set=test_set,
                names=tuple(row.name for row in same if row.name != prints.name),
            )
        )
    return tuple(found)


def _notes(printings: Sequence[Printing]) -> tuple[str, ...]:
    """How each printed number was defined, and on which examples; equal words are said once."""
    said: dict[tuple[str, str], list[str]] = {}
    for printing in printings:
        sources = said.setdefault((printing.definition, printing.test_set), [])
        if printing.source not in sources:
            sources.append(printing.source)
    return tuple(
        f"{', '.join(sources)}: {definition}"
        + (f"; another test set, {test_set}" if test_set else "")
        for (definition, test_set), sources in said.items()
    )


def _value(row: Row, place: int) -> float | None:
    metric = row.cells[place].metric
    return None if metric is None else metric.value
