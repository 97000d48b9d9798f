"""Readers on small files written by hand: escapes, roles, duplicates, damage, hostile pickles."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets import load_dialogues, load_example_set
from harness.datasets.ed import escape, read_archive, read_csv, unescape
from harness.datasets.ed_npy import FILES, read_array
from harness.datasets.esconv import read_json, read_split, read_tsv, split_places
from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.errors import DataError

HEAD = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"


def csv_file(folder: Path, *rows: str, head: str = HEAD) -> Path:
    path = folder / "test.csv"
    path.write_text(head + "".join(f"{row}\n" for row in rows))
    return path


def test_escapes_quotes_and_roles(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        'c1,1,sad,I_comma_ alone,340,He said "no_comma_ never',
        "c1,2,sad,I_comma_ alone,17,Oh no!,5|5|5_2|2|5,",
        "c1,3,sad,I_comma_ alone,340,Yes.",
    )
    (dialogue,) = read_csv(path, "test")
    assert [t.role for t in dialogue.turns] == ["speaker", "listener", "speaker"]
    assert dialogue.turns[0].text == 'He said "no, never'
    assert dialogue.situation == "I, alone"
    (example,) = dialogue.examples()
    assert example.id == "ed/test/c1/2"
    assert example.reference == "Oh no!"


def test_rows_out_of_order_repeated_and_empty(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "c1,2,sad,p,1,b",
        "c1,1,sad,p,0,a",
        "c1,2,sad,p,1,b",
        "c1,3,sad,p,0,  ",
        "c1,4,sad,p,1,d",
    )
    (dialogue,) = read_csv(path, "test")
    assert [(t.index, t.text) for t in dialogue.turns] == [(1, "a"), (2, "b"), (4, "d")]


def test_two_turns_of_one_person(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "c,1,sad,p,7,a", "c,2,sad,p,7,b", "c,3,sad,p,9,c")
    (dialogue,) = read_csv(path, "test")
    assert [t.role for t in dialogue.turns] == ["speaker", "speaker", "listener"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        (HEAD, "no conversation"),
        (
            HEAD.replace("context", "emotion") + "c,1,sad,p,0,a\n",
            r"test.csv:1: no column 'context'",
        ),
        (HEAD + "c,1,sad,p\n", r"test.csv:2: 4 fields"),
        (HEAD + "c,one,sad,p,0,a\n", r"test.csv:2: utterance_idx 'one'"),
        (HEAD + "c,1,happy,p,0,a\n", r"test.csv:2: context 'happy'"),
        (HEAD + "c,1,sad,p,0,a\nc,1,sad,p,0,b\n", r"test.csv:3: c has another utterance 1"),
    ],
)
def test_damage_is_named_by_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "test.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        read_csv(tmp_path / "test.csv", "test")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"))))
def test_escape_round_trip(text: str) -> None:
    clean = " ".join(text.split())
    if "_comma_" not in clean:
        assert unescape(escape(clean)) == clean
    assert "," not in escape(text)


def test_archive_is_read_without_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "empatheticdialogues.tar.gz"
    data = (HEAD + "c,1,sad,p,0,a\nc,2,sad,p,1,b\n").encode()
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("../../evil/test.csv")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        archive.addfile(link)
        for split in ("train", "valid", "test"):
            member = tarfile.TarInfo(f"empatheticdialogues/{split}.csv")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    assert load_dialogues("ed", "test", tmp_path)[0].turns[1].text == "b"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="not a readable tar archive"):
        read_archive(path, "test")


def npy(folder: Path, name: str, values: object) -> None:
    array = np.empty(len(values), dtype=object)  # type: ignore[arg-type]
    for place, value in enumerate(values):  # type: ignore[arg-type,var-annotated]
        array[place] = value
    np.save(folder / f"{name}.test.npy", array, allow_pickle=True)


def test_npy_arrays_become_examples(tmp_path: Path) -> None:
    npy(tmp_path, FILES[0], [["hi ."], ["hi .", "yes ?", "so ."], ["other ."]])
    npy(tmp_path, FILES[1], ["yes ?", "oh .", "ah ."])
    npy(tmp_path, FILES[2], ["sad", "sad", "proud"])
    examples = load_example_set("ed/test", tmp_path).examples
    assert [e.id for e in examples] == ["ed/test/npy-0/2", "ed/test/npy-0/4", "ed/test/npy-1/2"]
    assert examples[1].reference == "oh ."
    assert [t.role for t in examples[1].context] == ["speaker", "listener", "speaker"]


class Hostile:
    def __init__(self, call: object, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("kind", ["system", "open", "getattr", "eval", "nested"])
def test_hostile_pickles_run_nothing(tmp_path: Path, kind: str, protocol: int) -> None:
    import os

    marker = tmp_path / "executed"
    payload = {
        "system": Hostile(os.system, f"touch {marker}"),
        "open": Hostile(open, str(marker), "w"),
        "getattr": Hostile(getattr, os, "sep"),
        "eval": Hostile(eval, f"open({str(marker)!r}, 'w')"),
        "nested": ["text", {"deep": (Hostile(os.mkdir, str(marker)),)}],
    }[kind]
    array = np.empty(1, dtype=object)
    array[0] = payload
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": (1,)}
        )
        try:
            pickle.dump(array, file, protocol=protocol)
        except (TypeError, pickle.PicklingError):
            pytest.skip("this payload cannot be written in this protocol")
    with pytest.raises(DataError, match="refused, its pickle refers to"):
        read_array(path)
    assert not marker.exists()


@given(st.binary(max_size=300))
def test_any_bytes_as_npy_are_an_error_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("npy") / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + data)
    try:
        read_array(path)
    except DataError:
        pass


def talk(*turns: tuple[str, str, str | None]) -> dict[str, object]:
    return {
        "emotion_type": "fear",
        "problem_type": "job crisis",
        "situation": "s",
        "dialog": [
            {"speaker": who, "content": text, "annotation": {"strategy": label} if label else {}}
            for who, text, label in turns
        ],
    }


def test_esconv_json_and_split_give_the_same_dialogues(tmp_path: Path) -> None:
    rows = [
        talk(
            ("seeker", f"hi {n}\n", None), ("supporter", "a  b", "Questions"), ("seeker", " ", None)
        )
        for n in range(20)
    ]
    (tmp_path / "ESConv.json").write_text(json.dumps(rows))
    sizes = {}
    for split in ("train", "valid", "test"):
        found = read_json(tmp_path / "ESConv.json", split)
        sizes[split] = len(found)
        assert found[0].turns[1].strategy == "Question"
        assert found[0].turns[1].text == "a b"
        assert len(found[0].turns) == 2
    assert sizes == {"train": 14, "valid": 3, "test": 3}


def test_seed_13_of_1300_begins_as_released() -> None:
    # The first dialogues of the released valid, test and train files, by place in ESConv.json.
    places = split_places(1300)
    assert places["valid"][:3] == [844, 1063, 1268]
    assert places["test"][:3] == [566, 255, 670]
    assert places["train"][:3] == [1068, 887, 46]
    assert sorted(sum(places.values(), [])) == list(range(1300))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"dialog": "x"}, "no list under 'dialog'"),
        ({"dialog": [{"speaker": "bot", "content": "x"}]}, "turn 0: speaker"),
        ({"dialog": [{"speaker": "usr"}]}, "turn 0: no text"),
        ({"dialog": [{"speaker": "sys", "text": "x", "strategy": "Magic"}]}, "strategy 'Magic'"),
    ],
)
def test_esconv_damage(tmp_path: Path, row: dict[str, object], message: str) -> None:
    (tmp_path / "test.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=message):
        read_split(tmp_path, "test")


def test_strategy_tsv(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text(
        "1.0 0 0 Hello  EOS 1.0 1 1 [Questions] How are you?\n"
        "0.0 1 1 [Questions] How are you? EOS 0.0 0 2 Bad EOS 0.0 1 3 [Other] Hm.\n"
        "1.0 0 0 Hi EOS 1.0 1 1 [Self-disclosure] Me too.\n"
    )
    windows = read_tsv(path)
    assert [number for _, number in windows] == [0, 0, 1]
    examples = load_example_set("esconv/test-original", path).examples
    assert [e.id for e in examples] == [
        "esconv/test/original-0/1",
        "esconv/test/original-0/3",
        "esconv/test/original-1/1",
    ]
    assert [e.strategy for e in examples] == ["Question", "Others", "Self-disclosure"]
    path.write_text("nonsense\n")
    with pytest.raises(DataError, match="t.tsv:1: not an utterance"):
        read_tsv(path)


def test_hub_rows_go_through_the_same_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    from harness.datasets import hub

    rows = {"conv_id": ["c", "c"], "utterance_idx": [1, 2], "context": ["sad"] * 2,
            "prompt": ["p"] * 2, "speaker_idx": [4, 5], "utterance": ["a_comma_ b", "c"]}  # fmt: skip
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "test.parquet")
    (dialogue,) = hub.load_ed("test", "parquet", data_files={"test": str(tmp_path / "*.parquet")})
    assert [t.text for t in dialogue.turns] == ["a, b", "c"]
    lines = {"text": [json.dumps(talk(("seeker", "hi", None), ("supporter", "yo", "Others")))]}
    datasets.Dataset.from_dict(lines).to_parquet(tmp_path / "e.parquet")
    found = hub.load_esconv("test", "parquet", data_files={"test": str(tmp_path / "e.parquet")})
    assert found[0].turns[1].strategy == "Others"
    with pytest.raises(DataError, match="--data"):
        hub.load_ed("test", "nobody/nothing-here")


def test_places_are_named_when_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="no such folder.*--data sample"):
        load_example_set("ed/test", tmp_path / "none")
    monkeypatch.setenv("EMPATHY_BENCH_DATA", str(tmp_path))
    with pytest.raises(DataError, match="EMPATHY_BENCH_DATA.*found no ed/csv"):
        load_example_set("ed/test")


def test_sample_covers_every_label_and_says_what_it_is() -> None:
    ed, esconv = (
        load_example_set(name, "sample") for name in ("ed/test", "esconv/test-910-195-195")
    )
    assert (ed.name, esconv.name) == ("ed/sample-test", "esconv/sample-test")
    assert {e.emotion for e in ed} == set(ED_EMOTIONS)
    assert {e.strategy for e in esconv} == set(ESCONV_STRATEGIES)
    assert len({e.dialogue_id for e in ed}) >= 64
    assert len({e.dialogue_id for e in esconv}) >= 16


def test_fingerprint_changes_with_one_character(tmp_path: Path) -> None:
    rows = ("c1,1,sad,p,0,a", "c1,2,sad,p,1,b")
    csv_file(tmp_path, *rows)
    one = load_example_set("ed/test", tmp_path).fingerprint
    other = tmp_path / "other"
    other.mkdir()
    csv_file(other, rows[0], "c1,2,sad,p,1,b.")
    assert load_example_set("ed/test", other).fingerprint != one
