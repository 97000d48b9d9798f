"""What a single number about labels hides: who is taken for whom. Plain data for result and board.

{"emotion": {"labels": [L], "columns": [L + "invalid"], "counts": [L][L + 1],
             "confusions": [{"gold", "predicted", "count", "share"}]},
 "strategy": {… , "preference": {label: p} or None}}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.metrics.classification import LABELS, Field, answer, gold
from harness.metrics.contract import Scored

__all__ = ["INVALID", "label_tables"]

INVALID = "invalid"
_COMMONEST = 10


def label_tables(scored: Sequence[Scored]) -> dict[str, dict[str, Any]]:
    """Tables of each label that the predictions carry and the examples have a gold one for.

    `counts` has gold labels as rows; its last column counts answers that are none of the set, and
    failures. `confusions` are the ten commonest, with their share of that gold label in percent.
    `preference` are the strengths behind the preference bias (see `preference`) among the valid
    answers; None where there are none, or no finite ones. An empty dict without labels.
    """
    fields: tuple[Field, ...] = ("emotion", "strategy")
    tables: dict[str, dict[str, Any]] = {}
    for field in fields:
        known = [item for item in scored if gold(item, field) in LABELS[field]]
        if any(getattr(item, field) is not None for item in known):
            tables[field] = _table(known, field)
    if "strategy" in tables:
        tables["strategy"]["preference"] = _preference(tables["strategy"]["counts"])
    return tables


def _table(scored: Sequence[Scored], field: Field) -> dict[str, Any]:
    labels = LABELS[field]
    columns = (*labels, INVALID)
    row_of = {label: i for i, label in enumerate(labels)}
    column_of = {label: i for i, label in enumerate(columns)}
    counts = [[0] * len(columns) for _ in labels]
    for item in scored:
        true = gold(item, field) or INVALID
        counts[row_of[true]][column_of[answer(item, field) or INVALID]] += 1
    return {
        "labels": list(labels),
        "columns": list(columns),
        "counts": counts,
        "confusions": _confusions(labels, counts),
    }


def _confusions(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """The commonest pairs of two different labels; equal counts in the order of the label set."""
    pairs = [
        (count, true, predicted)
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row[: len(labels)])
        if count and predicted != true
    ]
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return [
        {
            "gold": labels[true],
            "predicted": labels[predicted],
            "count": count,
            "share": 100.0 * count / sum(counts[true]),
        }
        for count, true, predicted in pairs[:_COMMONEST]
    ]


def _preference(counts: Sequence[Sequence[int]]) -> dict[str, float] | None:
    """Strength of each strategy; `counts` has gold rows, `preferences` wants gold columns."""
    import numpy as np

    from harness.metrics.preference import preferences

    labels = LABELS["strategy"]
    valid = np.array(counts, dtype=float)[:, : len(labels)]
    strengths = preferences(valid.T)
    if not valid.any() or not np.isfinite(strengths).all():
        return None
    return {label: float(p) for label, p in zip(labels, strengths, strict=True)}
