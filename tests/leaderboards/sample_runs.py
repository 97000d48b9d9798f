"""Runs on the embedded sample whose order is known, made by the real command."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from harness.cli import app
from harness.datasets import load_example_set
from harness.tasks import TASKS

TASK = "ed_response"
WRONG = "purple elephants sing loudly"


def answer(folder: Path, name: str, share: float, *, wrong: str = WRONG) -> None:
    """A run that gives the reference to the first `share` of the examples, else `wrong`."""
    examples = list(load_example_set(TASKS[TASK].example_set, "sample"))
    right = round(share * len(examples))
    rows = [
        {"id": e.id, "response": e.reference if i < right else wrong}
        for i, e in enumerate(examples)
    ]
    file = folder / f"{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["--predictions", str(file), "--task", TASK, "--data", "sample", "--name", name]
    wanted = ["--output", str(folder / "runs"), "--metrics", "bleu_1,rouge_l,length"]
    done = CliRunner().invoke(app, ["score", *arguments, *wanted, "--mlflow", "off"])
    assert done.exit_code == 0, done.output
