"""The command line: quick to answer, one clear line for bad input, exit code 2, nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

_LISTS = ["tasks", "models", "metrics", "datasets", "profiles", "formats"]


@pytest.mark.parametrize("arguments", [["--help"], *(["list", what] for what in _LISTS)])
def test_help_and_lists_do_not_import_what_is_slow(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv[1:] = sys.argv[1:]\n"
        "from harness.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'transformers', 'mlflow', 'datasets', 'sklearn', 'scipy', 'lm_eval',"
        " 'evaluate', 'nltk', 'pandas', 'numpy', 'sacrebleu'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip()
    assert done.stderr.strip() == "[]"


def test_lists_are_machine_readable(cli: Cli) -> None:
    done = cli("list", "tasks", "--json")
    assert "ed_response" in json.loads(done.stdout)


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr + done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in last, last


RUN = ("run", "--model", "constant", "--task", "ed_response", "--output", "out")
SCORE = ("score", "--task", "ed_response", "--data", "sample", "--predictions")


def untouched(folder: Path) -> bool:
    return not any(path.name in {"out", "mlflow.db", "mlruns"} for path in folder.iterdir())


def test_missing_data(cli: Cli, tmp_path: Path) -> None:
    refused(cli(*RUN, "--data", "nowhere"), "nowhere", "--data sample")
    assert untouched(tmp_path)


def test_wrong_column(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ed" / "csv"
    folder.mkdir(parents=True)
    for split in ("train", "valid", "test"):
        (folder / f"{split}.csv").write_text("conv_id,utterance_idx,emotion,prompt\nx,1,sad,y\n")
    refused(cli(*RUN, "--data", "data"), "test.csv:1", "context")
    assert untouched(tmp_path)


@pytest.mark.parametrize("limit", ["0", "-3"])
def test_limit_below_one(cli: Cli, tmp_path: Path, limit: str) -> None:
    refused(cli(*RUN, "--data", "sample", "--limit", limit), "--limit", limit)
    assert untouched(tmp_path)


def test_unknown_task_model_profile(cli: Cli, tmp_path: Path) -> None:
    refused(cli(*RUN[:3], "--task", "ed_respons"), "Did you mean 'ed_response'")
    refused(cli("run", "--model", "constnt", "--data", "sample", "--output", "out"), "constant")
    refused(cli(*RUN, "--data", "sample", "--profile", "moell"), "moel")
    assert untouched(tmp_path)


def test_model_folder_without_weights(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    arguments = ("run", "--task", "ed_response", "--data", "sample", "--output", "out")
    refused(cli(*arguments, "--model", "hf:model"), "model", "no weights")
    refused(cli(*arguments, "--model", "hf:./none"), "./none", "no such model folder")
    assert untouched(tmp_path)


def test_unreachable_endpoint(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        "run", "--task", "ed_response", "--data", "sample", "--output", "out",
        "--model", "openai:http://127.0.0.1:9/v1#m",
    )  # fmt: skip
    refused(done, "127.0.0.1:9", "server")
    assert untouched(tmp_path)


def test_unreachable_mlflow_server(cli: Cli, tmp_path: Path) -> None:
    done = cli(*RUN, "--data", "sample", "--mlflow", "http://127.0.0.1:9")
    refused(done, "127.0.0.1:9")
    assert untouched(tmp_path)


def test_existing_run_is_not_overwritten(cli: Cli, tmp_path: Path) -> None:
    arguments = (*RUN, "--data", "sample", "--limit", "8", "--mlflow", "off")
    assert cli(*arguments).returncode == 0
    path = tmp_path / "out" / "ed_response" / "Constant-reply" / "predictions.jsonl"
    before = path.read_bytes()
    refused(cli(*arguments), "--resume")
    refused(cli(*arguments, "--resume", "--seed", "7"), "seed")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["no prediction"]),
        ('{"id": "ed/test/sample:0', [":1", "not a JSON object"]),
        ('{"id": "nobody", "response": "x"}\n', ["nobody"]),
        ('{"id": "a", "response": "x"}\n{"id": "a", "response": "y"}\n', [":2", "line 1"]),
        ("one line\n", ["1"]),
        pytest.param("[" * 100_000, ["1"], id="nested"),
    ],
)
def test_bad_predictions(cli: Cli, tmp_path: Path, content: str, words: list[str]) -> None:
    (tmp_path / "p.jsonl").write_text(content)
    refused(cli(*SCORE, "p.jsonl"), "p.jsonl", *words)


def test_no_predictions_file(cli: Cli) -> None:
    refused(cli(*SCORE, "none.jsonl"), "none.jsonl")


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 64 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("a small file system cannot be mounted here")
    yield folder  # type: ignore[misc]
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_keeps_whole_rows_and_resumes(cli: Cli, small_disk: Path) -> None:
    arguments = (
        "run", "--model", "human", "--task", "esconv_response", "--data", "sample",
        "--output", small_disk / "out", "--mlflow", "off",
    )  # fmt: skip
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 40_000)
    refused(cli(*arguments), "disk is full")
    filler.unlink()
    assert cli(*arguments, "--resume").returncode == 0


def test_read_only_disk(cli: Cli, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    arguments = (*RUN[:5], "--data", "sample", "--output", small_disk / "out")
    refused(cli(*arguments), "may be written")
    refused(cli(*arguments, "--mlflow", "off"), "read-only")


def test_interrupt_says_how_to_go_on(tmp_path: Path) -> None:
    import signal
    import time

    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", *RUN[:1], "--model", "smollm2", "--task", "ed_emotion",
         "--data", "sample", "--output", "out", "--mlflow", "off"],
        cwd=tmp_path, env=os.environ, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    predictions = tmp_path / "out" / "ed_emotion" / "SmolLM2-135M-Instruct" / "predictions.jsonl"
    deadline = time.monotonic() + 120
    while not predictions.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in stderr.strip().splitlines()[-1]
    assert "Traceback" not in stderr
