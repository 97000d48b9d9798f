"""`leaderboard validate`: what an honest mistake or a dishonest number looks like."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from submitted import EXAMPLES, NAME, SIZE, card, edit, own_reply, reseal, run, submission
from typer.testing import CliRunner

from harness.datasets import load_dialogues
from harness.datasets.sets import ExampleSet
from harness.dialogue import Example, Turn
from harness.predictions import Prediction
from harness.results import read_result
from harness.score import make_result
from harness.tasks import TASKS
from leaderboards.command import app
from leaderboards.submissions.claims import within
from leaderboards.submissions.content import reply_facts
from leaderboards.submissions.pack import pack
from leaderboards.submissions.validate import Options, Report, validate

QUICK = Options(data="sample", rescore=False)
FULL = Options(data="sample")


def codes(report: Report, level: str = "error") -> set[str]:
    return {finding.code for finding in report.findings if finding.level == level}


def only(report: Report, code: str) -> Any:
    (found,) = [finding for finding in report.findings if finding.code == code]
    return found


def test_an_honest_submission_passes_and_its_result_is_what_score_gives(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    report = validate([tmp_path / "store"], FULL)
    assert report.ok
    assert codes(report, "warning") == {"limited"}
    (result,) = report.results
    predictions = [Prediction(id=e.id, response=own_reply(i, e)) for i, e in enumerate(EXAMPLES)]
    scored = make_result(
        TASKS["ed_response"], EXAMPLES, None, predictions,
        path=folder / "ed_response" / "predictions.jsonl", model={"name": "x"},
        provenance="re-scored", data="sample",
    )  # fmt: skip
    assert result.metrics == scored.metrics
    assert result.provenance == "re-scored"
    assert (result.model["name"], result.model["kind"]) == ("my-lab/warm-7b", "model")
    assert "contact" not in result.model


def test_ids_are_there_once_each_and_known(tmp_path: Path) -> None:
    folder = submission(tmp_path)

    def change(rows: list[dict[str, Any]]) -> None:
        rows[3]["id"] = rows[2]["id"]
        rows[5]["id"] = "ed/test/hit:0_conv:0/99"

    lost = [EXAMPLES.examples[2].id, EXAMPLES.examples[4].id]
    edit(folder, change)
    report = validate([folder], QUICK)
    assert codes(report) == {"duplicate-id", "unknown-id", "missing-id"}
    twice = only(report, "duplicate-id")
    assert (twice.line, twice.problem) == (4, "stands already on line 3")
    assert twice.value == EXAMPLES.examples[1].id
    assert only(report, "unknown-id").line == 6
    missing = [f.value for f in report.findings if f.code == "missing-id"]
    assert missing == lost


@pytest.mark.parametrize(
    ("change", "code", "line"),
    [
        ({"fingerprint": "sha256:" + "0" * 64}, "fingerprint", 1),
        ({"size": 13}, "fingerprint", 1),
        ({"limit": 11}, "fingerprint", 1),
        ({"limit": -1}, "examples", 1),
        ({"example_set": "ed/valid"}, "fingerprint", 1),
        ({"task_version": 99}, "task-version", 1),
        ({"task": "ed_emotion"}, "wrong-place", 1),
        ({"schema": "other/1"}, "header", 1),
        ({"limit": "many"}, "header", 1),
    ],
)
def test_a_header_that_speaks_of_other_examples_is_refused(
    tmp_path: Path, change: dict[str, Any], code: str, line: int
) -> None:
    folder = submission(tmp_path)
    edit(folder, lambda rows: rows[0].update(change))
    report = validate([folder], Options(data="sample"))
    assert code in codes(report)
    assert only(report, code).line == line
    assert not report.results


def test_failures_must_be_declared(tmp_path: Path) -> None:
    folder = submission(tmp_path)

    def change(rows: list[dict[str, Any]]) -> None:
        rows[1]["response"] = " \u2003 "
        rows[2] = {"id": rows[2]["id"], "error": "timeout"}
        rows[3] = {"id": rows[3]["id"], "error": "odd", "response": "still here"}
        rows[4] = {"id": rows[4]["id"], "emotion": "sad"}

    edit(folder, change)
    report = validate([folder], QUICK)
    assert [f.line for f in report.findings if f.code == "empty"] == [2, 5]
    assert only(report, "failed-with-answer").line == 4
    assert codes(report) == {"empty"}
    assert next(iter(report.facts.values())).failed == 2


def test_odd_replies_are_no_error(tmp_path: Path) -> None:
    odd = ["🙂", "我很难过", "word " * 10_000, "a\nb\tc", "\x1b[31mred", "=1+1", "</script>"]
    folder = submission(tmp_path, lambda i, e: odd[i] if i < len(odd) else own_reply(i, e))
    assert validate([folder], FULL).ok


def test_a_reply_said_to_everybody_is_flagged_beside_the_constant_floor(tmp_path: Path) -> None:
    folder = submission(tmp_path, lambda i, e: "I am SORRY to hear that!" if i else "Hello.")
    report = validate([folder], FULL)
    assert report.ok
    found = only(report, "same-reply")
    assert found.level == "warning" and found.line == 3
    assert "11 of 12 contexts (91.7%; people: 1;" in found.problem
    assert found.value == "i am sorry to hear that"
    (result,) = report.results
    bleu = result.metric("bleu_4")
    assert bleu is not None
    floor = max(value for name, value in bleu.floors.items() if name.startswith("Constant"))
    said = f"bleu_4 {bleu.value:.4g} (constant reply {floor:.4g})"
    assert said in only(report, "constant-floor").problem


def test_references_handed_in_as_replies_are_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path, lambda i, e: e.reference.upper())
    long = sum(len(e.reference.split()) >= 8 for e in EXAMPLES)
    assert long > 3, "the sample must have long references for this test"
    report = validate([folder], QUICK)
    found = only(report, "gold-replies")
    assert found.level == "error"
    assert f"{long} of {long} replies" in found.problem and "not seen" in found.problem


def test_training_replies_are_counted(tmp_path: Path) -> None:
    turns = [t.text for d in load_dialogues("ed", "train", "sample") for t in d.turns]
    listeners = [t for d in load_dialogues("ed", "train", "sample") for t in d.turns]
    texts = [t.text for t in listeners if t.role == "listener" and len(t.text.split()) >= 10]
    assert len(texts) > 6 and len(turns) > len(texts)
    folder = submission(tmp_path, lambda i, e: texts[i] if i < 6 else own_reply(i, e))
    report = validate([folder], QUICK)
    found = only(report, "training-replies")
    assert found.level == "warning" and found.problem.startswith("6 of 12 replies")


def test_facts_by_hand() -> None:
    """Counted on paper: three long replies, one of them gold, two of them training's."""
    gold = "this is a reply of eight plain words"
    other = "that was another reply of eight plain words"
    examples = [
        Example(id=str(i), dialogue_id="d", context=(Turn(0, "speaker", "hi"),), reference=text)
        for i, text in enumerate([gold, "thanks", gold, "yes", "no"])
    ]
    rows = [
        Prediction(id="0", response="This is a reply, of eight plain words!"),
        Prediction(id="1", response="Thanks"),
        Prediction(id="2", response=other),
        Prediction(id="3", response=other),
        Prediction(id="4", response=gold, error="late"),
    ]
    facts = reply_facts(rows, ExampleSet("x", tuple(examples)), {other, "thanks"})
    assert dataclasses.asdict(facts) == {
        "replies": 4, "failed": 1, "distinct": 3, "commonest": other, "commonest_count": 2,
        "human_commonest_count": 2, "long": 3, "gold": 1, "training": 2, "human_long": 2,
        "human_training": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claimed", "ours", "same"),
    [
        (2.31, 2.3149, True),  # rounded
        (2.3, 2.349, True),
        (2.3, 2.36, False),
        (20.0, 20.09, True),  # 0.45 %
        (20.0, 20.2, False),
        (2.0, 2.4, False),  # a whole number is no rounding
        (0.0, 0.0, True),
        (0.001, 0.0, False),
        (1e-7, 0.5, False),
    ],
)
def test_a_claim_is_held_to_tolerance_or_to_its_own_rounding(
    claimed: float, ours: float, same: bool
) -> None:
    assert within(claimed, ours) is same


