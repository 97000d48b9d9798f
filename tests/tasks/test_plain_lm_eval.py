"""The same tasks under the stock lm-eval command: same prompts, same generations, same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harness.tasks
from harness.models import Settings, load_model
from harness.models.bundled import bundled_directory
from harness.predictions import read_predictions
from harness.results import Result
from harness.run import Plan, predict_task, score_folder
from harness.tasks import TASKS

LIMIT, BATCH = 6, 2


def plain_lm_eval(folder: Path, task: str, *extra: str) -> tuple[dict[str, float], list[dict]]:
    """Metrics and samples of `lm-eval run` on the embedded sample."""
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "hf",
        "--model_args", f"pretrained={bundled_directory()},dtype=float32",
        "--include_path", str(Path(harness.tasks.__file__).parent), "--tasks", task,
        "--metadata", '{"data": "sample"}', "--limit", str(LIMIT), "--batch_size", str(BATCH),
        "--device", "cpu", "--log_samples", "--output_path", str(folder), *extra,
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (results,) = folder.rglob("results_*.json")
    (samples,) = folder.rglob("samples_*.jsonl")
    numbers = json.loads(results.read_text())["results"][task]
    return numbers, [json.loads(line) for line in samples.read_text().splitlines()]


def ours(
    folder: Path, task: str, *, chat: bool, few_shot: int = 0
) -> tuple[Result, dict[str, str]]:
    """Result and raw replies of our own run."""
    settings = Settings(data="sample", batch_size=BATCH, chat_template=chat)
    model = load_model("smollm2", settings)
    plan = Plan.load(TASKS[task], data="sample", limit=LIMIT, few_shot=few_shot)
    outcome = predict_task(plan, model, settings, folder)
    rows = read_predictions(outcome.path)[1]
    said = {row.id: row.raw if row.raw is not None else row.response or "" for row in rows}
    return score_folder(plan, outcome).result, said


@pytest.mark.parametrize(
    ("extra", "chat", "few_shot"),
    [(["--apply_chat_template"], True, 0), (["--num_fewshot", "2"], False, 2)],
    ids=["chat", "plain-few-shot"],
)
def test_generations_and_numbers_are_the_same(
    tmp_path: Path, extra: list[str], chat: bool, few_shot: int
) -> None:
    numbers, samples = plain_lm_eval(tmp_path, "ed_response", *extra)
    result, said = ours(tmp_path / "ours", "ed_response", chat=chat, few_shot=few_shot)
    assert {s["doc"]["id"]: s["resps"][0][0] for s in samples} == said
    for name in ("bleu_4", "rouge_l", "dist_2", "length"):
        metric = result.metric(name)
        assert metric is not None
        assert numbers[f"{name},none"] == pytest.approx(metric.value)


def test_label_likelihoods_are_the_same(tmp_path: Path) -> None:
    numbers, samples = plain_lm_eval(tmp_path, "esconv_strategy", "--apply_chat_template")
    result, _ = ours(tmp_path / "ours", "esconv_strategy", chat=True)
    rows = read_predictions(
        tmp_path / "ours" / "esconv_strategy" / "SmolLM2-135M-Instruct" / "predictions.jsonl"
    )[1]
    scores = {row.id: list((row.strategy_scores or {}).values()) for row in rows}
    for sample in samples:
        theirs = [float(answer[0][0]) for answer in sample["resps"]]
        assert scores[sample["doc"]["id"]] == pytest.approx(theirs, abs=1e-4)
    metric = result.metric("strategy_accuracy")
    assert metric is not None
    assert numbers["accuracy,none"] == pytest.approx(metric.value)
