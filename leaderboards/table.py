"""Results → Board: what stands beside what, decided once for every page and file that shows it.

Rows stand in one table only where task, version, examples (by fingerprint) and profile agree.
Reported rows keep to a block of their own, by system and unranked; floors and the human row are
always part of the table.
Pure: no files, no clock, no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.files import sha256_text
from harness.results import Result
from harness.tasks import TASKS
from leaderboards.columns import Column, make_column, marks
from leaderboards.facets import Facet, choices
from leaderboards.floors import with_floor_rows
from leaderboards.printed import Against, Prints, compare, group
from leaderboards.reported import with_reported
from leaderboards.rows import Row, make_entry, make_rows, row_order
from leaderboards.seeds import SeedSummary, seed_summaries
from leaderboards.standings import Standings
from leaderboards.words import (
    column_order,
    example_set_words,
    profile_words,
    task_kind,
    task_title,
    task_words,
)

__all__ = ["Board", "Table", "build_board"]

# A table of more columns than this opens in its compact view.
COMPACT_ABOVE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Comparable results: `rows` measured here, `reported` printed elsewhere.

    `seeds` sum up models of several training seeds. `prints` are the reported rows by system, and
    `against` sets those beside ours that were measured too.
    `warnings` say loudly what these numbers are not; `gaps` name the reference rows that lack.
    `main` is the index of the column that rows are first sorted by, None without columns.
    """

    slug: str
    task: str
    version: int
    kind: str
    description: str
    example_set: str
    examples: str
    profile_note: str
    size: int | None
    fingerprint: str
    profile: str
    warnings: tuple[str, ...]
    gaps: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    reported: tuple[Row, ...]
    seeds: tuple[SeedSummary, ...]
    prints: tuple[Prints, ...]
    against: tuple[Against, ...]
    main: int | None

    @property
    def title(self) -> str:
        """The task in words, and the profile where it is not our own."""
        legacy = "" if self.profile == "harness" else f" ({self.profile} profile)"
        return task_title(self.task) + legacy

    @property
    def wide(self) -> bool:
        """Whether the table is shown with its decisive columns only at first."""
        decisive = sum(column.decisive for column in self.columns)
        return len(self.columns) > COMPACT_ABOVE and 0 < decisive < len(self.columns)

    @property
    def printed_columns(self) -> tuple[int, ...]:
        """The columns that any reported row has a number in."""
        return tuple(
            i
            for i in range(len(self.columns))
            if any(row.cells[i].metric is not None for row in self.reported)
        )

    @property
    def ranked(self) -> bool:
        """Whether any row has a rank interval."""
        return any(cell.standing is not None for row in self.rows for cell in row.cells)

    @property
    def limited(self) -> bool:
        """Whether these are not all examples of a real set."""
        return bool(self.warnings)

    @property
    def label(self) -> str:
        """The title with what tells this table from others of the same task."""
        return f"{self.title} · {self.example_set or 'examples not stated'}"


@dataclass(frozen=True, slots=True)
class Board:
    """All tables under one title; `newest` is the date of the latest result."""

    title: str
    tables: tuple[Table, ...]
    newest: str = ""

    @property
    def size(self) -> int:
        """The number of rows in all tables."""
        return sum(len(table.rows) + len(table.reported) for table in self.tables)

    @property
    def filters(self) -> tuple[Facet, ...]:
        """What the models of its tables can be filtered by: the facets in which they differ."""
        models = [row for table in self.tables for row in table.rows]
        return choices([row.facets for row in models if row.kind in ("model", "baseline")])


