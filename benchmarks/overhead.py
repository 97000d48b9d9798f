"""What the harness costs outside the model, per example, crash-safe log and scoring included.

    python benchmarks/overhead.py [EXAMPLES]

An instant model answers synthetic dialogues; the time is all ours. The reference, in the same run,
is a bare loop that only collects the same replies in a list and dumps them to JSON at the end.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.datasets.sets import ExampleSet
from harness.dialogue import Example, Turn
from harness.models import Question, Settings
from harness.predict import make_header, make_questions, predict
from harness.predictions import Prediction, read_predictions
from harness.score import make_result
from harness.tasks import TASKS, Task

WORDS = (
    *("that", "must", "have", "been", "so", "hard", "for", "you", "how"),
    *("did", "it", "go", "with", "your", "family", "in", "the", "end"),
)


class Instant:
    """Answers at once."""

    card: Mapping[str, Any] = {"name": "instant", "kind": "model"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return [list(questions[start : start + 16]) for start in range(0, len(questions), 16)]

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        return [Prediction(id=q.example.id, response=reply(q.example)) for q in batch]


def reply(example: Example) -> str:
    """A reply that differs between examples."""
    shift = hash(example.id) % len(WORDS)
    return " ".join(WORDS[shift:] + WORDS[:shift])


def dialogues(size: int) -> ExampleSet:
    """Two examples a dialogue."""
    return ExampleSet(
        "synthetic",
        tuple(
            Example(
                f"ed/test/c{n // 2}/{n % 2}",
                f"ed/test/c{n // 2}",
                (Turn(1, "speaker", f"It happened on day {n}."),),
                " ".join(WORDS[n % 7 :]),
                "sad",
            )
            for n in range(size)
        ),
    )


def main() -> None:
    """Time predict, score and the bare loop on the same examples."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 5255
    task, examples, model = TASKS["ed_response"], dialogues(size), Instant()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.process_time()
        header = make_header(task, examples, model, Settings())
        predict(task, make_questions(task, examples, seed=0), model, header, folder / "p.jsonl")
        predicted = time.process_time()
        _, rows = read_predictions(folder / "p.jsonl")
        make_result(
            task, examples, header, rows, path=folder / "p.jsonl", model=model.card,
            provenance="re-measured",
        )  # fmt: skip
        scored = time.process_time()
        said = [{"id": example.id, "response": reply(example)} for example in examples]
        (folder / "bare.json").write_text(json.dumps(said))
        bare = time.process_time()
    per = 1000 / size
    print(f"{size} examples, CPU milliseconds per example:")
    print(f"  predict, log flushed per batch   {(predicted - started) * per:.3f}")
    print(f"  score, all metrics + intervals   {(scored - predicted) * per:.3f}")
    print(f"  bare loop without either         {(bare - scored) * per:.3f}")


if __name__ == "__main__":
    main()