def scored_run(tmp_path: Path) -> Path:
    folder = run(tmp_path / "runs")
    arguments = ["-p", str(folder / "predictions.jsonl"), "--data", "sample", "--json"]
    from harness.cli import app as main

    ran = CliRunner().invoke(main, ["score", *arguments])
    assert ran.exit_code == 0, ran.output
    (folder / "result.json").write_text(ran.stdout)
    return folder


def test_claims_are_compared_with_our_own_scores(tmp_path: Path) -> None:
    folder = scored_run(tmp_path)
    honest = read_result(folder / "result.json")
    dist = honest.metric("distinct_2") or honest.metric("dist_2")
    assert dist is not None and dist.value is not None
    right = {"ed_response": {dist.name: round(dist.value, 2), "made_up": 1.0}}
    pack([folder], card(tmp_path, claims=right), tmp_path / "store")
    report = validate([tmp_path / "store"], FULL)
    assert report.ok, report.findings
    assert "made_up" in only(report, "claim").problem

    value = json.loads((folder / "result.json").read_text())
    for metric in value["metrics"]:
        if metric["name"] == dist.name:
            metric["value"] += 5
    (folder / "result.json").write_text(json.dumps(value))
    wrong = {"ed_response": {dist.name: 12.34}, "ed_emotion": {"accuracy": 1}}
    pack([folder], card(tmp_path, revision="r2", claims=wrong), tmp_path / "store")
    report = validate([tmp_path / "store" / NAME / "r2"], FULL)
    places = {(Path(f.file).name, f.value) for f in report.findings if f.level == "error"}
    assert ("card.json", "12.34") in places and ("card.json", "ed_emotion") in places
    assert ("claims.json", repr(dist.value + 5)) in places
    assert len(places) == 3


