"""Whether a label was predicted rightly: the speaker's emotion (32), the listener's strategy (8).

A label outside the set, or none at all, is wrong in every metric and counted by the invalid rate.
Labels match exactly: bringing a model's words into the set is the parser's work, not the metric's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.metrics.contract import Kind, Metric, Scored, Statistics, signature
from harness.metrics.scores import mean

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["METRICS", "accuracy_statistics"]

Field = Literal["emotion", "strategy"]
_LABELS: dict[Field, tuple[str, ...]] = {"emotion": ED_EMOTIONS, "strategy": ESCONV_STRATEGIES}


def _answer(item: Scored, field: Field) -> str | None:
    """The predicted label if it is one, else None."""
    label: str | None = getattr(item, field)
    return label if not item.failed and label in _LABELS[field] else None


def _gold(item: Scored, field: Field) -> str:
    label: str = getattr(item, f"gold_{field}")
    return label


def accuracy_statistics(scored: Sequence[Scored], *, field: Field) -> Statistics:
    """n × 2: hit (0 or 100), 1."""
    from harness.metrics.arrays import additive

    return additive(
        ((100.0 * (_answer(item, field) == _gold(item, field)), 1) for item in scored), 2
    )


def _invalid_statistics(scored: Sequence[Scored], *, field: Field) -> Statistics:
    from harness.metrics.arrays import additive

    return additive(((100.0 * (_answer(item, field) is None), 1) for item in scored), 2)


def _f1_statistics(scored: Sequence[Scored], *, field: Field) -> Statistics:
    """n × 2L: hits per label, then predictions plus gold labels per label."""
    import numpy as np

    from harness.metrics.arrays import Additive

    index = {label: position for position, label in enumerate(_LABELS[field])}
    count = len(index)
    values = np.zeros((len(scored), 2 * count))
    for row, item in zip(values, scored, strict=True):
        answer, gold = _answer(item, field), _gold(item, field)
        if answer == gold:
            row[index[gold]] = 1
        for label in (answer, gold):
            if label in index:
                row[count + index[label]] += 1
    return Additive(values)


def _macro_f1(sums: FloatArray) -> FloatArray:
    """Mean of 2·hits / (predictions + gold) over the labels that occur as either."""
    import numpy as np

    count = sums.shape[-1] // 2
    hits, occurrences = sums[..., :count], sums[..., count:]
    present = occurrences > 0
    f1 = np.divide(200.0 * hits, occurrences, out=np.zeros_like(hits), where=present)
    labels = present.sum(-1)
    return np.where(labels > 0, f1.sum(-1) / np.maximum(labels, 1), np.nan)


def _family(field: Field) -> tuple[Metric, ...]:
    size = len(_LABELS[field])
    kinds: frozenset[Kind] = frozenset({field})
    needs = (f"gold_{field}",)
    return (
        Metric(
            name=f"{field}_accuracy",
            signature=signature("accuracy", label=field, classes=size, match="exact"),
            direction="higher",
            unit="percent",
            range=(0.0, 100.0),
            description=f"Share of examples with the right {field} among {size}.",
            statistics=partial(accuracy_statistics, field=field),
            score=mean,
            needs=needs,
            kinds=kinds,
        ),
        Metric(
            name=f"{field}_macro_f1",
            signature=signature(
                "f1", label=field, classes=size, match="exact", avg="macro", over="present"
            ),
            direction="higher",
            unit="percent",
            range=(0.0, 100.0),
            description=f"F1 of each {field}, averaged with equal weight for rare ones.",
            statistics=partial(_f1_statistics, field=field),
            score=_macro_f1,
            needs=needs,
            kinds=kinds,
            per_example=False,
        ),
        Metric(
            name=f"{field}_invalid_rate",
            signature=signature("invalid", label=field, classes=size, match="exact"),
            direction="lower",
            unit="percent",
            range=(0.0, 100.0),
            description=f"Answers that are none of the {size} labels; they count as wrong.",
            statistics=partial(_invalid_statistics, field=field),
            score=mean,
            needs=needs,
            kinds=kinds,
        ),
    )


METRICS: tuple[Metric, ...] = (*_family("emotion"), *_family("strategy"))
