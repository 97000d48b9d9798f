"""Sources that are damaged, hostile or not what they are taken for: an error, never wrong data."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from harness.datasets import check, ed, hub, load_dialogues, load_example_set
from harness.datasets.ed_npy import FILES, read_array
from harness.datasets.esconv import read_json, read_split, split_places
from harness.errors import DataError, UnknownNameError

HEAD = "conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags\n"
ROWS = HEAD + "c,1,sad,p,0,a\nc,2,sad,p,1,b\n"
DIALOGUE = {
    "emotion_type": "fear",
    "problem_type": "job crisis",
    "situation": "s",
    "dialog": [
        {"speaker": "usr", "text": "hi"},
        {"speaker": "sys", "text": "yo", "strategy": "Question"},
    ],
}


def object_npy(path: Path, pickled: bytes, count: int = 1) -> Path:
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": (count,)}
        )
        file.write(pickled)
    return path


def glob(module: bytes, name: bytes) -> bytes:
    return b"c" + module + b"\n" + name + b"\n"


def integer(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


# numpy.dtype("O8", False, True), then a state whose last item replaces the dtype's flags.
DTYPE = glob(b"numpy", b"dtype") + b"X\x02\x00\x00\x00O8\x89\x88\x87R"
RECONSTRUCT = (
    glob(b"numpy._core.multiarray", b"_reconstruct")
    + glob(b"numpy", b"ndarray")
    + integer(0)
    + b"\x85C\x01b\x87R"
)


@pytest.mark.parametrize("flags", [0, 8, 63])
def test_a_forged_dtype_never_reaches_numpy(tmp_path: Path, flags: int) -> None:
    # With the flags cleared numpy takes the 8 bytes for an object's address. In a process of its
    # own, because a failure here is a crash.
    state = b"(" + integer(3) + b"X\x01\x00\x00\x00|NNN" + integer(-1) * 2 + integer(flags) + b"tb"
    address = b"C\x08" + b"\x41" * 8
    pickled = RECONSTRUCT + b"(" + integer(1) * 2 + b"\x85" + DTYPE + state + b"\x89" + address
    path = object_npy(tmp_path / "a.npy", b"\x80\x03" + pickled + b"tb.")
    program = (
        "import sys\nfrom pathlib import Path\nfrom harness.datasets.ed_npy import read_array\n"
        "from harness.errors import DataError\n"
        "try:\n    read_array(Path(sys.argv[1]))\nexcept DataError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"crashed with {done.returncode}"
    assert "without a list of elements" in done.stdout


OPCODES = {
    "GLOBAL": b"cos\nsystem\n(Vtouch MARKER\ntR.",
    "INST": b"(Vtouch MARKER\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nVtouch MARKER\no.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch MARKER\x85R.",
    "NEWOBJ": b"\x80\x02cos\nsystem\nVtouch MARKER\n\x85\x81.",
    "alias": b"cposix\nsystem\n(Vtouch MARKER\ntR.",
    "dotted": b"\x80\x04\x8c\x05numpy\x8c\x10os.system       \x93\x8c\x0ctouch MARKER\x85R.",
    "builtins": b"c__builtin__\neval\n(V__import__('os').system('touch MARKER')\ntR.",
    "numpy's own": b"cnumpy.testing._private.utils\nrunstring\n(Vopen('MARKER','w')\n}tR.",
    "numpy load": b"cnumpy\nload\n(VMARKER\ntR.",
    "extension": b"\x82\x01.",
    "persistent": b"PMARKER\n.",
}


@pytest.mark.parametrize("name", OPCODES)
def test_disguised_calls_run_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = object_npy(tmp_path / "a.npy", OPCODES[name])
    with pytest.raises(DataError, match="a.npy: (refused|not a readable)"):
        read_array(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    array = np.empty(2, dtype=object)
    array[0], array[1] = ["hi .", "é ‘"], "x"
    data = pickle.dumps(array, protocol=protocol)
    assert read_array(object_npy(tmp_path / "a.npy", data, 2)) == [["hi .", "é ‘"], "x"]
    with pytest.raises(DataError, match="announced length"):
        read_array(object_npy(tmp_path / "a.npy", data, 3))


def test_npy_arrays_are_not_taken_for_another_set(tmp_path: Path) -> None:
    for name, value in zip(FILES, (["hi"], "yo", "sad"), strict=True):
        array = np.empty(1, dtype=object)
        array[0] = value
        np.save(tmp_path / f"{name}.test.npy", array, allow_pickle=True)
    assert len(load_example_set("ed/test", tmp_path)) == 1
    with pytest.raises(DataError, match="npy layout"):
        load_example_set("ed/test-empdg", tmp_path)
    with pytest.raises(DataError, match="npy layout"):
        load_dialogues("ed", "test", tmp_path)


def test_the_test_tsv_is_not_taken_for_training_data(tmp_path: Path) -> None:
    path = tmp_path / "testWithStrategy_short.tsv"
    path.write_text("1.0 0 0 Hello  EOS 1.0 1 1 [Questions] How are you?\n")
    assert len(load_example_set("esconv/test-original", path)) == 1
    assert len(load_example_set("esconv/test-original", tmp_path)) == 1
    with pytest.raises(DataError, match="tsv layout"):
        load_example_set("esconv/train-910-195-195", path)


def archive(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return path


def test_an_archive_with_one_wrong_byte_is_refused(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 10**18, 2000)
    rows = HEAD + "".join(f"c{n},1,sad,p,0,{n}\nc{n},2,sad,p,1,{n}\n" for n in numbers)
    path = archive(tmp_path / "empatheticdialogues.tar.gz", ("e/test.csv", rows.encode()))
    assert len(ed.read_archive(path, "test")) == 2000
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 4, len(data), len(data) // 4):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="not a readable tar archive"):
            ed.read_archive(path, "test")


def test_an_archive_that_swells_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ed, "_MAX_BYTES", 1_000_000)
    path = tmp_path / "empatheticdialogues.tar.gz"
    path.write_bytes(gzip.compress(bytes(2_000_000)))
    with pytest.raises(DataError, match="unpacks to more than"):
        ed.read_archive(path, "test")


def test_rows_that_differ_in_anything_are_no_repetition(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(HEAD + "c,1,sad,p,0,a\nc,1,proud,p,0,a\n")
    with pytest.raises(DataError, match=r"test.csv:3: c has another utterance 1"):
        ed.read_csv(path, "test")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(ROWS, encoding="utf-8-sig")
    assert len(ed.read_csv(tmp_path / "test.csv", "test")) == 1


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text(ROWS)
    before = load_example_set("ed/test", tmp_path)
    path.write_text(ROWS.replace(",b", ",longer"))
    after = load_example_set("ed/test", tmp_path)
    assert (before.examples[0].reference, after.examples[0].reference) == ("b", "longer")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dialog": [{"speaker": ["usr"], "text": "x"}]}, "speaker must be"),
        ({"dialog": [{"speaker": "sys", "text": "x", "strategy": 3}]}, "unknown strategy '3'"),
        ({"emotion_type": ["fear"]}, "must be text"),
        ({"situation": 4}, "must be text"),
    ],
)
def test_esconv_values_of_another_kind(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    (tmp_path / "test.jsonl").write_text("\n" + json.dumps(DIALOGUE | change) + "\n")
    with pytest.raises(DataError, match=f"test.jsonl:2: .*{message}"):
        read_split(tmp_path, "test")


def test_a_damaged_line_is_counted_with_the_blank_ones(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text(f"\n\n{json.dumps(DIALOGUE)}\n{{\n")
    with pytest.raises(DataError, match=r"test.jsonl:4: not JSON"):
        read_split(tmp_path, "test")


def test_too_few_dialogues_to_split(tmp_path: Path) -> None:
    (tmp_path / "ESConv.json").write_text(json.dumps([DIALOGUE] * 3))
    with pytest.raises(DataError, match="too few to give a test split"):
        read_json(tmp_path / "ESConv.json", "test")


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="split 'dev'"):
        load_dialogues("esconv", "dev", "sample")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="data set 'edd'. Did you mean 'ed'"):
        load_dialogues("edd", "test", "sample")  # type: ignore[arg-type]


def test_the_hub_gives_the_same_ids_as_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"text": json.dumps(DIALOGUE)}] * 195
    monkeypatch.setattr(hub, "_rows", lambda *_: [*rows, {"text": ""}])
    keys = [dialogue.key for dialogue in hub.load_esconv("test")]
    assert keys == [str(place) for place in split_places(1300)["test"]]


def test_a_hub_copy_that_lost_conversations_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = [
        {"conv_id": f"c{n}", "emotion": "sad", "situation": "s", "conversations": talk}
        for n in range(2547)
    ]
    monkeypatch.setattr(hub, "_rows", lambda *_: rows)
    assert len(hub.load_ed("test")) == 2547
    monkeypatch.setattr(hub, "_rows", lambda *_: rows[:2542])
    with pytest.raises(DataError, match="2,542 test conversations, expected 2,547"):
        hub.load_ed("test")


def test_every_place_looked_at_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMPATHY_BENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError) as caught:
        load_dialogues("ed", "test")
    message = str(caught.value)
    for place in ("--data", "EMPATHY_BENCH_DATA", str(tmp_path), hub.ED, "--data sample"):
        assert place in message
    assert "\n" not in message


def test_a_single_split_is_checked_and_the_others_reported(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text(
        HEAD + "c,1,sad,p,0,a\nc,2,sad,p,1,b\nc,3,sad,p,0,\nc,4,sad,p,1,d\n"
    )
    report = check.check_data(tmp_path)
    (split,) = report.splits
    assert (split.dialogues, split.dialogues_official, split.situations_in_train) == (1, 2547, None)
    assert (split.label_counts, split.empty_turns) == ({"sad": 2}, 1)
    assert not split.agrees
    assert any("train.csv: no such file" in sentence for sentence in report.missing)