def test_what_was_changed_after_packing_is_seen(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    path = folder / "ed_response" / "predictions.jsonl"
    path.write_text(path.read_text().replace("kind", "mild"))
    assert codes(validate([folder], QUICK)) == {"changed-file"}
    reseal(folder)
    assert validate([folder], QUICK).ok
    protocol = folder / "ed_response" / "protocol.json"
    protocol.write_text(protocol.read_text().replace('"seed": 0', '"seed": 1'))
    reseal(folder)
    assert "seed" in only(validate([folder], QUICK), "protocol").problem
    (folder / "card.json").unlink()
    assert codes(validate([folder], QUICK)) == {"missing-file"}


def test_a_card_may_not_speak_for_another_folder(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    stolen = tmp_path / "store" / "big-lab__great-70b" / "r1"
    stolen.parent.mkdir()
    folder.rename(stolen)
    for path in (stolen, stolen.parent):
        assert codes(validate([path], QUICK)) == {"wrong-place"}
    folder.parent.rmdir()
    assert codes(validate([tmp_path / "store"], QUICK)) == {"wrong-place"}


def test_strays_are_named(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    (tmp_path / "store" / "README.md").write_text("what this is")
    assert validate([tmp_path / "store"], QUICK).ok
    for stray in ("ed_response/notes.txt", "run.sh", "poem/predictions.jsonl"):
        (folder / stray).parent.mkdir(exist_ok=True)
        (folder / stray).write_text("x")
    reseal(folder)
    (tmp_path / "store" / "x.txt").write_text("x")
    (tmp_path / "store" / "a__b" / "c" / "d").mkdir(parents=True)
    report = validate([tmp_path / "store"], QUICK)
    assert codes(report) == {"stray-file", "unknown-task"}
    assert len(report.findings) >= 5


def test_many_findings_of_one_cause_are_counted_not_listed(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    edit(folder, lambda rows: [row.update(response="") for row in rows[1:]])
    report = validate([folder], QUICK)
    empty = [finding for finding in report.findings if finding.code == "empty"]
    assert len(empty) == 11 and report.errors == SIZE
    assert empty[-1].problem == "2 more of these, 12 in all"


def test_exit_codes_and_json(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    command = ["validate", str(folder), "--no-rescore", "--data", "sample"]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0 and "0 errors, 1 warnings" in ran.output
    edit(folder, lambda rows: rows.pop())
    ran = CliRunner().invoke(app, [*command, "--json"])
    assert ran.exit_code == 1
    value = json.loads(ran.stdout)
    assert value["errors"] == 1 and not value["ok"]
    (error,) = [f for f in value["findings"] if f["level"] == "error"]
    assert error["code"] == "missing-id" and error["value"] == EXAMPLES.examples[-1].id
    empty = tmp_path / "empty"
    empty.mkdir()
    assert CliRunner().invoke(app, ["validate", str(empty)]).exit_code == 1


def test_label_tasks_are_checked_too(tmp_path: Path) -> None:
    from harness.predictions import Header, PredictionWriter

    path = tmp_path / "runs" / "predictions.jsonl"
    header = Header(
        task="ed_emotion", task_version=1, example_set=EXAMPLES.name, limit=SIZE, size=SIZE,
        fingerprint=EXAMPLES.fingerprint,
    )  # fmt: skip
    with PredictionWriter(path, header) as writer:
        said = ["sad", "melancholy", " "] + ["joyful"] * SIZE
        writer.append(
            Prediction(id=e.id, emotion=text) for e, text in zip(EXAMPLES, said, strict=False)
        )
    folder = pack([path], card(tmp_path), tmp_path / "store").folder
    report = validate([folder], QUICK)
    assert only(report, "unknown-label").line == 3
    assert only(report, "empty").line == 4


def test_on_real_data_the_human_row_is_told_from_a_model(tmp_path: Path, real_data: Path) -> None:
    """Counted here anew, by other means than the validator's."""
    from harness.datasets import load_example_set

    examples = load_example_set("ed/test", real_data)
    fields = {
        "example_set": examples.name, "fingerprint": examples.fingerprint,
        "size": len(examples), "limit": None,
    }  # fmt: skip
    folder = run(tmp_path / "runs", lambda i, e: e.reference, examples=examples, **fields)
    pack([folder], card(tmp_path), tmp_path / "store")
    options = Options(data=str(real_data), rescore=False)
    found = only(validate([tmp_path / "store"], options), "gold-replies")

    def words(text: str) -> str:
        return "".join(c if c.isalnum() or c == "_" else " " for c in text.casefold())

    long = sum(len(words(example.reference).split()) >= 8 for example in examples)
    assert len(examples) == 5255
    assert found.level == "error" and f"{long:,} of {long:,} replies" in found.problem