def build_board(
    results: Sequence[Result],
    *,
    title: str = "Empathy leaderboard",
    reported: Sequence[Result] = (),
    standings: Standings | None = None,
) -> Board:
    """Group `results` into tables, tables in the order of the task list, full sets first.

    `reported` are printed rows, which stand behind those measured on the same data set;
    `standings` the rank intervals of models whose predictions are at hand.
    """
    groups: dict[tuple[str, int, str, str], list[Result]] = {}
    for result in sorted(results, key=lambda result: result.id):
        groups.setdefault(result.comparable_key, []).append(result)
    tables = sorted(
        (
            _table(key, with_reported(with_floor_rows(group), reported), standings or {})
            for key, group in groups.items()
        ),
        key=_table_order,
    )
    dates = [result.created[:10] for result in results if result.created]
    return Board(title=title, tables=tuple(tables), newest=max(dates, default=""))


def _table_order(table: Table) -> tuple[object, ...]:
    order = list(TASKS)
    place = order.index(table.task) if table.task in order else len(order)
    partial = bool(table.warnings)
    return (place, table.task, -table.version, table.profile != "harness", partial, table.slug)


def _table(
    key: tuple[str, int, str, str], results: Sequence[Result], standings: Standings
) -> Table:
    task, version, fingerprint, profile = key
    names = frozenset(metric.name for result in results for metric in result.metrics)
    kind = task_kind(task, names)
    ordered = sorted(names, key=lambda name: column_order(kind, name))
    entries = {name: [make_entry(result, name) for result in results] for name in ordered}
    columns = tuple(
        make_column(name, entries[name], kind=kind, profile=profile) for name in ordered
    )
    marked = [marks(column, entries[column.name]) for column in columns]
    rows = make_rows(results, columns, marked, standings)
    main = next((i for i, c in enumerate(columns) if c.direction != "none"), None)
    if main is None and columns:
        main = 0
    rows.sort(key=lambda row: row_order(row, columns, main))
    protocol = results[0].protocol
    example_set = str(protocol.get("example_set") or "")
    size = _count(protocol.get("size"))
    measured = tuple(row for row in rows if row.kind != "reported")
    prints = group([row for row in rows if row.kind == "reported"], columns)
    reported = tuple(row for printed in prints for row in printed.rows)
    return Table(
        slug=f"{_slug(task)}-v{version}-{sha256_text(repr(key))[:6]}",
        task=task,
        version=version,
        kind=kind,
        description=task_words(task),
        example_set=example_set,
        examples=example_set_words(example_set).sentence,
        profile_note=profile_words(profile),
        size=size,
        fingerprint=fingerprint,
        profile=profile,
        warnings=_warnings(results, example_set, size),
        gaps=_gaps(task, measured),
        columns=columns,
        rows=measured,
        reported=reported,
        seeds=seed_summaries(measured, columns),
        prints=prints,
        against=compare(measured, reported, columns),
        main=main,
    )


def _warnings(results: Sequence[Result], example_set: str, size: int | None) -> tuple[str, ...]:
    words = example_set_words(example_set)
    warnings: list[str] = []
    if words.sample:
        count = f"{size} " if size else ""
        warnings.append(
            f"Sample data. These {count}examples were written to try this project out; "
            "the numbers say nothing about how good a model is."
        )
    limits = {c for r in results if (c := _count(r.protocol.get("limit"))) is not None}
    whole = words.size is not None and size == words.size
    if limits and size and size <= max(limits) and not whole:
        warnings.append(
            f"Limited run. Only the first {size:,} examples"
            f"{f' of {words.size:,}' if words.size else ''} were asked; "
            "the numbers do not compare with those of the full set."
        )
    elif words.size and size and not whole:
        warnings.append(f"Not the full set. {size:,} examples instead of {words.size:,}.")
    return tuple(warnings)


def _gaps(task: str, rows: Sequence[Row]) -> tuple[str, ...]:
    """Reference rows that lack, each with the command that makes it."""
    gaps = []
    if not any(row.kind == "floor" for row in rows):
        floors = "--model constant --model shuffled"
        gaps.append(f"No floor rows: empathy-bench run {floors} --task {task}")
    if not any(row.kind == "human" for row in rows):
        gaps.append(f"No human row: empathy-bench run --model human --task {task}")
    return tuple(gaps)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _slug(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in text)[:40]
