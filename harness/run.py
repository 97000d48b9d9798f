"""run = predict + score: one model on one task, from question to result.json.

A run folder `<output>/<task>/<model>` holds predictions.jsonl and result.json and nothing else, so
it can be sent, kept, scored again or tracked later.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from harness.datasets import EXAMPLE_SETS, load_example_set
from harness.datasets.sets import ExampleSet
from harness.errors import InputError
from harness.models.contract import Model, Settings
from harness.predict import (
    Demonstrations,
    Outcome,
    Progress,
    make_header,
    make_questions,
    predict,
)
from harness.predictions import FILE_NAME as PREDICTIONS
from harness.predictions import Header, read_predictions
from harness.results import FILE_NAME, Result, read_result, write_result
from harness.score import check_header, make_result
from harness.tasks import Task, get_tasks

__all__ = ["Finished", "Plan", "folder_name", "predict_task", "run_folder", "score_folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask: a task, its examples, how many demonstrations and how they are chosen."""

    task: Task
    examples: ExampleSet
    limit: int | None = None
    few_shot: int = 0
    demonstrations: Demonstrations = "random"

    @classmethod
    def load(
        cls,
        task: Task,
        *,
        data: str | None = None,
        example_set: str | None = None,
        limit: int | None = None,
        few_shot: int = 0,
        demonstrations: Demonstrations = "random",
    ) -> Plan:
        """Read the task's examples.

        Raises:
            DataError: the data set cannot be found or read.
            InputError: `limit` is below 1, or demonstrations are to be retrieved but none shown.
        """
        if demonstrations == "retrieved" and not few_shot:
            raise InputError(
                "--demonstrations retrieved shows none without --few-shot; "
                "say how many, as in --few-shot 3"
            )
        examples = load_example_set(example_set or task.example_set, data).limited(limit)
        return cls(
            task=task,
            examples=examples,
            limit=limit,
            few_shot=few_shot,
            demonstrations=demonstrations,
        )

    @classmethod
    def of(cls, header: Header, data: str | None = None) -> Plan:
        """The plan that a predictions file was made by.

        A file made on the embedded sample says so, and then `data` may be left out.

        Raises:
            PredictionsError: the data at hand does not hold the examples that were answered.
        """
        (task,) = get_tasks(header.task)
        known = header.example_set in EXAMPLE_SETS
        if data is None and "/sample-" in header.example_set:
            data = "sample"
        return cls.load(
            task,
            data=data,
            example_set=header.example_set if known else None,
            limit=header.limit,
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished model × task: where it lies, what it says, how it was made."""

    folder: Path
    result: Result
    outcome: Outcome


def run_folder(output: Path, task: Task, model_name: str) -> Path:
    """`<output>/<task>/<model>`, the model's name made safe for file systems."""
    return output / task.name / folder_name(model_name)


def folder_name(name: str) -> str:
    """A name made safe for file systems."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def predict_task(
    plan: Plan,
    model: Model,
    settings: Settings,
    output: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Answer the plan's questions into the model's run folder.

    Raises:
        EmpathyBenchError: see `harness.predict.predict`.
    """
    pool = load_example_set(plan.task.train_set, settings.data).examples if plan.few_shot else ()
    questions = make_questions(
        plan.task,
        plan.examples,
        few_shot=plan.few_shot,
        pool=pool,
        seed=settings.seed,
        demonstrations=plan.demonstrations,
    )
    header = make_header(
        plan.task,
        plan.examples,
        model,
        settings,
        few_shot=plan.few_shot,
        limit=plan.limit,
        demonstrations=plan.demonstrations,
    )
    path = run_folder(output, plan.task, str(model.card["name"])) / PREDICTIONS
    return predict(plan.task, questions, model, header, path, resume=resume, progress=progress)


def score_folder(
    plan: Plan,
    outcome: Outcome,
    *,
    profile: str = "harness",
    data: str | None = None,
    progress: Progress | None = None,
) -> Finished:
    """Score what `predict_task` wrote and put result.json beside it."""
    header, predictions = read_predictions(outcome.path)
    assert header is not None, "predict writes a header"
    check_header(header, plan.task, plan.examples, outcome.path)
    result = make_result(
        plan.task,
        plan.examples,
        header,
        predictions,
        path=outcome.path,
        model=header.model,
        provenance="re-measured",
        profile=profile,
        data=data,
        extra={"model_seconds": f"{outcome.model_seconds:.2f}"},
        progress=progress,
    )
    folder = outcome.path.parent
    earlier = _earlier(folder / FILE_NAME)
    if earlier and earlier.id == result.id and earlier.metrics == result.metrics:
        # Scored before with these very numbers: the record keeps its date and its MLflow run.
        return Finished(folder, earlier, outcome)
    write_result(folder / FILE_NAME, result)
    return Finished(folder, result, outcome)


def _earlier(path: Path) -> Result | None:
    """The result already there; a damaged one is replaced."""
    with contextlib.suppress(InputError):
        return read_result(path)
    return None
