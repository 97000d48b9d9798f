"""One metric over the rows of a table: its scale, its floor, and which values may be called best.

No ranks are made of these numbers (`leaderboards.standings` makes them of predictions). The best
value is marked, and with it every value whose 95 % interval overlaps the best one's. Overlap is
the cautious reading: values that do not overlap differ; of values that do, only paired differences
can say more, and where predictions are at hand they do (`leaderboards.rows`).
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.results import MetricResult
from leaderboards.words import metric_words

__all__ = ["MARK_WORDS", "Column", "Entry", "Mark", "make_column", "marks", "number"]

Mark = Literal["", "best", "tied", "other"]
Standing = Literal["model", "floor", "human", "reported"]

ARROWS = {"higher": "↑", "lower": "↓", "none": ""}
BETTER = {"higher": "higher is better", "lower": "lower is better", "none": "no better direction"}
MARK_WORDS = {
    "best": "best value",
    "tied": "not separable from the best",
    "other": "defined differently from the rest of this column; not compared",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row's number in one column; `metric` is None where the result has none."""

    name: str
    standing: Standing
    metric: MetricResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One metric of a table.

    `low`, `high` span its models and floors, intervals included, and are the scale of its bars;
    a human row far outside (people agree perfectly with themselves) does not stretch them.
    `floor` is the best floor row's value. `signature` is the column's definition: the commonest
    one in it. `places` is the number of decimals of every value shown.
    """

    name: str
    label: str
    description: str
    direction: str
    arrow: str
    better: str
    unit: str
    range: str
    signature: str
    decisive: bool
    places: int
    low: float
    high: float
    floor: float | None = None
    floor_name: str = ""
    floor_sentence: str = ""

    def text(self, value: float | None) -> str:
        """`value` as this column prints it."""
        return "–" if value is None else number(value, self.places)

    def printed(self, value: float) -> str:
        """A paper's `value` with all the decimals it was printed with, and at least ours."""
        decimals = len(f"{value:.6f}".rstrip("0").partition(".")[2])
        return number(value, max(self.places, decimals))

    def position(self, value: float) -> float:
        """Where `value` stands on the column's scale, 0 to 100; only of a column that has one."""
        return min(100.0, max(0.0, 100.0 * (value - self.low) / (self.high - self.low)))

    @property
    def has_scale(self) -> bool:
        """Whether its values differ enough, and are of a size, to be drawn against each other."""
        span = self.high - self.low
        return 1e-200 < span < 1e200 and span > 1e-9 * max(abs(self.low), abs(self.high))

    def beyond(self, value: float) -> int:
        """-1 below the scale, 1 above it, 0 on it."""
        return (value > self.high) - (value < self.low)


def make_column(
    name: str, entries: Sequence[Entry], *, kind: str = "response", profile: str = "harness"
) -> Column:
    """The column of metric `name`, at least one of whose entries has a metric."""
    present = [e for e in entries if e.metric is not None]
    measured = [e for e in present if e.standing != "reported"] or present
    metrics = [e.metric for e in measured if e.metric is not None]
    signature = Counter(m.signature for m in metrics).most_common(1)[0][0]
    defining = next(m for m in metrics if m.signature == signature)
    words = metric_words(name, kind=kind, profile=profile)
    values = _scale([e for e in measured if e.metric and e.metric.signature == signature])
    column = Column(
        name=name,
        label=words.label,
        description=words.description,
        direction=defining.direction,
        arrow=ARROWS[defining.direction],
        better=BETTER[defining.direction],
        unit=defining.unit,
        range=words.range,
        signature=signature,
        decisive=words.decisive and bool(values),
        places=_places(values),
        low=min(values, default=0.0),
        high=max(values, default=0.0),
    )
    return _with_floor(column, entries)


