"""Printed numbers: checked by schema, shown beside full test sets, never compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import baselines.published as published
from baselines.published import Row, read_table, reported_results
from harness.errors import InputError
from harness.results import MetricResult, Result
from leaderboards.table import Table, build_board

FILES = sorted(Path(published.__file__).parent.glob("*.yaml"))


def test_every_file_holds_a_table() -> None:
    tables = [read_table(file) for file in FILES]
    assert len({table.source for table in tables}) == len(tables) >= 15
    assert len({result.id for result in reported_results()}) == len(reported_results())


@pytest.mark.parametrize(
    ("source", "model", "metric", "value"),
    [
        ("STRIDE-ED", "STRIDE-ED", "emotion_accuracy", 57.25),
        ("STRIDE-ED", "MoEL", "bleu_4", 2.73),
        ("STRIDE-ED (ablation)", "STRIDE-ED w/o PPO", "ppl", 2.03),
        ("CASE", "CEM", "dist_2", 2.84),
        ("IAMM", "SEEK", "emotion_accuracy", 41.85),
        ("SUPPORTER", "MoEL", "ppl", 112.34),
        ("CauESC", "MoEL", "ppl", 57.03),
        ("EmoDynamiX", "EmoDynamiX", "strategy_bias", 0.45),
        ("Kang et al. 2024", "ChatGPT + planner", "strategy_macro_f1", 21.09),
    ],
)
def test_numbers_are_those_printed(source: str, model: str, metric: str, value: float) -> None:
    (found,) = [
        result.metric(metric)
        for result in reported_results()
        if (result.model["source"], result.model["name"]) == (source, model)
    ]
    assert found is not None and found.value == value


GOOD = {
    "source": "S",
    "citation": "C",
    "read": "paper",
    "task": "ed_response",
    "example_set": "ed/test",
    "definitions": {"bleu_1": "some"},
    "contradictions": [],
    "rows": [{"model": "M", "bleu_1": 20.0}],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"read": "heard"}, "say paper, repository, second-hand"),
        ({"task": "ed_reply"}, "no task 'ed_reply'"),
        ({"citation": ""}, "citation must be text"),
        ({"page": 3}, "needs exactly the fields"),
        ({"definitions": {"blue": "x"}}, r"unknown metrics \['blue'\]"),
        ({"rows": [{"model": "M"}]}, "row 1: M has no value"),
        ({"rows": [{"bleu_1": 3}]}, "row 1: needs a model"),
        ({"rows": [{"model": "M", "blue": 3}]}, "unknown metric 'blue'"),
        ({"rows": [{"model": "M", "bleu_1": "3"}]}, "must be a number, found '3'"),
        ({"rows": [{"model": "M", "bleu_1": 300}]}, "bleu_1 cannot be 300"),
        ({"rows": [{"model": "M", "ppl": -1}]}, "ppl cannot be -1"),
        ({"rows": [{"model": "M", "ppl": 1}] * 2}, "stands twice"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert read_table(path).rows == (Row("M", "", "ed/test", {"bleu_1": 20.0}),)
    path.write_text(yaml.safe_dump(GOOD | change))
    with pytest.raises(InputError, match=words):
        read_table(path)


def measured(task: str, example_set: str, size: int, *names: str) -> Result:
    return Result(
        task=task,
        task_version=1,
        model={"name": "mine", "kind": "model"},
        protocol={"example_set": example_set, "fingerprint": "f", "size": size},
        metrics=tuple(
            MetricResult(name=name, value=1.0, signature="s", direction="higher", n=size)
            for name in names
        ),
        provenance="re-measured",
    )


def table(result: Result) -> Table:
    (found,) = build_board([result], reported=reported_results()).tables
    return found


def test_printed_rows_stand_behind_a_full_test_set() -> None:
    found = table(measured("ed_response", "ed/test", 5255, "bleu_4"))
    assert [row.name for row in found.rows] == ["mine"]
    assert {"STRIDE-ED", "MoEL", "CEM"} <= {row.name for row in found.reported}
    assert "emotion_accuracy" not in [column.name for column in found.columns]
    sources = {row.detail for row in found.reported if row.name == "MoEL"}
    assert {"STRIDE-ED", "CASE", "EmpaAva"} <= sources, "contradictions stand side by side"


def test_label_tables_have_printed_labels_only() -> None:
    found = table(measured("ed_emotion", "ed/test", 5255, "emotion_accuracy"))
    assert [column.name for column in found.columns] == ["emotion_accuracy"]
    assert "STRIDE-ED" in {row.name for row in found.reported}
    strategies = table(
        measured("esconv_strategy", "esconv/test-910-195-195", 2801, "strategy_bias")
    )
    details = {row.name: row.detail for row in strategies.reported}
    assert details["EmoDynamiX"] == "EmoDynamiX · test set esconv/emodynamix"


def test_a_sample_or_part_of_a_set_has_no_printed_rows() -> None:
    assert not table(measured("ed_response", "ed/test", 100, "bleu_4")).reported
    assert not table(measured("ed_response", "ed/sample-test", 128, "bleu_4")).reported
