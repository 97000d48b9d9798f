"""One result as one row of a table: its cells, what tells it from its neighbours, its card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

from harness.results import MetricResult, Result
from leaderboards.columns import MARK_WORDS, Column, Entry, Mark
from leaderboards.facets import Facets, row_facets
from leaderboards.naming import system_key, system_name, without_seed

if TYPE_CHECKING:
    from leaderboards.standings import Standing, Standings

__all__ = ["Cell", "Kind", "Row", "make_entry", "make_rows", "row_kind", "row_order"]

Kind = Literal["model", "baseline", "floor", "human", "reported"]

_LONGEST_FIELD = 400


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of one row. `text` is "–" where there is none; `notes` say the rest in words.

    `standing` is a model's rank interval, where its predictions are at hand.
    """

    text: str
    metric: MetricResult | None = None
    mark: Mark = ""
    interval: str = ""
    notes: tuple[str, ...] = ()
    standing: Standing | None = None

    @property
    def rank(self) -> str:
        """The rank interval as shown, "" where there is none."""
        if self.standing is None:
            return ""
        low, high = self.standing.low, self.standing.high
        return str(low) if low == high else f"{low}–{high}"

    @property
    def chance(self) -> str:
        """The chance of being best, in percent; "" where there is no rank."""
        if self.standing is None:
            return ""
        percent = 100 * self.standing.p_best
        if 0 < percent < 1:
            return "< 1 %"
        return "> 99 %" if 99 < percent < 100 else f"{percent:.0f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One result. `detail` tells it from others of the same name; `card` is all it depends on.

    `facets` are what it can be filtered by. `system` and `system_name` say which system it is one
    of, `variant` is its name without the seed. A printed row also says where: `source`,
    `citation`, and `test_set` where it is another.
    """

    id: str
    name: str
    system: str
    system_name: str
    variant: str
    seed: int | None
    source: str
    citation: str
    test_set: str
    detail: str
    kind: Kind
    provenance: str
    url: str | None
    created: str
    n: int
    n_failed: int
    cells: tuple[Cell, ...]
    facets: Facets
    card: tuple[tuple[str, str], ...]


def make_rows(
    results: Sequence[Result],
    columns: Sequence[Column],
    marked: Sequence[Sequence[Mark]],
    standings: Standings,
) -> list[Row]:
    """One row per result; `marked` holds for each column one mark per result.

    Where the paired difference from the best value is known, it says whether a value is tied.
    """
    tops = [
        {result.id for result, mark in zip(results, column, strict=True) if mark == "best"}
        for column in marked
    ]
    settled = [
        [
            _settled(mark, standings.get((result.id, column.name)), top)
            for result, mark in zip(results, given, strict=True)
        ]
        for column, given, top in zip(columns, marked, tops, strict=True)
    ]
    return [
        _row(result, detail, columns, [column[position] for column in settled], standings)
        for position, (result, detail) in enumerate(zip(results, _details(results), strict=True))
    ]


def _settled(mark: Mark, standing: Standing | None, top: set[str]) -> Mark:
    if mark not in ("", "tied") or standing is None or standing.best not in top:
        return mark
    if standing.behind is None:
        return mark
    _, low, high = standing.behind
    return "tied" if low <= 0 <= high else ""


def row_order(row: Row, columns: Sequence[Column], main: int | None) -> tuple[object, ...]:
    """Sorting key by the main column, best first, rows without a value last."""
    if main is None:
        return (0, 0.0, row.name, row.id)
    metric = row.cells[main].metric
    if metric is None or metric.value is None:
        return (1, 0.0, row.name, row.id)
    sign = 1.0 if columns[main].direction == "lower" else -1.0
    return (0, sign * metric.value, row.name, row.id)


def row_kind(result: Result) -> Kind:
    """Which block and style a result belongs to; a paper's number is always reported."""
    if result.provenance == "reported":
        return "reported"
    kind = result.model.get("kind")
    return cast("Kind", kind) if kind in ("floor", "human", "baseline") else "model"


def make_entry(result: Result, name: str) -> Entry:
    """What column `name` sees of `result`."""
    kind = row_kind(result)
    standing = "model" if kind == "baseline" else kind
    return Entry(str(result.model["name"]), standing, result.metric(name))


