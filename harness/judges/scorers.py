"""What a metric, or a judge's file, says of each rated reply.

Metrics score replies that are not people's own: against the reference those would be compared with
themselves. A reply of a rated set may be empty; it is scored as such, never left out. A judge that
failed on a reply says `"score": null`: a third state, counted and neither dropped in silence nor
given a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError, InputError, located
from harness.judges.ratings.records import Item, RatingSet
from harness.metrics import choose_metrics, example_values, missing
from harness.metrics.contract import Metric, Scored

__all__ = ["JudgeScores", "metric_scores", "panel_scores", "read_scores"]

_CONTEXT = ("context_relevance", "relevance_gap")
# Metrics whose value of one reply does not look at the reference.
_ALONE = ("length", "dist_", "repetition_", "copy_", "epitome_", "reply_", "stride_", *_CONTEXT)


@dataclass(frozen=True, slots=True)
class JudgeScores:
    """A judge's scores by item, and the items on which it failed."""

    values: Mapping[str, float]
    failed: frozenset[str] = frozenset()


def metric_scores(ratings: RatingSet, name: str) -> dict[str, dict[str, float]]:
    """Metric → item → value, of a metric or of all that a family (`similarity`) makes.

    Raises:
        InputError: it has no value for a single reply, or needs what the set lacks.
        UnknownNameError: there is no such metric.
    """
    items = _rated_replies(ratings)
    scored = [_scored(item) for item in items]
    found = {}
    for metric in choose_metrics(scored, kind="response", names=[name]):
        if not items or not metric.per_example or missing(metric, scored):
            continue
        chosen = _with_reference(ratings, metric, items, name)
        values = example_values(metric, [_scored(item) for item in chosen])
        if values is None:
            continue
        found[metric.name] = {
            item.id: float(value)
            for item, value in zip(chosen, values, strict=True)
            if math.isfinite(value)
        }
    if not found:
        raise InputError(
            f"--metric {name}: has no value for single replies of {ratings.name}; choose another "
            "(`empathy-bench list metrics`)"
        )
    return found


def _rated_replies(ratings: RatingSet) -> list[Item]:
    """Replies that are not people's own; an empty one is one where the set has any reply."""
    if not any(item.response for item in ratings.items):
        return []
    return [item for item in ratings.items if item.system != "human"]


def _with_reference(
    ratings: RatingSet, metric: Metric, items: Sequence[Item], name: str
) -> Sequence[Item]:
    if metric.name.startswith(_ALONE) or not items:
        return items
    known = [item for item in items if item.reference]
    if not known:
        raise InputError(
            f"--metric {name}: compares replies with references, and {ratings.name} has none; add "
            "a column reference, or choose metrics without one (length, relevance)"
        )
    return known


def _scored(item: Item) -> Scored:
    return Scored(
        id=item.id,
        cluster=item.dialogue,
        response=item.response or "",
        reference=item.reference or "",
        context=tuple(turn.text for turn in item.context),
    )


def read_scores(path: Path) -> JudgeScores:
    """A file of `{"id": ITEM, "score": NUMBER}` lines; null where the judge failed.

    Raises:
        DataError: the file is missing, or a row is not of this form or stands twice.
    """
    from harness.jsonl import brief, read_lines

    if not path.is_file():
        raise DataError(f"{path}: no such file")
    found: dict[str, float] = {}
    failed: set[str] = set()
    for line, row in read_lines(path, error=DataError):
        item = row.get("id") if isinstance(row, dict) else None
        score = row.get("score", "") if isinstance(row, dict) else ""
        if not isinstance(item, str) or not (score is None or _is_number(score)):
            raise DataError(
                located(
                    path,
                    line,
                    f'needs {{"id": text, "score": number}} (null: failed), found {brief(row)}',
                )
            )
        if item in found or item in failed:
            raise DataError(located(path, line, f"{item} stands twice"))
        if score is None:
            failed.add(item)
        else:
            found[item] = float(score)
    return JudgeScores(found, frozenset(failed))


def panel_scores(judges: Mapping[str, JudgeScores]) -> dict[str, float]:
    """What judges say together, all weighing alike: the mean of their standardised scores.

    Raises:
        InputError: every judge scores everything alike.
    """
    from harness.judges.panels import combine, make_panel

    ids = list(dict.fromkeys(item for judge in judges.values() for item in judge.values))
    grades = {
        name: {item: {"score": score} for item, score in judge.values.items()}
        for name, judge in judges.items()
    }
    score = combine(make_panel(ids, grades), "uniform").score
    return {item: float(v) for item, v in zip(ids, score, strict=True) if math.isfinite(v)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
