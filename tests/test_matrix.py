"""`matrix`: real cells in real processes; failures alone, kills, what is done is not done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.matrix import cells, read_matrix
from tests.clients.servers import Upstream
from tests.conftest import Cli
from tests.judges.test_judge_run import judge

BASIC = """
models: [constant, {model: "constant:Oh no.", max_tokens: 12}, "hf:/nowhere/at/all"]
tasks: [ed_response, ed_emotion]
seeds: [1, 2]
data: sample
limit: 6
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def states(cli_output: str) -> dict[str, str]:
    return {row["name"]: row["state"] for row in json.loads(cli_output)}


def test_a_failing_cell_stops_no_other_and_the_rest_is_done_once(cli: Cli, tmp_path: Path) -> None:
    with Upstream(judge) as upstream:
        path = write(tmp_path, BASIC + "judges:\n  - {protocol: ed-absolute, items: 4, controls: 2, "
                     f"judge: 'openai:{upstream.url}#tiny'}}\n")  # fmt: skip
        done = cli("matrix", path, "-o", "study", "--mlflow", "off", "--jobs", "2", "--json")
        assert done.returncode == 1, done.stderr
        asked = upstream.finished.total()
        found = states(done.stdout)
        assert len(found) == 3 * 2 * 2 + 2
        for name, state in found.items():
            # A constant reply knows no likelihood of labels, and that path holds no model.
            assert state == ("failed" if "nowhere" in name else "done"), (name, done.stdout)
        rows = {row["name"]: row for row in json.loads(done.stdout)}
        bad = rows["ed_response · hf:/nowhere/at/all · seed 1"]
        log = bad["why"].rpartition("(see ")[2].rstrip(")")
        assert "/nowhere/at/all" in bad["why"]
        assert "error:" in (tmp_path / log).read_text(encoding="utf-8")
        stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "study").rglob("result.json")}
        assert len(stamps) == 2 * 2 * 2 + 2 * 2

        again = cli("matrix", path, "-o", "study", "--mlflow", "off", "--json")
        assert states(again.stdout) == found and again.returncode == 1
        assert {p: p.stat().st_mtime_ns for p in stamps} == stamps
        assert upstream.finished.total() == asked
    shown = cli("matrix", path, "-o", "study", "--dry-run")
    assert shown.returncode == 0 and shown.stdout.count("done") == 10
    assert "4 of which nothing is known yet" in shown.stdout
    board = cli("leaderboard", "build", "study", "-o", "board.html")
    assert board.returncode == 0, board.stderr


def test_a_changed_option_is_another_cell(cli: Cli, tmp_path: Path) -> None:
    text = "models: [constant]\ntasks: [ed_response]\ndata: sample\nlimit: {}\n"
    assert (
        cli("matrix", write(tmp_path, text.format(5)), "-o", "a", "--mlflow", "off").returncode == 0
    )
    shown = cli(
        "matrix", write(tmp_path, text.format(5)), "-o", "a", "--mlflow", "off", "--dry-run"
    )
    assert "left: about 0 s" in shown.stdout
    changed = cli("matrix", write(tmp_path, text.format(6)), "-o", "a", "--mlflow", "off")
    # Another question in the folder of the first is refused by run itself, and told.
    assert changed.returncode == 1 and "choose another --output" in changed.stderr


def test_killed_and_called_again_it_ends_the_same(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path, "models: [constant, shuffled, longest, echo]\ntasks: [ed_response]\n"
                           "data: sample\n")  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "harness.cli", "matrix", str(path), "-o", "study", "--mlflow",
               "off"]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    patience = time.monotonic() + 120
    while time.monotonic() < patience and process.poll() is None:
        if len(list((tmp_path / "study").rglob("result.json"))) >= 2:
            break
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = json.loads((tmp_path / "study" / "matrix.json").read_text())["cells"]
    assert 1 <= len(before) < 4
    done = cli("matrix", path, "-o", "study", "--mlflow", "off", "--json")
    assert done.returncode == 0, done.stderr
    assert set(states(done.stdout).values()) == {"done"}
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert all(rows[row["name"]] == row for row in before)
    cli(
        "run",
        "-m",
        "echo",
        "-t",
        "ed_response",
        "--data",
        "sample",
        "-o",
        "alone",
        "--mlflow",
        "off",
    )
    (one,) = (tmp_path / "alone").rglob("predictions.jsonl")
    other = tmp_path / "study" / one.relative_to(tmp_path / "alone")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected keys"),
        ("models: [", "is no YAML"),
        ("models: []\ntasks: [ed_response]", "models: expected a list"),
        ("models: [3]\ntasks: [ed_response]", "expected a name"),
        ("model: [constant]", "unknown key"),
        ("models: [constant]\ntasks: [chess]", "unknown task"),
        ("models: [constant]\ntasks: [ed_response]\nseeds: [one]", "whole numbers"),
        ("models: [constant]\ntasks: [ed_response]\nlimit: many", "expected int"),
        ("models: [constant]\ntasks: [ed_response]\noptions: {output: x}", "matrix itself"),
        ("models: [constant]\ntasks: [ed_response]\noptions: {a: [1]}", "NAME: VALUE"),
        ("models: [constant]\ntasks: [ed_response]\njudges: [{judge: x}]", "expected {protocol"),
        ("models: [constant]\ntasks: [ed_response]\njudges: [{judge: x, protocol: y}]",
         "unknown judge protocol"),
        ("models: !!python/object/apply:os.system ['touch owned']", "is no YAML"),
    ],
)  # fmt: skip
def test_wrong_files_are_told_in_one_line(cli: Cli, tmp_path: Path, text: str, words: str) -> None:
    done = cli("matrix", write(tmp_path, text))
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 2 and not (tmp_path / "owned").exists()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("yaml") / "m.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(InputError):
        read_matrix(path)


def test_cells_are_the_commands_that_one_would_type(tmp_path: Path) -> None:
    path = write(tmp_path, BASIC + "options: {temperature: 0.5, reference_likelihood: false}\n")
    found = cells(read_matrix(path), Path("out"), mlflow="off")
    first: Any = found[1]
    assert first.name == "ed_response · constant:Oh no. · seed 1"
    assert list(first.arguments) == [
        "run", "--model", "constant:Oh no.", "--task", "ed_response", "--seed", "1", "--output",
        "out/seed-1", "--json", "--data", "sample", "--limit", "6", "--mlflow", "off",
        "--temperature", "0.5", "--no-reference-likelihood", "--max-tokens", "12", "--resume",
    ]  # fmt: skip
    assert len({cell.id for cell in found}) == len(found)
