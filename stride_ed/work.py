"""The working folder of a refinement, and the loop that fills its files.

WORK/annotations.jsonl     one trace or failure per listener turn          (annotate)
WORK/scores/NAME.jsonl     one evaluator's grades                           (evaluate)
WORK/replies/              language models' answers, by address             (annotate, evaluate)
WORK/refined.jsonl, .json  the best, with their scores; weights and report  (refine)
WORK/set/                  the balanced set, its card and plot              (sample)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.datasets import ExampleSet, load_example_set
from harness.dialogue import Example
from harness.errors import InputError
from harness.files import sha256_text
from stride_ed.offline.evaluators import Item
from stride_ed.records import Annotation, RecordFile, Score, read_annotations, read_scores

__all__ = [
    "ANNOTATIONS",
    "OFFLINE_CHUNK",
    "REPLIES",
    "SCORES",
    "SET",
    "Progress",
    "examples_of",
    "fill",
    "items_of",
    "load_scores",
    "score_path",
    "within_budget",
]

ANNOTATIONS = "annotations.jsonl"
SCORES = "scores"
REPLIES = "replies"
SET = "set"
# Offline records between two writes.
OFFLINE_CHUNK = 256

Progress = Callable[[int, int], None]
T = TypeVar("T")
R = TypeVar("R", Annotation, Score)


def fill(
    file: RecordFile[R],
    todo: Sequence[tuple[str, T]],
    make: Callable[[Sequence[T]], list[R]],
    *,
    chunk: int,
    progress: Progress = lambda done, total: None,
) -> None:
    """Append what is not in `file` yet, a chunk at a time; `todo` pairs ids with what to make of.

    A chunk is on disk before the next begins.
    """
    left = [thing for identity, thing in todo if identity not in file.done]
    done = len(todo) - len(left)
    progress(done, len(todo))
    for start in range(0, len(left), chunk):
        part = left[start : start + chunk]
        file.append(make(part))
        done += len(part)
        progress(done, len(todo))


def examples_of(work: Path, data: str | None) -> tuple[ExampleSet, dict[str, Annotation]]:
    """The example set that was annotated, and the annotations by id.

    Raises:
        InputError: nothing is annotated, or the data are not those that were.
    """
    settings, annotations = read_annotations(work / ANNOTATIONS)
    limit = settings.get("limit")
    examples = load_example_set(str(settings.get("example_set")), data)
    examples = examples.limited(limit if isinstance(limit, int) else None)
    if examples.fingerprint != settings.get("fingerprint"):
        raise InputError(
            f"{work / ANNOTATIONS}: was made of {settings.get('example_set')} with fingerprint "
            f"{settings.get('fingerprint')}, and the data at hand have {examples.fingerprint}; "
            "give the --data that were annotated"
        )
    return examples, annotations


def items_of(examples: Iterable[Example], annotations: Mapping[str, Annotation]) -> list[Item]:
    """Every example that has a trace, with it, in the set's order."""
    return [
        (example, found.trace)
        for example in examples
        if (found := annotations.get(example.id)) is not None and found.trace is not None
    ]


def score_path(work: Path, name: str) -> Path:
    """Where an evaluator's grades lie; its name is made fit for a file."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")
    return work / SCORES / f"{plain or sha256_text(name)[:8]}.jsonl"


def load_scores(work: Path) -> dict[str, dict[str, Score]]:
    """Grades by evaluator (the file's name) and id, evaluators sorted.

    Raises:
        InputError: nothing was graded, or a file is damaged.
    """
    paths = sorted((work / SCORES).glob("*.jsonl"))
    if not paths:
        raise InputError(
            f"{work}: nothing has been graded; run `empathy-bench stride evaluate {work}`"
        )
    return {path.stem: read_scores(path)[1] for path in paths}


def within_budget(make: Callable[[Sequence[Any]], list[Any]]) -> Callable[..., list[Any]]:
    """`make` without the records that the budget did not allow: they wait for another run."""

    def within(part: Sequence[Any]) -> list[Any]:
        return [r for r in make(part) if not (r.error or "").startswith("budget:")]

    return within
