"""What answers that take no model score on the same examples: every number's yardstick.

Floors are constant replies, other dialogues' human replies, the longer of two of those, and the
speaker's last turn said back; beside them stands what the human references themselves score. A
metric on which a floor does better than a system cannot tell that system from nothing (a constant
"i am sorry to hear that" has more BLEU-1 than several published models).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.datasets.sets import ExampleSet
from harness.errors import EmpathyBenchError
from harness.metrics import choose_metrics, corpus_value, metric_names, pair
from harness.models import Settings, load_model
from harness.predict import make_questions
from harness.predictions import Prediction
from harness.results import MetricResult
from harness.tasks import Task

__all__ = ["FLOORS", "HUMAN", "HUMAN_NAME", "with_floors"]

FLOORS = (
    "constant",
    "constant:That is great! I hope you have a good time.",
    "shuffled",
    "longest",
    "echo",
)
HUMAN = "human"
# What the human row is called on tables.
HUMAN_NAME = "Human reference"
_log = logging.getLogger(__name__)


def with_floors(
    results: Sequence[MetricResult],
    task: Task,
    examples: ExampleSet,
    *,
    profile: str = "harness",
    data: str | None = None,
    names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[MetricResult, ...]:
    """`results` with the values that floors and human references have.

    Of metrics with a model of their own, only where one direction is better: they cost minutes.
    A floor that cannot be had (no training data for the commonest label, one dialogue only) is
    left out. On label tasks the two constants are one.
    """
    specs = [*FLOORS, HUMAN] if task.kind == "response" else [FLOORS[0], "shuffled", HUMAN]
    values: dict[str, dict[str, float]] = {}
    cheap = metric_names(profile)
    wanted = {r.name for r in results if r.direction != "none" or r.name in cheap}
    for done, spec in enumerate(specs):
        if progress:
            progress(done, len(specs))
        try:
            name, predictions = _answers(spec, task, examples, data)
        except EmpathyBenchError as error:
            _log.info("no floor %s: %s", spec, error)
            continue
        scored = pair(examples, predictions)
        chosen = choose_metrics(scored, kind=task.kind, profile=profile, names=names)
        values[HUMAN if spec == HUMAN else name] = {
            metric.name: value
            for metric in chosen
            if metric.name in wanted and (value := corpus_value(metric, scored)) is not None
        }
    if progress:
        progress(len(specs), len(specs))
    people = values.pop(HUMAN, {})
    return tuple(
        replace(
            result,
            floors={
                name: found[result.name] for name, found in values.items() if result.name in found
            },
            human=people.get(result.name),
        )
        for result in results
    )


def _answers(
    spec: str, task: Task, examples: ExampleSet, data: str | None
) -> tuple[str, list[Prediction]]:
    """The floor's name, and what it says to every example."""
    settings = Settings(data=data)
    model = load_model(spec, settings)
    questions = make_questions(task, examples, seed=settings.seed)
    batches = model.batches(task, questions)
    answers = [answer for batch in batches for answer in model.predict(task, batch)]
    return str(model.card["name"]), answers
