"""Every number beside what answers without a model score."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.commands.show import floor_warnings
from harness.datasets import load_example_set
from harness.errors import InputError
from harness.floors import HUMAN_NAME, with_floors
from harness.metrics import score_predictions
from harness.predictions import Prediction
from harness.results import MetricResult, Result, read_result
from harness.tasks import TASKS
from leaderboards.floors import with_floor_rows
from leaderboards.table import build_board
from tests.conftest import Cli

TASK = TASKS["ed_response"]
CONSTANT = "Constant reply"


def scored_constant(text: str, data: str) -> dict[str, MetricResult]:
    examples = load_example_set(TASK.example_set, data)
    rows = [Prediction(id=example.id, response=text) for example in examples]
    results = score_predictions(examples, rows, kind="response", resamples=50)
    return {r.name: r for r in with_floors(results, TASK, examples, data=data)}


def test_a_floor_scores_what_it_scores_as_a_system() -> None:
    own = scored_constant("I am sorry to hear that. I hope you get it.", "sample")
    for name in ("bleu_1", "bleu_4", "chrf", "rouge_l", "dist_2"):
        assert own[name].floors[CONSTANT] == pytest.approx(own[name].value)
        assert CONSTANT not in own[name].beaten_by, "a tie is no defeat"
    assert own["bleu_4"].human == pytest.approx(100)
    assert len(own["bleu_4"].floors) == 5
    assert own["length"].floors[CONSTANT] == own["length"].value
    assert own["length"].beaten_by == (), "what has no better cannot be beaten"


def test_a_constant_beats_published_systems_on_bleu_1(real_data: Path) -> None:
    # Known of this field: a constant has 20.2–20.9 BLEU-1 where MoEL has 18.0 (moel's definition).
    own = scored_constant("so", str(real_data))
    floors = own["bleu_1"].floors
    assert max(floors, key=lambda name: floors[name]).startswith(CONSTANT)
    assert 19 < max(floors.values()) < 21
    assert set(own["bleu_1"].beaten_by) == set(floors)


def test_where_lower_is_better_no_floor_beats_anything() -> None:
    own = scored_constant("so", "sample")
    assert own["commonest_share"].value == 100.0
    assert own["commonest_share"].floors["Shuffled human replies"] < 100.0
    assert own["commonest_share"].beaten_by == ()


def test_warnings_name_floor_metric_and_values() -> None:
    metric = MetricResult(
        name="bleu_1", value=2.0, signature="s", direction="higher", floors={"A": 3.0, "B": 1.0}
    )
    (line,) = floor_warnings([metric, replace(metric, name="bleu_2", value=5.0)])
    assert line.startswith("! A does better on bleu_1 3.00 over 2.00")


def test_label_tasks_have_the_commonest_label_as_floor(cli: Cli, tmp_path: Path) -> None:
    examples = load_example_set("ed/test", "sample")
    file = tmp_path / "labels.jsonl"
    file.write_text(
        "\n".join(json.dumps({"id": e.id, "emotion": e.emotion}) for e in examples) + "\n"
    )
    done = cli("score", "-p", file, "-t", "ed_emotion", "--data", "sample", "--json")
    (accuracy,) = [m for m in json.loads(done.stdout)["metrics"] if m["name"] == "emotion_accuracy"]
    # Each of the 32 labels occurs twice among the 64 examples' dialogues.
    assert accuracy["floors"][CONSTANT] < 5.0
    assert accuracy["human"] == accuracy["value"] == 100.0


def test_score_says_which_floor_beats_the_file(cli: Cli, tmp_path: Path) -> None:
    examples = load_example_set("ed/test", "sample")
    file = tmp_path / "replies.txt"
    file.write_text("hm\n" * len(examples))
    done = cli("score", "-p", file, "-t", "ed_response", "--data", "sample", "-o", "runs")
    assert done.returncode == 0, done.stderr
    assert "best floor" in done.stdout
    assert "! Constant reply does better on" in done.stdout.replace("\n", " ")
    result = read_result(next((tmp_path / "runs").rglob("result.json")))
    bleu = result.metric("bleu_1")
    assert bleu is not None and len(bleu.floors) == 5 and bleu.human == pytest.approx(100)
    without = cli(
        "score", "-p", file, "-t", "ed_response", "--data", "sample", "--no-floors", "--json"
    )
    assert all(not m["floors"] for m in json.loads(without.stdout)["metrics"])


def test_all_profiles_are_one_table(cli: Cli, tmp_path: Path) -> None:
    examples = load_example_set("ed/test", "sample")
    file = tmp_path / "replies.txt"
    file.write_text("".join(f"i am so sorry about {i % 7} !\n" for i in range(len(examples))))
    arguments = ("score", "-p", file, "-t", "ed_response", "--data", "sample", "--all-profiles")
    done = cli(*arguments)
    assert done.returncode == 0, done.stderr
    assert "one file, every ruler" in done.stdout and "spread" in done.stdout
    found = json.loads(cli(*arguments, "--json").stdout)
    assert {"harness", "moel", "mime", "empdg"} <= found.keys()
    assert found["moel"]["bleu_4"]["signature"] != found["harness"]["bleu_4"]["signature"]
    refused = cli(*arguments, "--profile", "moel")
    assert refused.returncode == 2 and "leave out --profile" in refused.stderr


def result(name: str, *metrics: MetricResult, kind: str = "model") -> Result:
    return Result(
        task="ed_response",
        task_version=1,
        model={"name": name, "kind": kind},
        protocol={"example_set": "ed/test", "fingerprint": "f", "size": 9},
        metrics=metrics,
        provenance="re-scored",
        created="2026-01-01T00:00:00+00:00",
    )


BLEU = MetricResult(
    name="bleu_4", value=2.0, signature="s", direction="higher", floors={CONSTANT: 3.0}, human=100.0
)


def test_a_board_without_floor_runs_has_floor_rows() -> None:
    (table,) = build_board([result("mine", BLEU)]).tables
    assert {(row.name, row.kind) for row in table.rows} == {
        ("mine", "model"),
        (CONSTANT, "floor"),
        (HUMAN_NAME, "human"),
    }
    assert table.gaps == ()
    assert f"{CONSTANT}, 3.00" in table.columns[0].floor_sentence


def test_a_floor_that_was_run_stands_once() -> None:
    run = replace(BLEU, value=3.1, low=2.9, high=3.3, floors={}, human=None)
    rows = with_floor_rows([result("mine", BLEU), result(CONSTANT, run, kind="floor")])
    assert [str(r.model["name"]) for r in rows] == ["mine", CONSTANT, HUMAN_NAME]
    assert rows[1].metrics[0].value == 3.1


def test_damaged_floors_are_refused(tmp_path: Path) -> None:
    record = result("mine", BLEU).to_json()
    record["metrics"] = [record["metrics"][0] | {"floors": {"x": "high"}}]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="damaged result record"):
        read_result(path)
