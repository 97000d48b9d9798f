"""Whether a label was predicted rightly: the speaker's emotion (32), the listener's strategy (8).

A label outside the set, or none at all, is wrong in every metric and counted by the invalid rate.
Labels match exactly: bringing a model's words into the set is the parser's work, not the metric's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.metrics.contract import Kind, Metric, Scored, Statistics, signature
from harness.metrics.scores import mean

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = [
    "LABELS",
    "Field",
    "accuracy",
    "accuracy_statistics",
    "answer",
    "gold",
    "invalid_rate",
    "macro_f1",
    "weighted_f1",
]

Field = Literal["emotion", "strategy"]
LABELS: Mapping[Field, tuple[str, ...]] = {"emotion": ED_EMOTIONS, "strategy": ESCONV_STRATEGIES}


def answer(item: Scored, field: Field) -> str | None:
    """The predicted label if it is one, else None; a failed prediction has none."""
    label: str | None = getattr(item, field)
    return label if not item.failed and label in LABELS[field] else None


def gold(item: Scored, field: Field) -> str | None:
    """The gold label as the data set has it."""
    label: str | None = getattr(item, f"gold_{field}")
    return label


def accuracy_statistics(scored: Sequence[Scored], *, field: Field) -> Statistics:
    """n × 2: hit (0 or 100), 1."""
    from harness.metrics.arrays import additive

    return additive(
        (
            (100.0 * ((found := answer(item, field)) is not None and found == gold(item, field)), 1)
            for item in scored
        ),
        2,
    )


def _invalid_statistics(scored: Sequence[Scored], *, field: Field) -> Statistics:
    """n × 2: invalid (0 or 100), 1."""
    from harness.metrics.arrays import additive

    return additive(((100.0 * (answer(item, field) is None), 1) for item in scored), 2)


def _f1_statistics(scored: Sequence[Scored], *, field: Field) -> Statistics:
    """n × 3L: hits, predictions and gold labels of each label."""
    import numpy as np

    from harness.metrics.arrays import Additive

    index: dict[str | None, int] = {label: i for i, label in enumerate(LABELS[field])}
    values = np.zeros((len(scored), 3, len(index)))
    for row, item in zip(values, scored, strict=True):
        predicted, true = answer(item, field), gold(item, field)
        for column, label in ((1, predicted), (2, true)):
            if label in index:
                row[column, index[label]] = 1
        row[0] = row[1] * row[2]
    return Additive(values.reshape(len(scored), -1))


def _f1_by_label(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(..., 3L) → F1 = 2·hits / (predictions + gold), that denominator, gold; each (..., L)."""
    import numpy as np

    hits, predicted, true = np.split(sums, 3, axis=-1)
    occurrences = predicted + true
    f1 = np.divide(200.0 * hits, occurrences, out=np.zeros_like(hits), where=occurrences > 0)
    return f1, occurrences, true


def _macro_f1(sums: FloatArray) -> FloatArray:
    """Mean of F1 over the labels that occur as prediction or gold; NaN where none does."""
    import numpy as np

    f1, occurrences, _ = _f1_by_label(sums)
    labels = (occurrences > 0).sum(-1)
    return np.where(labels > 0, f1.sum(-1) / np.maximum(labels, 1), np.nan)


def _weighted_f1(sums: FloatArray) -> FloatArray:
    """Mean of F1 weighted by how often each label is gold; NaN where none is."""
    import numpy as np

    f1, _, true = _f1_by_label(sums)
    support = true.sum(-1)
    return np.where(support > 0, (f1 * true).sum(-1) / np.maximum(support, 1), np.nan)


def accuracy(field: Field) -> Metric:
    """Share of right labels."""
    size, kinds = len(LABELS[field]), _kinds(field)
    return Metric(
        name=f"{field}_accuracy",
        signature=signature("accuracy", label=field, classes=size, match="exact"),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=f"Share of examples with the right {field} among {size}.",
        statistics=partial(accuracy_statistics, field=field),
        score=mean,
        needs=(f"gold_{field}",),
        kinds=kinds,
    )


def macro_f1(field: Field) -> Metric:
    """F1 averaged over labels."""
    also = " (Kang et al. 2024 call it proficiency Q)" if field == "strategy" else ""
    return Metric(
        name=f"{field}_macro_f1",
        signature=signature(
            "f1",
            label=field,
            classes=len(LABELS[field]),
            match="exact",
            avg="macro",
            over="present",
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=f"F1 of each {field}, averaged with equal weight for rare ones{also}.",
        statistics=partial(_f1_statistics, field=field),
        score=_macro_f1,
        needs=(f"gold_{field}",),
        kinds=_kinds(field),
        per_example=False,
    )


def weighted_f1(field: Field) -> Metric:
    """F1 averaged over examples."""
    return Metric(
        name=f"{field}_weighted_f1",
        signature=signature(
            "f1", label=field, classes=len(LABELS[field]), match="exact", avg="weighted"
        ),
        direction="higher",
        unit="percent",
        range=(0.0, 100.0),
        description=f"F1 of each {field}, weighted by how often it is the right one.",
        statistics=partial(_f1_statistics, field=field),
        score=_weighted_f1,
        needs=(f"gold_{field}",),
        kinds=_kinds(field),
        per_example=False,
    )


def invalid_rate(field: Field) -> Metric:
    """Share of answers outside the label set."""
    size = len(LABELS[field])
    return Metric(
        name=f"{field}_invalid_rate",
        signature=signature("invalid", label=field, classes=size, match="exact"),
        direction="lower",
        unit="percent",
        range=(0.0, 100.0),
        description=f"Answers that are none of the {size} labels; they count as wrong.",
        statistics=partial(_invalid_statistics, field=field),
        score=mean,
        needs=(f"gold_{field}",),
        kinds=_kinds(field),
    )


def _kinds(field: Field) -> frozenset[Kind]:
    kinds: frozenset[Kind] = frozenset({field})
    return kinds
