"""A board from submissions alone, and what `leaderboard diff` says between two of them."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from board_results import metric, result
from submitted import edit, own_reply, submission
from typer.testing import CliRunner

from harness.errors import InputError
from harness.results import Result, write_result
from leaderboards.collect import collect
from leaderboards.command import app
from leaderboards.standings import Standing
from leaderboards.submissions.diff import Change, compare_boards
from leaderboards.submissions.pack import write_archive
from leaderboards.submissions.record import board_record, places, read_board
from leaderboards.table import build_board


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def build(tmp_path: Path, *sources: Path, name: str = "board") -> dict[str, Any]:
    page = tmp_path / f"{name}.html"
    command = ["build", *map(str, sources), "-o", str(page), "--data", "sample", "--no-reported"]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    assert page.is_file()
    return read_board(page.with_suffix(".json"))


def test_a_board_is_built_from_submissions_alone(tmp_path: Path) -> None:
    submission(tmp_path)
    submission(tmp_path, lambda i, e: own_reply(i + 3, e), name="other-lab__cool-1b")
    board = build(tmp_path, tmp_path / "store")
    (table,) = board["tables"]
    ours = {row["name"]: row for row in table["rows"] if row["kind"] == "model"}
    assert set(ours) == {"my-lab/warm-7b", "other-lab/cool-1b"}
    assert {row["provenance"] for row in ours.values()} == {"re-scored"}
    assert {row["revision"] for row in ours.values()} == {"r1"}
    assert sorted(row["place"] for row in ours.values()) in ([1, 2], [1, 1])
    assert {"floor", "human"} <= {row["kind"] for row in table["rows"]}


def test_an_archive_and_runs_of_ones_own_stand_beside_the_store(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    write_archive(submission(tmp_path, name="other-lab__cool-1b"), tmp_path / "sent.zip")
    write_result(tmp_path / "runs/ed_response/x/result.json", result("Own", metric("bleu_4", 1.0)))
    found = collect([folder, tmp_path / "sent.zip", tmp_path / "runs"], data="sample")
    names = {str(r.model["name"]): r.provenance for r in found}
    assert names == {
        "Own": "re-measured",
        "my-lab/warm-7b": "re-scored",
        "other-lab/cool-1b": "re-scored",
    }
    below = collect([tmp_path], data="sample")
    assert {"Own", "my-lab/warm-7b"} <= {str(r.model["name"]) for r in below}


def test_equal_predictions_are_scored_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission(tmp_path)
    (first,) = collect([tmp_path / "store"], data="sample")
    (kept,) = cache.rglob("*.json")
    monkeypatch.setattr("leaderboards.submissions.rescoring.make_result", lambda *a, **k: 1 / 0)
    assert collect([tmp_path / "store"], data="sample") == [first]
    kept.write_text("{")
    with pytest.raises(ZeroDivisionError):
        collect([tmp_path / "store"], data="sample")


def test_a_submission_that_fails_stops_the_board(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    edit(folder, lambda rows: rows.pop())
    with pytest.raises(InputError, match=r"1 errors.*missing-id"):
        collect([tmp_path / "store"], data="sample")


def test_diff_names_new_models_and_new_predictions_end_to_end(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    build(tmp_path, tmp_path / "store", name="one")
    assert not compare_boards(*[read_board(tmp_path / "one.json")] * 2)
    edit(folder, lambda rows: [row.update(response="oh no") for row in rows[1:7]])
    submission(tmp_path, name="other-lab__cool-1b")
    build(tmp_path, tmp_path / "store", name="two")
    command = ["diff", str(tmp_path / "one.json"), str(tmp_path / "two.json")]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    lines = ran.output.splitlines()
    (new,) = [line for line in lines if "other-lab/cool-1b" in line]
    (again,) = [line for line in lines if "my-lab/warm-7b" in line]
    assert new.endswith("new model") and again.endswith("new predictions")
    assert lines[-1].startswith("2 rows changed")
    value = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert {change["name"] for change in value} == {"my-lab/warm-7b", "other-lab/cool-1b"}


def record(*results: Result) -> dict[str, Any]:
    value = board_record(build_board(results), results)
    return dict(json.loads(json.dumps(value)))


def scored(name: str, value: float, sha: str = "aa", **fields: Any) -> Result:
    made = result(name, metric("bleu_4", value, signature=fields.pop("signature", "")), **fields)
    return Result(
        **{
            **{key: getattr(made, key) for key in made.__dataclass_fields__},
            "files": {"predictions": {"name": "predictions.jsonl", "sha256": sha}},
        }
    )


def reasons(old: Sequence[Result], new: Sequence[Result]) -> dict[str, Change]:
    return {change.name: change for change in compare_boards(record(*old), record(*new))}


A, B = scored("A", 3.0), scored("B", 2.0)


def test_who_is_passed_moves_because_others_moved() -> None:
    found = reasons([A, B], [A, B, scored("C", 4.0)])
    assert found["C"].reasons == ("new model",) and found["C"].new_place == 1
    assert not found["C"].moved
    assert (found["A"].old_place, found["A"].new_place) == (1, 2)
    assert found["A"].reasons == ("others moved",) and found["A"].moved
    assert found["A"].metrics == {}
    back = reasons([A, B, scored("C", 4.0)], [A, B])
    assert back["C"].reasons == ("gone",) and back["A"].reasons == ("others moved",)


def test_every_cause_has_its_name() -> None:
    found = reasons([A, B], [A, scored("B", 5.0, sha="bb")])
    assert found["B"].reasons == ("new predictions",)
    assert found["B"].metrics == {"bleu_4": (2.0, 5.0)} and found["B"].new_place == 1
    redefined = [scored("A", 3.5, signature="bleu|v2"), scored("B", 2.5, signature="bleu|v2")]
    found = reasons([A, B], redefined)
    assert {change.reasons for change in found.values()} == {("new metric signature",)}
    other = "sha256:" + "5e" * 32
    moved = [scored("A", 2.0, fingerprint=other), scored("B", 3.0, fingerprint=other)]
    found = reasons([A, B], moved)
    assert {change.reasons for change in found.values()} == {("new data fingerprint",)}
    both = [scored("A", 2.0, sha="cc", fingerprint=other)]
    assert reasons([A], both)["A"].reasons == ("new data fingerprint", "new predictions")
    found = reasons([A, B], [scored("A", 3.25), B])
    assert found["A"].reasons == ("no cause on record",)
    assert "B" not in found


def test_a_limited_run_is_not_taken_for_the_whole_set() -> None:
    small = "sha256:" + "11" * 32
    limited = scored("A", 9.0, fingerprint=small, size=200, limit=200)
    assert reasons([A, B], [limited, A, B]).keys() == {"A"}
    found = reasons([A, B], [limited, A, B])
    assert found["A"].reasons == ("new model",)


def test_places_share_ties_and_follow_the_direction() -> None:
    assert places({"a": 2.0, "b": 2.0, "c": 1.0}, "higher") == {"a": 1, "b": 1, "c": 3}
    assert places({"a": 2.0, "b": 2.0, "c": 1.0}, "lower") == {"a": 2, "b": 2, "c": 1}


def test_floors_and_people_take_no_place() -> None:
    rows = [scored("Zero", 9.0, kind="floor"), scored("People", 99.0, kind="human"), A, B]
    (table,) = record(*rows)["tables"]
    found = {row["name"]: row["place"] for row in table["rows"]}
    assert found == {"Zero": None, "People": None, "A": 1, "B": 2}


@pytest.mark.parametrize(
    "change",
    [
        lambda board: board.update(schema="other"),
        lambda board: board["tables"][0].pop("rows"),
        lambda board: board["tables"][0]["rows"][0].pop("name"),
        lambda board: board["tables"][0]["rows"][0]["metrics"]["bleu_4"].update(value="x"),
        lambda board: board.update(tables=3),
    ],
)
def test_a_damaged_board_file_is_refused(tmp_path: Path, change: Any) -> None:
    board = copy.deepcopy(record(A, B))
    change(board)
    (tmp_path / "board.json").write_text(json.dumps(board))
    with pytest.raises(InputError, match=r"board\.json"):
        read_board(tmp_path / "board.json")


def test_markup_and_control_characters_in_a_changed_name_are_not_obeyed() -> None:
    (change,) = compare_boards(record(A), record(A, scored("\x1b[2Jevil", 1.0)))
    assert "\x1b" not in str(change)


def test_diff_tells_the_interval_of_a_rank_beside_the_place() -> None:
    old = [scored("a", 3.0), scored("b", 2.0, "bb")]
    new = [*old, scored("c", 4.0, "cc")]

    def ranked(results: Sequence[Result], rivals: int) -> dict[str, Any]:
        places = {
            (r.id, "bleu_4"): Standing(
                rank=1, low=1, high=rivals, p_best=0.5, rivals=rivals, best=r.id, behind=None
            )
            for r in results[-2:]
        }
        board = build_board(results, standings=places)
        return dict(json.loads(json.dumps(board_record(board, results))))

    found = {c.name: c for c in compare_boards(ranked(old, 2), ranked(new, 3))}
    assert (found["b"].old_rank, found["b"].new_rank) == ((1, 2), (1, 3))
    assert "2 [1–2] → 3 [1–3]  others moved" in str(found["b"])
    assert "1 [1–2] → 2  others moved" in str(found["a"])  # its predictions are at hand no more


def test_a_rank_that_is_no_interval_is_a_damaged_board(tmp_path: Path) -> None:
    value = record(scored("a", 3.0))
    value["tables"][0]["rows"][0]["rank"] = ["1", 2]
    (tmp_path / "board.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match="rank"):
        read_board(tmp_path / "board.json")
