"""task × model → predictions.jsonl, resumable.

Batches are cut before anything runs and depend on the questions alone. A batch found half written
is run again whole and only its missing rows are appended, so that a killed and resumed run leaves
the same bytes as one that was never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.datasets.sets import ExampleSet
from harness.dialogue import Example
from harness.errors import EmpathyBenchError
from harness.models.contract import Model, Question, Settings
from harness.predictions import Header, Prediction, PredictionWriter
from harness.retrieval import DEMONSTRATIONS, retrieve_demonstrations
from harness.tasks import Task
from harness.tasks.prompts import demonstrations as draw_demonstrations
from harness.tasks.prompts import prompt_hash

__all__ = ["Demonstrations", "Outcome", "make_header", "make_questions", "predict"]

Progress = Callable[[int, int], None]

# How few-shot examples are chosen: by seed and example id, or by similarity of their contexts.
Demonstrations = Literal["random", "retrieved"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run of `predict` did.

    `total` rows are in the file now, `resumed` of them were there before, `failed` carry an
    error. `model_seconds` is the wall time spent inside the model.
    """

    path: Path
    total: int
    resumed: int
    failed: int
    model_seconds: float


def make_questions(
    task: Task,
    examples: ExampleSet,
    *,
    few_shot: int = 0,
    pool: Sequence[Example] = (),
    seed: int,
    demonstrations: Demonstrations = "random",
) -> list[Question]:
    """Every example with its demonstrations out of `pool`."""
    if demonstrations == "retrieved":
        found = retrieve_demonstrations(examples.examples, pool, few_shot)
        return [Question(*pair) for pair in zip(examples, found, strict=True)]
    return [
        Question(example, draw_demonstrations(task, example, pool, few_shot, seed))
        for example in examples
    ]


def make_header(
    task: Task,
    examples: ExampleSet,
    model: Model,
    settings: Settings,
    *,
    few_shot: int = 0,
    limit: int | None = None,
    demonstrations: Demonstrations = "random",
) -> Header:
    """The header of a run; two runs with equal headers give equal rows."""
    from harness import __version__

    prompt: dict[str, Any] = {
        "version": task.version,
        "hash": prompt_hash(task),
        "few_shot": few_shot,
    }
    if demonstrations == "retrieved":
        prompt |= {"demonstrations": demonstrations, "search": DEMONSTRATIONS}
    return Header(
        task=task.name,
        task_version=task.version,
        example_set=examples.name,
        fingerprint=examples.fingerprint,
        size=len(examples),
        limit=limit,
        model=dict(model.card),
        generation=dict(model.generation(task)),
        prompt=prompt,
        seed=settings.seed,
        harness_version=__version__,
    )


def predict(
    task: Task,
    questions: Sequence[Question],
    model: Model,
    header: Header,
    path: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Answer every question and append the answers to `path`.

    Raises:
        PredictionsError: `path` exists and `resume` is off, or was made by another run.
        StorageError: the disk refuses; rows already written stay.
        ModelError: the model failed for good; rows already written stay.
    """
    batches = model.batches(task, questions)
    spent = 0.0
    with PredictionWriter(path, header, resume=resume) as writer:
        resumed = len(writer.done)
        rows: dict[str, Prediction] = dict(writer.done)
        for batch in batches:
            missing = {q.example.id for q in batch} - rows.keys()
            if missing:
                started = time.perf_counter()
                answers = _answer(task, model, batch, path)
                spent += time.perf_counter() - started
                new = [answer for answer in answers if answer.id in missing]
                writer.append(new)
                rows.update((row.id, row) for row in new)
            if progress:
                progress(len(rows), len(questions))
    failed = sum(row.error is not None for row in rows.values())
    return Outcome(path, len(rows), resumed, failed, spent)


def _answer(task: Task, model: Model, batch: Sequence[Question], path: Path) -> list[Prediction]:
    try:
        return model.predict(task, batch)
    except EmpathyBenchError:
        raise
    except Exception as error:
        raise EmpathyBenchError(
            f"{model.card['name']} failed on {batch[0].example.id}: "
            f"{type(error).__name__}: {error}; the finished rows are in {path}, go on with --resume"
        ) from error
