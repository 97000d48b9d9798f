"""Our protocols inside `mlflow.genai.evaluate`, in a process of its own with a real store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.judges.mlflow_scorer import mlflow_scorer
from tests.clients.servers import Upstream
from tests.judges.test_judge_run import judge, replies

SCRIPT = """
import json, sys
from pathlib import Path
import mlflow
from harness.judges.mlflow_scorer import mlflow_scorer
mlflow.set_tracking_uri("sqlite:///mlflow.db")
rows = [{"inputs": {"context": ["My dog died."]}, "outputs": "so sorry " * n} for n in range(1, 6)]
with mlflow_scorer("ed-absolute", sys.argv[1], answers=Path("answers")) as scorer:
    done = mlflow.genai.evaluate(data=rows, scorers=[scorer])
print(json.dumps(done.metrics))
"""


def test_a_protocol_scores_in_mlflow(tmp_path: Path) -> None:
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]), "MLFLOW_GENAI_EVAL_MAX_WORKERS": "2",
    }  # fmt: skip
    with Upstream(judge) as upstream:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, f"openai:{upstream.url}#tiny"], cwd=tmp_path,
            env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = json.loads(done.stdout.strip().splitlines()[-1])
    # Two words a time: grades 1 + words // 4 of 2, 4, 6, 8, 10 words.
    assert metrics["empathy/mean"] == pytest.approx((1 + 2 + 2 + 3 + 3) / 5)


def test_each_criterion_is_a_feedback_and_a_failure_an_error(tmp_path: Path) -> None:
    def picky(messages: list[dict[str, str]]) -> str:
        return "no" if "bad" in replies(messages)[0] else judge(messages)

    with (
        Upstream(picky) as upstream,
        mlflow_scorer("ed-absolute", f"openai:{upstream.url}#tiny", answers=tmp_path) as scorer,
    ):
        good = scorer.run(inputs={"context": ["Hi.", "Hello.", "My dog died."]}, outputs="Oh no.")
        bad = scorer.run(inputs={"context": "My dog died."}, outputs="bad")
    assert {f.name: f.value for f in good} == {"empathy": 1.0, "relevance": 1.0, "fluency": 1.0}
    assert all(f.source.source_type == "LLM_JUDGE" and f.source.source_id == "tiny" for f in good)
    assert good[0].rationale == "[2] words"
    assert all(f.value is None and f.error.error_code == "wrong_schema" for f in bad)


def test_rows_of_another_form_and_pairs_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="one reply"),
        mlflow_scorer("ed-pairwise", "x", answers=tmp_path),
    ):
        pass
    with (
        Upstream(judge) as upstream,
        mlflow_scorer("ed-absolute", f"openai:{upstream.url}#tiny", answers=tmp_path) as scorer,
        pytest.raises(InputError, match="context"),
    ):
        scorer.run(inputs={"question": "Hi."}, outputs="Hello.")
