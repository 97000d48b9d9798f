"""What papers printed, with where it was read: rows that boards show as *reported*, never ranked.

One YAML file per table of a paper:

    source, citation      whose table, and where it stands
    read                  paper, repository, or second-hand (a note or another table about it)
    task, example_set     the task it belongs to, and the test set as far as known
    definitions           metric → how it was computed, as far as known
    contradictions        what disagrees with it elsewhere
    rows                  {model, metric: value, …}; a row may name another example_set, and by
                          same_as the system that its model is a variant or rerun of

Values are in percent where our metric of that name is; `ppl` is a perplexity of whatever kind the
paper had.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from harness.errors import InputError
from harness.metrics.contract import signature
from harness.results import MetricResult, Result
from harness.tasks import TASKS

__all__ = ["METRICS", "Row", "Table", "read_table", "reported_results"]

Direction = Literal["higher", "lower", "none"]
_Kind = tuple[Direction, str]

# What a table may print: which way is better, and the unit.
METRICS: Mapping[str, _Kind] = {
    **dict.fromkeys(
        (
            *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "dist_1", "dist_2"),
            *("bertscore_f1", "emotion_accuracy", "strategy_accuracy"),
            *("strategy_macro_f1", "strategy_weighted_f1"),
        ),
        ("higher", "percent"),
    ),
    "strategy_bias": ("lower", ""),
    "ppl": ("lower", ""),
    "length": ("none", "words"),
}
_TEXTS = ("source", "citation", "read", "task", "example_set")
_FIELDS = {*_TEXTS, "definitions", "contradictions", "rows"}


@dataclass(frozen=True, slots=True)
class Row:
    """One printed row; `same_as` is the system its model is a variant or rerun of, else ""."""

    model: str
    same_as: str
    example_set: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One printed table."""

    source: str
    citation: str
    read: str
    task: str
    example_set: str
    definitions: Mapping[str, str]
    contradictions: tuple[str, ...]
    rows: tuple[Row, ...]


@cache
def reported_results() -> tuple[Result, ...]:
    """Every printed row as a result record of provenance "reported"; it has no fingerprint."""
    files = sorted(Path(__file__).parent.glob("*.yaml"))
    return tuple(result for file in files for result in _results(read_table(file)))


def read_table(path: Path) -> Table:
    """Read and check one file.

    Raises:
        InputError: not YAML, a field missing or unknown, a metric or value that cannot be.
    """
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML ({error})") from error
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        found = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise InputError(f"{path}: needs exactly the fields {sorted(_FIELDS)}, found {found}")
    for name in _TEXTS:
        if not isinstance(value[name], str) or not value[name]:
            raise InputError(f"{path}: {name} must be text, found {value[name]!r}")
    if value["read"] not in ("paper", "repository", "second-hand"):
        raise InputError(f"{path}: read is {value['read']!r}; say paper, repository, second-hand")
    if value["task"] not in TASKS:
        raise InputError(f"{path}: no task {value['task']!r}; known: {', '.join(TASKS)}")
    unknown = set(value["definitions"]) - METRICS.keys()
    if unknown:
        raise InputError(f"{path}: definitions of unknown metrics {sorted(unknown)}")
    rows = [
        _row(row, value["example_set"], f"{path}: row {i}")
        for i, row in enumerate(value["rows"], 1)
    ]
    if len({(row.model, row.example_set) for row in rows}) < len(rows):
        raise InputError(f"{path}: a model stands twice; tell its rows apart in their names")
    return Table(
        **{name: value[name] for name in _TEXTS},
        definitions=value["definitions"],
        contradictions=tuple(value["contradictions"]),
        rows=tuple(rows),
    )


def _row(row: Any, example_set: str, place: str) -> Row:
    if not isinstance(row, dict) or not isinstance(row.get("model"), str):
        raise InputError(f"{place}: needs a model and its values, found {row!r}")
    named = ("model", "same_as", "example_set")
    values = {key: item for key, item in row.items() if key not in named}
    for name, number in values.items():
        if name not in METRICS:
            raise InputError(f"{place}: unknown metric {name!r}; known: {', '.join(METRICS)}")
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise InputError(f"{place}: {name} must be a number, found {number!r}")
        if (
            not math.isfinite(number)
            or number < 0
            or (METRICS[name][1] == "percent" and number > 100)
        ):
            raise InputError(f"{place}: {name} cannot be {number}")
    if not values:
        raise InputError(f"{place}: {row['model']} has no value")
    same_as = row.get("same_as", "")
    if not isinstance(same_as, str):
        raise InputError(f"{place}: same_as must be a model's name, found {same_as!r}")
    examples = str(row.get("example_set", example_set))
    return Row(row["model"], same_as, examples, cast("dict[str, float]", values))


def _results(table: Table) -> list[Result]:
    task = TASKS[table.task]
    return [
        Result(
            task=task.name,
            task_version=task.version,
            model={
                "name": row.model,
                "kind": "model",
                "source": table.source,
                **({"same_as": row.same_as} if row.same_as else {}),
            },
            protocol={
                "example_set": row.example_set,
                "citation": table.citation,
                "read": table.read,
                "contradictions": " ".join(table.contradictions) or "none known",
            },
            metrics=tuple(
                MetricResult(
                    name=name,
                    value=float(value),
                    signature=signature("reported", by=table.source),
                    direction=METRICS[name][0],
                    unit=METRICS[name][1],
                    note=f"{table.source}: {table.definitions.get(name, 'definition not stated')}",
                )
                for name, value in row.values.items()
            ),
            provenance="reported",
        )
        for row in table.rows
    ]
