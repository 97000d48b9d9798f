"""Small example sets and scored examples, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.datasets.sets import ExampleSet
from harness.dialogue import Example, Turn
from harness.metrics import Scored, get_metric
from harness.metrics.contract import Metric


def scored(
    replies: Sequence[str | None],
    references: Sequence[str] | None = None,
    *,
    per_dialogue: int = 1,
    **fields: Sequence[Any],
) -> list[Scored]:
    """Examples with these replies; `fields` gives other fields of `Scored`, one value each."""
    references = references or ["what happened then ?"] * len(replies)
    return [
        Scored(
            id=f"ed/test/{i // per_dialogue}/{i}",
            cluster=f"ed/test/{i // per_dialogue}",
            response=reply,
            reference=reference,
            **{name: values[i] for name, values in fields.items()},
        )
        for i, (reply, reference) in enumerate(zip(replies, references, strict=True))
    ]


def example_set(
    references: Sequence[str], emotions: Sequence[str | None] | None = None
) -> ExampleSet:
    turn = Turn(index=0, role="speaker", text="something happened")
    return ExampleSet(
        "ed/test",
        tuple(
            Example(
                id=f"ed/test/c{i}/1",
                dialogue_id=f"ed/test/c{i}",
                context=(turn,),
                reference=reference,
                emotion=emotions[i] if emotions else None,
            )
            for i, reference in enumerate(references)
        ),
    )


def value(metric: str | Metric, examples: Sequence[Scored], profile: str = "harness") -> float:
    """The corpus value, without an interval."""
    found = metric if isinstance(metric, Metric) else get_metric(metric, profile=profile)
    rows = found.statistics(examples)
    return float(found.score(rows.aggregate(np.ones(len(rows)))))


def values(names: Sequence[str], examples: Sequence[Scored]) -> Mapping[str, float]:
    return {name: value(name, examples) for name in names}