def _row(
    result: Result,
    detail: str,
    columns: Sequence[Column],
    given: Sequence[Mark],
    standings: Standings,
) -> Row:
    metrics, model = result.metrics, result.model
    variant, seed = without_seed(str(model["name"]))
    cells = tuple(
        _cell(
            column,
            result.metric(column.name),
            mark,
            result.provenance,
            standings.get((result.id, column.name)),
        )
        for column, mark in zip(columns, given, strict=True)
    )
    return Row(
        id=result.id,
        name=str(model["name"]),
        system=system_key(system_name(model)),
        system_name=system_name(model),
        variant=variant,
        seed=seed,
        source=str(model.get("source") or ""),
        citation=str(result.protocol.get("citation") or ""),
        test_set=str(model.get("test_set") or ""),
        detail=detail,
        kind=row_kind(result),
        provenance=result.provenance,
        url=_link(model.get("url")),
        created=result.created[:10],
        n=max((metric.n for metric in metrics), default=0),
        n_failed=max((metric.n_failed for metric in metrics), default=0),
        cells=cells,
        facets=row_facets(result, row_kind(result), columns),
        card=_card(result),
    )


def _cell(
    column: Column,
    metric: MetricResult | None,
    mark: Mark,
    provenance: str,
    standing: Standing | None,
) -> Cell:
    if metric is None:
        return Cell("–", notes=("not measured",))
    notes = [MARK_WORDS[mark]] if mark else []
    if metric.note:
        notes.append(metric.note)
    if metric.value is None:
        return Cell("–", metric, notes=tuple(notes or ["no value"]))
    interval = ""
    if metric.low is not None and metric.high is not None:
        interval = f"{column.text(metric.low)} to {column.text(metric.high)}"
    text = column.printed if provenance == "reported" else column.text
    return Cell(text(metric.value), metric, mark, interval, tuple(notes), standing)


def _details(results: Sequence[Result]) -> list[str]:
    """What tells rows apart beside the name; the date and id only where nothing else does."""
    brief = [_detail(result) for result in results]
    seen = Counter((str(r.model["name"]), d) for r, d in zip(results, brief, strict=True))
    return [
        detail
        if seen[str(result.model["name"]), detail] == 1
        else " · ".join(filter(None, [detail, result.created[:10], result.id[:6]]))
        for result, detail in zip(results, brief, strict=True)
    ]


def _detail(result: Result) -> str:
    prompt, generation = _mapping(result, "prompt"), _mapping(result, "generation")
    parts = [str(result.model["source"])] if result.model.get("source") else []
    if result.model.get("test_set"):
        parts.append(f"test set {result.model['test_set']}")
    if result.model.get("parameters"):
        parts.append(_parameters(result.model["parameters"]))
    if prompt.get("few_shot"):
        parts.append(f"{prompt['few_shot']}-shot")
    if generation.get("temperature"):
        parts += [f"temperature {generation['temperature']}"]
        if result.protocol.get("seed") is not None:
            parts.append(f"seed {result.protocol['seed']}")
    return " · ".join(map(str, parts))


def _parameters(value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        return _brief(value)
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value} parameters"


def _card(result: Result) -> tuple[tuple[str, str], ...]:
    """Every field the numbers depend on, nested names joined by dots."""
    fields: list[tuple[str, str]] = [
        ("result", result.id),
        ("provenance", result.provenance),
        ("created", result.created or "not stated"),
    ]
    groups: Mapping[str, Mapping[str, Any]] = {
        "model": result.model,
        "protocol": result.protocol,
        "files": result.files,
        "environment": result.environment,
    }
    for name, group in groups.items():
        fields += _flat(name, group)
    return tuple(fields)


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [pair for key, item in value.items() for pair in _flat(f"{name}.{key}", item)]
    return [(name, _brief(value))]


def _brief(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= _LONGEST_FIELD else text[: _LONGEST_FIELD - 1] + "…"


def _link(value: object) -> str | None:
    """A web address; anything else (javascript:, file:, data:) is not a link."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.netloc else None


def _mapping(result: Result, name: str) -> Mapping[str, Any]:
    value = result.protocol.get(name)
    return value if isinstance(value, Mapping) else {}
