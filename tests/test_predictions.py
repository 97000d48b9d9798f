"""predictions.jsonl: what is written is read back, and damage is told, never swallowed."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import PredictionsError, StorageError
from harness.predictions import Header, Prediction, PredictionWriter, read_predictions

HEADER = Header(
    task="ed_response", task_version=1, example_set="ed/test", fingerprint="sha256:0", size=3
)
ROWS = [Prediction(id=f"ed/test/c/{i}", response=f"reply {i} – ü 🙂") for i in range(3)]


def written(path: Path, rows: list[Prediction] = ROWS) -> Path:
    with PredictionWriter(path, HEADER) as writer:
        writer.append(rows)
    return path


def test_round_trip(tmp_path: Path) -> None:
    header, rows = read_predictions(written(tmp_path / "p.jsonl"))
    assert header == HEADER
    assert rows == ROWS


def test_plain_file_without_header(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"id": "a", "response": "x"}\n\n{"id": "b", "response": "y", "more": 1}')
    header, rows = read_predictions(path)
    assert header is None
    assert [row.response for row in rows] == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no prediction"),
        ('{"id": "a", "response": "x"}\n{"id": "b", "resp', "p.jsonl:2: .*ends inside this line"),
        ('{"id": "a", "response": "x"}\n{"id": "a", "response": "y"}\n', "p.jsonl:2: .*line 1"),
        ('{"response": "x"}\n', 'p.jsonl:1: needs an "id"'),
        ('{"id": "a"}\n', "p.jsonl:1: needs one of"),
        ('{"id": "a", "response": 3}\n', '"response" must be text, found 3'),
        ('{"id": "a", "response": "x", "reference_nll": -1}\n', "at least 0"),
        ('{"id": "a", "emotion": "sad", "emotion_scores": [1]}\n', "label: number"),
        ('["a"]\n', "expected a JSON object"),
        ("[" * 100_000 + "\n", "not a JSON object"),
        ('{"schema": "empathy-bench/predictions/9"}\n', "is not 'empathy-bench/predictions/1'"),
        (
            '{"id": "a", "response": "x", "reference_nll": ' + "9" * 5000 + "}\n",
            "not a JSON object",
        ),
        (
            '{"schema": "empathy-bench/predictions/1", "task": "t", "task_version": 1, '
            '"fingerprint": "f", "limit": "q"}\n',
            "limit cannot be 'q'",
        ),
    ],
)
def test_bad_files_name_line_and_value(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(content)
    with pytest.raises(PredictionsError, match=message):
        read_predictions(path)


def test_existing_file_needs_resume(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl")
    before = path.read_bytes()
    with pytest.raises(PredictionsError, match="--resume"), PredictionWriter(path, HEADER):
        pass
    assert path.read_bytes() == before


def test_resume_refuses_another_run(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl")
    changed = Header(
        task="ed_response",
        task_version=1,
        example_set="ed/test",
        fingerprint="sha256:0",
        size=3,
        seed=7,
    )
    with (
        pytest.raises(PredictionsError, match="seed: 7 ≠ 0"),
        PredictionWriter(path, changed, resume=True),
    ):
        pass


@given(cut=st.integers(min_value=0, max_value=400))
def test_any_torn_file_is_repaired_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    whole = written(tmp_path_factory.mktemp("whole") / "p.jsonl").read_bytes()
    path = tmp_path_factory.mktemp("torn") / "p.jsonl"
    path.write_bytes(whole[: min(cut, len(whole))])
    with PredictionWriter(path, HEADER, resume=True) as writer:
        writer.append([row for row in ROWS if row.id not in writer.done])
    assert path.read_bytes() == whole


def _hold(path: Path, held: multiprocessing.Event, release: multiprocessing.Event) -> None:  # type: ignore[valid-type]
    with PredictionWriter(path, HEADER):
        held.set()
        release.wait(30)


def test_two_processes_cannot_write_one_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path / "p.jsonl", held, release))
    other.start()
    try:
        assert held.wait(30)
        with (
            pytest.raises(StorageError, match="another process"),
            PredictionWriter(tmp_path / "p.jsonl", HEADER, resume=True),
        ):
            pass
    finally:
        release.set()
        other.join(30)


def test_a_device_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").symlink_to("/dev/full")
    with (
        pytest.raises(StorageError, match="not a regular file"),
        PredictionWriter(tmp_path / "p.jsonl", HEADER, resume=True),
    ):
        pass


_SMALL_DISK = """
import resource, signal, sys
from pathlib import Path
from harness.errors import StorageError
from harness.predictions import PredictionWriter, read_predictions, Prediction
path = Path(sys.argv[1])
header, _ = read_predictions(path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10,) * 2)
try:
    with PredictionWriter(path, header, resume=True) as writer:
        writer.append([Prediction(id="ed/test/c/2", response="reply 2 – ü 🙂")])
except StorageError as error:
    sys.exit(7)
"""


def test_a_write_that_fails_half_way_loses_no_whole_row(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", ROWS[:2])
    intact = path.read_bytes()
    command = [sys.executable, "-c", _SMALL_DISK, str(path)]
    assert subprocess.run(command, check=False).returncode == 7
    assert path.read_bytes() != intact, "the disk took a part of the row"
    with PredictionWriter(path, HEADER, resume=True) as writer:
        assert list(writer.done) == [row.id for row in ROWS[:2]]
        writer.append(ROWS[2:])
    assert read_predictions(path)[1] == ROWS


def test_rows_are_one_line_of_json_each(tmp_path: Path) -> None:
    path = written(tmp_path / "p.jsonl", [Prediction(id="a", response="x\ny\u2028z")])
    assert len(path.read_bytes().splitlines()) == 2
    assert json.loads(path.read_bytes().split(b"\n")[1])["response"] == "x\ny\u2028z"
