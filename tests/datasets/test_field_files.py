"""The reduced ED sets against the files that their authors released, row by row."""

from __future__ import annotations

import ast
import csv
import json
from pathlib import Path

from harness.datasets import load_dialogues, load_example_set
from tests.datasets.words import letters


def empdg_rows(path: Path) -> list[tuple[str, str, str]]:
    """(emotion, last context utterance, reference) per record of EmpDG's released outputs."""
    rows, fields = [], {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.strip()
        if name == "Ref":
            rows.append((fields["emotion"], ast.literal_eval(fields["Context"])[-1], fields["Ref"]))
    return rows


def test_empdg_rows_are_its_2713_in_order(real_data: Path) -> None:
    rows = empdg_rows(real_data / "outputs" / "ed" / "empdg_repo" / "EmpDG.txt")
    examples = load_example_set("ed/test-empdg", real_data).examples
    assert len(rows) == len(examples) == 2713
    pairs = list(zip(rows, examples, strict=True))
    assert all(letters(ref) == letters(e.reference) for (_, _, ref), e in pairs)
    assert all(letters(last) == letters(e.context[-1].text) for (_, last, _), e in pairs)
    # The two turns whose conversation the preprocessing glued to the next took that one's label.
    labels = [e.id for (label, _, _), e in pairs if label != e.emotion]
    assert labels == ["ed/test/hit:1916_conv:3833/2", "ed/test/hit:1916_conv:3833/4"]


def test_empo_rows_are_our_last_turns_in_order(real_data: Path) -> None:
    examples = load_example_set("ed/test-empo", real_data).examples
    for name in ("sft", "zero_shot"):
        path = real_data / "outputs" / "ed" / "empo" / f"{name}.txt"
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="~"))
        assert len(rows) == 2540
        if len(examples) == 2539:
            # The last official conversation, hit:12423_conv:24847, is not in every copy.
            absent = rows.pop(688)
            assert absent["gen_targets"] == "Chemistry is quite difficult,have you studied hard?"
        ours = [(e.emotion, e.context[-1].text, e.reference) for e in examples]
        assert ours == [(r["emotions"], r["prevs"].strip(), r["gen_targets"].strip()) for r in rows]


def test_fado_asks_for_the_supporter_turns_after_a_seeker_turn(real_data: Path) -> None:
    path = real_data / "outputs" / "esconv" / "fado" / "predsInfer_gen.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    examples = load_example_set("esconv/test-910-195-195", real_data).examples
    answering = [e for e in examples if e.context[-1].role == "speaker"]
    assert len(rows) == len(answering) == 2295
    dialogues = load_dialogues("esconv", "test", real_data)
    for number, dialogue in enumerate(dialogues):
        theirs = [r for r in rows if r["sample_id"] == number]
        assert len(theirs) == sum(e.dialogue_id == dialogue.id for e in answering)