def marks(column: Column, entries: Sequence[Entry]) -> list[Mark]:
    """What each entry is called: best, tied with the best, otherwise defined, or nothing.

    Only models are compared, and only where two of them share the column's definition.
    """
    rivals = [
        e.metric
        for e in entries
        if e.standing == "model" and _comparable(e, column) and e.metric is not None
    ]
    best: list[MetricResult] = []
    # Where all agree (no failures anywhere, say) there is nothing to mark.
    if column.direction != "none" and len({metric.value for metric in rivals}) > 1:
        pick = max if column.direction == "higher" else min
        top = pick(metric.value or 0.0 for metric in rivals)
        best = [metric for metric in rivals if metric.value == top]
    return [_mark(entry, column, best) for entry in entries]


def number(value: float, places: int) -> str:
    """`value` with a fixed number of decimals; very large numbers in powers of ten."""
    if abs(value) >= 1e7:
        return f"{value:.2e}"
    return f"{value + 0.0:,.{places}f}".replace("-", "−")


def _mark(entry: Entry, column: Column, best: Sequence[MetricResult]) -> Mark:
    metric = entry.metric
    # The block of reported rows says of all of them that they are defined elsewhere.
    if metric is None or metric.value is None or entry.standing == "reported":
        return ""
    if metric.signature != column.signature:
        return "other"
    if not best or entry.standing != "model":
        return ""
    if metric.value == best[0].value:
        return "best"
    return "tied" if any(_overlap(metric, other) for other in best) else ""


def _overlap(a: MetricResult, b: MetricResult) -> bool:
    (low, high), (other_low, other_high) = _interval(a), _interval(b)
    return low <= other_high and other_low <= high


def _comparable(entry: Entry, column: Column) -> bool:
    metric = entry.metric
    return metric is not None and metric.value is not None and metric.signature == column.signature


def _interval(metric: MetricResult) -> tuple[float, float]:
    """A value without an interval is a point."""
    value = metric.value or 0.0
    low = value if metric.low is None else metric.low
    high = value if metric.high is None else metric.high
    return low, high


def _scale(entries: Sequence[Entry]) -> list[float]:
    """The values a column's scale must hold: all but people who stand far from the rest."""
    people = _values([e for e in entries if e.standing == "human"])
    others = _values([e for e in entries if e.standing != "human"])
    if not people or not others:
        return people or others
    span = max(others) - min(others)
    near = max(*people, *others) - min(*people, *others) <= 2 * span
    return others + people if near else others


def _values(entries: Sequence[Entry]) -> list[float]:
    metrics = [e.metric for e in entries if e.metric is not None]
    return [v for m in metrics for v in (m.value, m.low, m.high) if v is not None]


def _with_floor(column: Column, entries: Sequence[Entry]) -> Column:
    floors = [e for e in entries if e.standing == "floor" and _comparable(e, column)]
    if column.direction == "none" or not floors:
        return column
    sign = 1.0 if column.direction == "higher" else -1.0
    if sign < 0 and any(_value(e) == 0 for e in floors):
        return column  # nothing fails in a floor, and that is no height to reach
    top = max(floors, key=lambda e: sign * _value(e))
    models = [e for e in entries if e.standing == "model" and _comparable(e, column)]
    under = sum(sign * _value(e) <= sign * _value(top) for e in models)
    sentence = f"Best floor: {top.name}, {column.text(_value(top))}."
    if under:
        verb = "does" if under == 1 else "do"
        sentence += f" {under} of {len(models)} models {verb} no better."
    return dataclasses.replace(
        column, floor=_value(top), floor_name=top.name, floor_sentence=sentence
    )


def _value(entry: Entry) -> float:
    assert entry.metric is not None and entry.metric.value is not None
    return entry.metric.value


def _places(values: Sequence[float]) -> int:
    """Decimals that show about four figures of the largest value."""
    largest = max((abs(v) for v in values), default=0.0)
    if largest >= 1000:
        return 0
    if largest >= 100.05:
        return 1
    exponent = math.floor(math.log10(largest)) if largest else 0
    return 2 if exponent >= -1 else min(6, 1 - exponent)
