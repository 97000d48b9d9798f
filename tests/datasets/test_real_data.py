"""The real files: official counts, the field's example sets, the released split, known leaks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from harness.datasets import EXAMPLE_SETS, load_dialogues, load_example_set
from harness.datasets.check import check_data
from harness.datasets.ed_npy import read_array
from harness.datasets.esconv import read_json, read_split
from harness.datasets.leaks import find_leaks


def test_counts_are_the_official_ones(real_data: Path) -> None:
    report = check_data(real_data)
    assert report.missing == ()
    disagreeing = [(s.dataset, s.split) for s in report.splits if not s.agrees]
    assert disagreeing == [("ed", "test")], "this copy of ED lacks the last test conversation"
    short = {s.name: (s.size, s.size_official) for s in report.sets if s.size != s.size_official}
    assert short == {"ed/test-empo": (2539, 2540)}


def test_ed_test_is_the_fields_5255_in_their_order(real_data: Path) -> None:
    with (real_data / "ed" / "moel5255_index.tsv").open() as file:
        index = [
            f"ed/test/{row['conv_id']}/{int(row['target_utterance_idx0']) + 1}"
            for row in csv.DictReader(file, delimiter="\t")
        ]
    assert [e.id for e in load_example_set("ed/test", real_data)] == index


def test_ed_test_does_not_depend_on_what_follows_its_last_conversation(real_data: Path) -> None:
    spec = EXAMPLE_SETS["ed/test"]
    dialogues = load_dialogues("ed", "test", real_data)
    assert spec.select([*dialogues, dialogues[0]])[-1].id == spec.select(dialogues)[-1].id


def test_npy_contexts_are_those_of_the_csv(real_data: Path) -> None:
    contexts = read_array(real_data / "ed" / "npy" / "sys_dialog_texts.test.npy")
    labels = read_array(real_data / "ed" / "npy" / "sys_emotion_texts.test.npy")
    examples = load_example_set("ed/test", real_data).examples
    assert len(contexts) == len(labels) == len(examples) == 5255
    same_length = sum(len(c) == len(e.context) for c, e in zip(contexts, examples, strict=True))
    assert same_length == 5255 - 6, "six contexts were merged across conversations"
    same_label = sum(label == e.emotion for label, e in zip(labels, examples, strict=True))
    assert same_label >= 5253


def test_json_and_released_split_agree_to_the_letter(real_data: Path) -> None:
    for split in ("train", "valid", "test"):
        whole = read_json(real_data / "esconv" / "ESConv.json", split)
        released = read_split(real_data / "esconv" / "split", split)
        assert [d.id for d in whole] == [d.id for d in released]
        assert [d.turns for d in whole] == [d.turns for d in released]


def test_strategy_counts_of_the_original_test_turns(real_data: Path) -> None:
    from collections import Counter

    counts = Counter(e.strategy for e in load_example_set("esconv/test-original", real_data))
    # Counts of the released file, as published with the 2,775 turns.
    assert counts == {
        "Question": 554, "Others": 506, "Providing Suggestions": 449,
        "Affirmation and Reassurance": 410, "Self-disclosure": 293, "Reflection of feelings": 198,
        "Restatement or Paraphrasing": 189, "Information": 176,
    }  # fmt: skip


def test_ids_are_unique_in_every_set(real_data: Path) -> None:
    for name in EXAMPLE_SETS:
        ids = [example.id for example in load_example_set(name, real_data)]
        assert len(ids) == len(set(ids)), name


def test_the_two_known_leaking_situations_of_esconv(real_data: Path) -> None:
    examples = load_example_set("esconv/test-910-195-195", real_data)
    report = find_leaks(examples, load_dialogues("esconv", "train", real_data))
    assert len({e.dialogue_id for e in examples if e.id in set(report.situations)}) == 2


def test_a_set_leaks_into_itself_completely(real_data: Path) -> None:
    dialogues = load_dialogues("esconv", "test", real_data)
    examples = [e for d in dialogues for e in d.examples()]
    assert len(find_leaks(examples, dialogues).contexts) == len(examples)


def test_sample_shares_nothing_with_the_real_data(real_data: Path) -> None:
    for dataset, name in (("ed", "ed/test"), ("esconv", "esconv/test-910-195-195")):
        training = load_dialogues(dataset, "train", real_data)  # type: ignore[arg-type]
        report = find_leaks(load_example_set(name, "sample"), training)
        assert not report.leaking
        assert report.references == ()


@pytest.mark.parametrize("what", ["check", "leaks"])
def test_data_commands(cli, real_data: Path, what: str) -> None:  # type: ignore[no-untyped-def]
    arguments = ["check"] if what == "check" else ["leaks", real_data, "--example-set", "ed/valid"]
    done = cli("data", *arguments, "--data", real_data, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    if what == "check":
        assert {s["name"] for s in report["sets"]} == set(EXAMPLE_SETS)
    else:
        assert report["examples"] == 5738
