"""predict: batches, failures, resume — with a model whose every call can be watched."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.datasets.sets import ExampleSet
from harness.dialogue import Example, Turn
from harness.errors import EmpathyBenchError, PredictionsError
from harness.models import Question, Settings
from harness.predict import Outcome, make_header, make_questions, predict
from harness.predictions import Prediction, read_predictions
from harness.tasks import TASKS, Task

TASK = TASKS["ed_response"]
EXAMPLES = ExampleSet(
    "ed/test",
    tuple(
        Example(f"ed/test/c{n}/2", f"ed/test/c{n}", (Turn(1, "speaker", f"hi {n}"),), "oh", "sad")
        for n in range(10)
    ),
)
QUESTIONS = make_questions(TASK, EXAMPLES, seed=0)


@dataclasses.dataclass
class Watched:
    """Answers with the whole batch's ids, so that a changed batch shows in the bytes."""

    die_after: int | None = None
    calls: int = 0

    card = {"name": "watched", "kind": "model"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        backwards = list(questions)[::-1]
        return [backwards[start : start + 4] for start in range(0, len(backwards), 4)]

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        if self.calls == self.die_after:
            raise RuntimeError("out of memory")
        self.calls += 1
        together = " ".join(question.example.id for question in batch)
        return [
            Prediction(id=q.example.id, error="refused")
            if q.example.id.endswith("c3/2")
            else Prediction(id=q.example.id, response=together)
            for q in batch
        ]


def go(model: Watched, path: Path, *, resume: bool = False) -> Outcome:
    header = make_header(TASK, EXAMPLES, model, Settings())
    return predict(TASK, QUESTIONS, model, header, path, resume=resume)


def test_every_example_has_one_row_and_failures_are_counted(tmp_path: Path) -> None:
    outcome = go(Watched(), tmp_path / "p.jsonl")
    header, rows = read_predictions(tmp_path / "p.jsonl")
    assert header is not None and header.size == 10
    assert sorted(row.id for row in rows) == sorted(e.id for e in EXAMPLES)
    assert (outcome.total, outcome.failed, outcome.resumed) == (10, 1, 0)


@given(cut=st.integers(min_value=0, max_value=4000))
@settings(max_examples=60, deadline=None)
def test_resume_after_any_cut_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    whole = tmp_path_factory.mktemp("whole") / "p.jsonl"
    go(Watched(), whole)
    torn = tmp_path_factory.mktemp("torn") / "p.jsonl"
    torn.write_bytes(whole.read_bytes()[:cut])
    go(Watched(), torn, resume=True)
    assert torn.read_bytes() == whole.read_bytes()


def test_finished_rows_survive_a_model_that_dies(tmp_path: Path) -> None:
    path, whole = tmp_path / "p.jsonl", tmp_path / "whole.jsonl"
    with pytest.raises(EmpathyBenchError, match=r"out of memory.*--resume"):
        go(Watched(die_after=2), path)
    assert len(read_predictions(path)[1]) == 8
    resumed = Watched()
    assert go(resumed, path, resume=True).resumed == 8
    assert resumed.calls == 1
    go(Watched(), whole)
    assert path.read_bytes() == whole.read_bytes()


def test_a_finished_run_needs_no_model(tmp_path: Path) -> None:
    go(Watched(), tmp_path / "p.jsonl")
    model = Watched()
    assert go(model, tmp_path / "p.jsonl", resume=True).resumed == 10
    assert model.calls == 0


def test_other_examples_are_another_run(tmp_path: Path) -> None:
    go(Watched(), tmp_path / "p.jsonl")
    changed = dataclasses.replace(EXAMPLES.examples[0], reference="ah")
    other = dataclasses.replace(EXAMPLES, examples=(changed, *EXAMPLES.examples[1:]))
    header = make_header(TASK, other, Watched(), Settings())
    with pytest.raises(PredictionsError, match="fingerprint"):
        predict(TASK, QUESTIONS, Watched(), header, tmp_path / "p.jsonl", resume=True)
