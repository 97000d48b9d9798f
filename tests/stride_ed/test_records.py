"""Annotations and grades on disk: resumed, mended, refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import InputError, StorageError
from stride_ed.records import (
    Annotation,
    Score,
    annotation_file,
    read_annotations,
    read_scores,
    score_file,
)
from stride_ed.rubric import DIMENSIONS
from stride_ed.trace import Trace
from stride_ed.work import fill, score_path

TRACE = Trace(context="a", emotion="sad", strategy="Others", action="b", response="c")
ROWS = [
    Annotation(id="x/1", trace=TRACE, mended=("fence",)),
    Annotation(id="x/2", error="unknown_strategy: Hugging"),
    Annotation(id="x/3", trace=TRACE),
]
SETTINGS = {"annotator": {"kind": "offline"}, "size": 3}


def written(path: Path) -> bytes:
    with annotation_file(path, SETTINGS, resume=False) as file:
        file.append(ROWS[:2])
        file.append(ROWS[2:])
    return path.read_bytes()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "a.jsonl")
    found, rows = read_annotations(tmp_path / "a.jsonl")
    assert found == SETTINGS and list(rows.values()) == ROWS
    with score_file(tmp_path / "s.jsonl", SETTINGS, resume=False) as file:
        file.append([Score(id="1", values={"quality": 4.5}), Score(id="2", error="empty")])
    assert read_scores(tmp_path / "s.jsonl")[1] == {
        "1": Score(id="1", values={"quality": 4.5}), "2": Score(id="2", error="empty"),
    }  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 400))
def test_a_file_cut_anywhere_ends_the_same(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    whole = written(path)
    path.write_bytes(whole[: min(cut, len(whole))])
    with annotation_file(path, SETTINGS, resume=True) as file:
        fill(file, [(row.id, row) for row in ROWS], list, chunk=2)
    assert path.read_bytes() == whole


def test_another_runs_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    written(path)
    with pytest.raises(InputError, match="--resume"), annotation_file(path, SETTINGS, resume=False):
        pass
    other = SETTINGS | {"size": 4}
    with pytest.raises(InputError, match="size: 4 ≠ 3"), annotation_file(path, other, resume=True):
        pass
    with (
        annotation_file(path, SETTINGS, resume=True),
        pytest.raises(StorageError, match="another process"),
        annotation_file(path, SETTINGS, resume=True),
    ):
        pass


@pytest.mark.parametrize(
    "line",
    ['{"id": "x"}', '{"id": "x", "trace": {}}', '{"id": "x", "trace": 3}', "[]", '{"trace": {}}',
     '{"id": "x", "error": 1}', '{"id": "x/1", "error": "twice"}', "{",
     '{"id": "y", "error": "e", "mended": "fence"}'],
)  # fmt: skip
def test_a_damaged_annotation_is_named_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(written(path) + line.encode() + b"\n")
    with pytest.raises(InputError, match=r"a\.jsonl:5"):
        read_annotations(path)


@pytest.mark.parametrize(
    "values", ["{}", '{"quality": 6}', '{"quality": true}', '{"speed": 3}', '{"quality": "5"}']
)
def test_a_grade_off_the_scale_is_refused(tmp_path: Path, values: str) -> None:
    path = tmp_path / "s.jsonl"
    with score_file(path, SETTINGS, resume=False):
        pass
    path.write_bytes(path.read_bytes() + f'{{"id": "1", "values": {values}}}\n'.encode())
    with pytest.raises(InputError, match=r"s\.jsonl:2.*1 to 5"):
        read_scores(path)


def test_no_file_and_no_header_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_annotations(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text('{"id": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match="is no header"):
        read_annotations(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").touch()
    with pytest.raises(InputError, match="is empty"):
        read_annotations(tmp_path / "b.jsonl")


def test_names_of_evaluators_stay_in_the_folder(tmp_path: Path) -> None:
    for name in ("../../etc/x", "a/b", "gpt 4o", "..", "ü"):
        assert score_path(tmp_path, name).parent == tmp_path / "scores"
    assert len(DIMENSIONS) == 4
