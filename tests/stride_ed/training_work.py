"""A refinement folder and models for the tests of training: written in a second, not refined."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.datasets import ExampleSet, load_example_set
from harness.predictions import Header, Prediction, PredictionWriter
from stride_ed.outputs import Row, write_outputs
from stride_ed.records import Annotation, annotation_file
from stride_ed.strategies import STRATEGIES
from stride_ed.trace import STAGES, Trace, plain
from stride_ed.training.answering import read_answer
from stride_ed.work import ANNOTATIONS, SET

NAMES = tuple(STRATEGIES)


def annotated(example_set: str = "ed/train") -> tuple[ExampleSet, dict[str, Annotation]]:
    """The sample's turns with short traces; strategies go round."""
    examples = load_example_set(example_set, "sample")
    found = {}
    for number, example in enumerate(examples):
        assert example.emotion is not None
        trace = Trace(
            context="They tell.",
            emotion=example.emotion,
            strategy=NAMES[number % len(NAMES)],
            action="Say so.",
            response=plain(example.reference),
        )
        found[example.id] = Annotation(id=example.id, trace=trace)
    return examples, found


def make_work(folder: Path, *, size: int = 30, example_set: str = "ed/train") -> Path:
    """What annotate and sample leave, of the embedded sample."""
    examples, annotations = annotated(example_set)
    settings = {
        "example_set": example_set, "fingerprint": examples.fingerprint, "limit": None,
        "annotator": {"kind": "test"},
    }  # fmt: skip
    with annotation_file(folder / ANNOTATIONS, settings, resume=False) as file:
        file.append(annotations.values())
    rows = [
        Row(example, trace, 1.0, "test")
        for example in examples.examples[:size]
        if (trace := annotations[example.id].trace) is not None
    ]
    write_outputs(folder / SET, rows, source=examples.name)
    return folder


def write_run(folder: Path, name: str, texts: dict[str, str]) -> Path:
    """A run folder of a model that says these texts."""
    examples, _ = annotated("ed/test")
    header = Header(
        task="ed_response", task_version=1, example_set=examples.name,
        fingerprint=examples.fingerprint, size=len(examples), model={"name": name, "kind": "model"},
    )  # fmt: skip
    path = folder / name / "predictions.jsonl"
    with PredictionWriter(path, header, resume=False) as file:
        file.append([
            Prediction(id=example.id, **read_answer(texts[example.id], STAGES, "ed"))
            for example in examples
        ])  # fmt: skip
    return path.parent


def cli(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *map(str, arguments)],
        cwd=cwd, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        timeout=600, check=False,
    )  # fmt: skip
