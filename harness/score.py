"""predictions → result: metrics with intervals, and the protocol card they depend on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.datasets.sets import ExampleSet
from harness.errors import PredictionsError
from harness.files import sha256_file
from harness.floors import with_floors
from harness.metrics import pair, score_predictions
from harness.metrics.tables import label_tables
from harness.predictions import Header, Prediction
from harness.results import Provenance, Result
from harness.tasks import Task

__all__ = ["check_header", "environment", "make_result", "protocol_card"]

_LIBRARIES = ("lm-eval", "mlflow", "numpy", "sacrebleu", "torch", "transformers")


def make_result(
    task: Task,
    examples: ExampleSet,
    header: Header | None,
    predictions: Sequence[Prediction],
    *,
    path: Path,
    model: Mapping[str, Any],
    provenance: Provenance,
    profile: str = "harness",
    names: Sequence[str] | None = None,
    seed: int = 0,
    floors: bool = True,
    data: str | None = None,
    extra: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Score `predictions` (read from `path`) against `examples`.

    With `floors`, every metric also says what answers without a model score (`harness.floors`);
    `data` is where the commonest training label is counted.

    Raises:
        PredictionsError: an id is missing or unknown.
        UnknownNameError: no such metric or profile.
    """
    metrics = score_predictions(
        examples,
        predictions,
        kind=task.kind,
        profile=profile,
        names=names,
        seed=seed,
        progress=progress,
    )
    if floors and model.get("kind") not in ("floor", "human"):
        metrics = with_floors(
            metrics, task, examples, profile=profile, data=data, names=names, progress=progress
        )
    return Result(
        task=task.name,
        task_version=task.version,
        model=dict(model),
        protocol=protocol_card(task, examples, header, profile),
        metrics=metrics,
        provenance=provenance,
        environment=environment() | dict(extra or {}),
        files={"predictions": {"name": path.name, "sha256": sha256_file(path)}},
        tables=label_tables(pair(examples, predictions)),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def protocol_card(
    task: Task, examples: ExampleSet, header: Header | None, profile: str
) -> dict[str, Any]:
    """Everything the numbers depend on beside the model; what is not known is not there."""
    from harness import __version__

    card: dict[str, Any] = {
        "task": task.name,
        "task_version": task.version,
        "example_set": examples.name,
        "fingerprint": examples.fingerprint,
        "size": len(examples),
        "situation_shown": False,
        "profile": profile,
        "scored_with": __version__,
    }
    if header is not None:
        card |= {
            "limit": header.limit,
            "prompt": dict(header.prompt),
            "generation": dict(header.generation),
            "seed": header.seed,
            "generated_with": header.harness_version,
        }
    return card


def check_header(header: Header, task: Task, examples: ExampleSet, path: Path) -> None:
    """Refuse predictions that answer another question.

    Raises:
        PredictionsError: other task, task version or examples.
    """
    if header.task != task.name:
        raise PredictionsError(f"{path} answers {header.task}, not {task.name}")
    if header.task_version != task.version:
        raise PredictionsError(
            f"{path} answers version {header.task_version} of {task.name}; "
            f"this is version {task.version}, so its numbers would not be comparable"
        )
    if header.fingerprint != examples.fingerprint:
        raise PredictionsError(
            f"{path} answers {header.size} examples of {header.example_set}, which differ from the "
            f"{len(examples)} of {examples.name} at hand; give the --data it was made with"
        )


def environment() -> dict[str, str]:
    """Versions that numbers may depend on."""
    found = {
        "python": platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
    }
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
