"""The whole line as a user walks it: run, kill, resume, score, compare, track, board, demo."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.metrics import metric_names
from harness.predictions import read_predictions
from harness.results import read_result, result_files
from tests.conftest import Cli

SMOLLM2 = Path("ed_response") / "SmolLM2-135M-Instruct" / "predictions.jsonl"
RUN = (
    "run", "--model", "smollm2", "--task", "ed_response", "--data", "sample", "--limit", "12",
    "--batch-size", "2", "--max-tokens", "12",
)  # fmt: skip


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *arguments],
        cwd=folder,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_killed_twice_and_resumed_is_byte_identical(cli: Cli, tmp_path: Path) -> None:
    assert cli(*RUN, "--output", "whole", "--mlflow", "off").returncode == 0
    broken = tmp_path / "broken" / SMOLLM2
    for rows in (3, 7):
        process = start(tmp_path, *RUN, "--output", "broken", "--mlflow", "off", "--resume")
        deadline = time.monotonic() + 120
        while lines(broken) < rows and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert lines(broken) >= rows
    assert lines(broken) < 13, "the run was killed before its end"
    done = cli(*RUN, "--output", "broken", "--mlflow", "off", "--resume")
    assert done.returncode == 0, done.stderr
    assert broken.read_bytes() == (tmp_path / "whole" / SMOLLM2).read_bytes()
    one, other = (
        read_result(tmp_path / name / SMOLLM2.parent / "result.json")
        for name in ("whole", "broken")
    )
    assert one.metrics == other.metrics
    assert one.id == other.id


def test_two_runs_cannot_write_one_folder(cli: Cli, tmp_path: Path) -> None:
    first = start(tmp_path, *RUN, "--output", "runs", "--mlflow", "off")
    path = tmp_path / "runs" / SMOLLM2
    deadline = time.monotonic() + 120
    while lines(path) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    try:
        second = cli(*RUN, "--output", "runs", "--mlflow", "off", "--resume")
        assert second.returncode == 2
        assert "another process" in second.stderr
    finally:
        first.kill()
        first.wait()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which floors, retrieval and people answered the four tasks, tracked."""
    folder = tmp_path_factory.mktemp("line")
    models = ("constant", "shuffled", "retrieval", "human")
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", "run", *(f"--model={name}" for name in models),
         "--task", "empathy", "--data", "sample", "--output", "runs"],
        cwd=folder, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def at(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_run_leaves_predictions_and_a_result(finished: Path) -> None:
    results = result_files(finished)
    assert len(results) == 16
    for path in results:
        result = read_result(path)
        header, rows = read_predictions(path.with_name("predictions.jsonl"))
        assert header is not None
        assert len(rows) == header.size == result.protocol["size"]
        assert result.provenance == "re-measured"
        assert {m.name for m in result.metrics} <= set(metric_names())


def test_nothing_is_written_outside_the_output(finished: Path) -> None:
    assert [path.name for path in finished.iterdir() if path.name.startswith("ml")] == []


def test_scoring_again_gives_the_same_numbers(finished: Path) -> None:
    folder = finished / "runs" / "ed_response" / "Retrieval-TF-IDF"
    done = at(finished, "score", "--predictions", str(folder / "predictions.jsonl"), "--json")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    first = json.loads((folder / "result.json").read_text())
    assert again["metrics"] == first["metrics"]
    assert again["provenance"] == "re-scored"


def test_plain_lines_score_like_the_run_they_came_from(finished: Path) -> None:
    folder = finished / "runs" / "ed_response" / "Constant-reply"
    rows = read_predictions(folder / "predictions.jsonl")[1]
    (finished / "replies.txt").write_text("".join(f"{row.response}\n" for row in rows))
    done = at(
        finished, "score", "--predictions", "replies.txt", "--task", "ed_response",
        "--data", "sample", "--no-floors", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first = json.loads((folder / "result.json").read_text())
    assert json.loads(done.stdout)["metrics"] == first["metrics"]


def test_compare_says_what_may_be_claimed(finished: Path) -> None:
    runs = [f"runs/ed_response/{name}" for name in ("Constant-reply", "Human-reference")]
    done = at(finished, "compare", *runs, "--json")
    assert done.returncode == 0, done.stderr
    by_metric = {item["metric"]: item for item in json.loads(done.stdout)}
    assert by_metric["dist_2"]["verdict"] == "better"
    assert by_metric["dist_2"]["low"] > 0
    assert at(finished, "compare", runs[0], runs[0]).returncode == 0
    other_task = at(finished, "compare", runs[0], "runs/ed_emotion/Constant-reply")
    assert other_task.returncode == 2
    assert "not the same questions" in other_task.stderr


def test_board_from_mlflow_equals_board_from_files(finished: Path) -> None:
    store = f"sqlite:///{finished}/runs/mlflow.db"
    for name, source in (("files", ["runs"]), ("mlflow", ["--mlflow", store])):
        done = at(
            finished, "leaderboard", "build", *source, "--output", f"{name}.html", "--title", "T"
        )
        assert done.returncode == 0, done.stderr
    assert (finished / "files.md").read_text() == (finished / "mlflow.md").read_text()
    page = (finished / "mlflow.html").read_text()
    for row in (
        "Constant reply",
        "Shuffled human replies",
        "Retrieval (TF-IDF)",
        "Human reference",
    ):
        assert row in page


def test_tracking_again_changes_nothing(finished: Path) -> None:
    done = at(finished, "track", "runs", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["logged"], report["skipped"]) == (0, 16)


def test_imported_file_becomes_a_row_beside_the_others(finished: Path) -> None:
    rows = read_predictions(finished / "runs/ed_response/Human-reference/predictions.jsonl")[1]
    plain = "".join(json.dumps({"id": r.id, "response": r.response}) + "\n" for r in rows)
    (finished / "mine.jsonl").write_text(plain)
    done = at(
        finished, "score", "--predictions", "mine.jsonl", "--task", "ed_response", "--data",
        "sample", "--name", "My <b>model</b>", "--output", "imported", "--mlflow", "off",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert at(finished, "leaderboard", "build", "imported", "runs").returncode == 0
    page = (finished / "board.html").read_text()
    assert "My &lt;b&gt;model&lt;/b&gt;" in page
    assert "My <b>" not in page
    result = read_result(next((finished / "imported").rglob("result.json")))
    assert result.provenance == "re-scored"


def test_demo_walks_the_whole_line(cli: Cli, tmp_path: Path) -> None:
    done = cli("demo", "--limit", "6", "--output", "demo")
    assert done.returncode == 0, done.stderr
    assert len(result_files(tmp_path / "demo")) == 16
    page = (tmp_path / "demo" / "board.html").read_text()
    assert "SmolLM2-135M-Instruct" in page
    for command in ("mlflow server", "empathy-bench run", "empathy-bench compare"):
        assert command in done.stdout
