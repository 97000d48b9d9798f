"""Output files from elsewhere: real published files with their golden numbers, and every damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.datasets import load_example_set
from harness.datasets.sets import ExampleSet
from harness.errors import InputError, PredictionsError, UnknownNameError
from harness.imports import FORMATS, read_outputs
from harness.metrics import score_predictions

# FIELD facts, recomputed from the files that the MoEL, MIME and EmpDG repositories store:
# BLEU-1, BLEU-4, Dist-1, Dist-2, commonest reply, in percent as printed.
GOLDEN = {
    ("moel_repo.txt", "trs"): (20.23, 3.02, 0.41, 1.68, 5.8),
    ("moel_repo.txt", "trs+multitask"): (18.57, 2.98, 0.63, 3.18, 3.3),
    ("moel_repo.txt", "MOE"): (17.97, 2.90, 0.62, 2.89, 3.9),
    ("mime_repo.txt", "Greedy"): (21.83, 2.76, 0.32, 1.24, 8.1),
    ("mime_repo.txt", "Beam"): (20.97, 3.13, 0.25, 0.87, 8.0),
    ("mime_repo.txt", "Topk"): (19.12, 1.76, 0.64, 4.29, 0.7),
    ("empdg_repo/Transformer.txt", None): (21.58, 2.98, 1.17, 4.70, 2.8),
    ("empdg_repo/EmoPrepend.txt", None): (21.59, 3.08, 1.05, 4.29, 1.7),
    ("empdg_repo/MoEL.txt", None): (21.52, 2.84, 1.38, 8.65, 0.4),
    ("empdg_repo/EmpDG.txt", None): (18.57, 3.15, 1.81, 6.94, 2.0),
}
NAMES = ("bleu_1", "bleu_4", "dist_1", "dist_2", "commonest_share")


@pytest.fixture(scope="module")
def sample() -> ExampleSet:
    return load_example_set("ed/test", "sample").limited(6)


@pytest.mark.parametrize(("file", "system"), GOLDEN, ids=lambda value: str(value))
def test_published_file_gives_its_golden_numbers(
    real_data: Path, file: str, system: str | None
) -> None:
    name = "ed/test-empdg" if file.startswith("empdg") else "ed/test"
    examples = load_example_set(name, real_data)
    imported = read_outputs(real_data / "outputs" / "ed" / file, examples, system=system)
    results = score_predictions(
        examples, imported.predictions, kind="response", profile="moel", names=NAMES, resamples=100
    )
    printed = [round(r.value or 0, 1 if r.name == "commonest_share" else 2) for r in results]
    assert tuple(printed) == GOLDEN[file, system]
    assert "100.0%" in imported.notes[0]


def accuracy(examples: ExampleSet, path: Path, profile: str, **how: str) -> float:
    imported = read_outputs(path, examples, **how)  # type: ignore[arg-type]
    (result,) = score_predictions(
        examples, imported.predictions, kind="emotion", profile=profile,
        names=["emotion_accuracy"], resamples=100,
    )  # fmt: skip
    assert result.value is not None
    return result.value


def test_emotion_accuracy_of_mime_and_of_chatgpt(real_data: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    folder = real_data / "outputs" / "ed"
    # MIME's own header prints .3488 (against the labels its preprocessing left).
    mime = accuracy(examples, folder / "mime_repo.txt", "mime", system="Beam")
    assert mime == pytest.approx(34.881, abs=5e-4)
    answers = folder / "llm4ed_chatgpt_emotion.txt"
    assert accuracy(examples, answers, "harness", format="llm4ed") == pytest.approx(34.4, abs=0.05)


def test_rows_in_another_order_are_matched_by_text(real_data: Path) -> None:
    examples = load_example_set("ed/test-empo", real_data)
    imported = read_outputs(real_data / "outputs" / "ed" / "empo" / "sft.txt", examples)
    assert [p.id for p in imported.predictions] == [e.id for e in examples]
    assert "1 row(s) answer no example" in imported.notes[0]


def test_shifted_rows_are_refused(real_data: Path, tmp_path: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    blocks = (real_data / "outputs" / "ed" / "moel_repo.txt").read_text().split("\n\n")
    whole = [block for block in blocks if block.strip()]
    (tmp_path / "shifted.txt").write_text("\n\n".join(whole[1:] + whole[:1]) + "\n")
    with pytest.raises(PredictionsError, match="is not that of ed/test/hit:0_conv:0/2"):
        read_outputs(tmp_path / "shifted.txt", examples, system="MOE")


def test_wrong_size_names_the_set_that_fits(real_data: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    with pytest.raises(PredictionsError, match=r"2713 answers .* --example-set ed/test-empdg"):
        read_outputs(real_data / "outputs/ed/empdg_repo/EmpDG.txt", examples)


def test_published_file_through_the_command_line(cli, real_data: Path) -> None:  # type: ignore[no-untyped-def]
    done = cli(
        "score", "--predictions", real_data / "outputs/ed/moel_repo.txt", "--system", "MOE",
        "--task", "ed_response", "--profile", "moel", "--data", real_data, "--name", "MoEL",
        "--output", "runs", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    bleu = next(m for m in result["metrics"] if m["name"] == "bleu_4")
    assert f"{bleu['value']:.2f}" == "2.90"
    assert bleu["low"] < bleu["value"] < bleu["high"]
    assert cli("leaderboard", "build", "runs").returncode == 0


def test_lines_and_empty_lines(sample: ExampleSet, tmp_path: Path) -> None:
    path = tmp_path / "replies.txt"
    path.write_text("one\ntwo\n\nfour\r\nfive\nsix\n")
    imported = read_outputs(path, sample)
    assert imported.format == "lines"
    assert [p.response for p in imported.predictions] == ["one", "two", None, "four", "five", "six"]
    assert imported.predictions[2].error == "empty reply"
    assert "order" in imported.notes[0]


@pytest.mark.parametrize(
    ("content", "how", "message"),
    [
        (b"", {}, "holds no prediction"),
        (b" \n\n", {}, "holds no prediction"),
        (b"one\ntwo\n", {}, "2 answers"),
        (b"\xff\xfe\n", {}, r"file:1: not UTF-8"),
        (b"ok\nno\0\n", {}, r"file:2: binary data"),
        (b"x" * 1_000_001, {}, "longer than 1000000"),
        (b'{"id": "ed/test/sample:14_conv:56/9", "response": "x"}\n', {}, "the nearest is"),
        (b'{"id": "a", "response": "x"}\n{"id"', {}, r"file:2"),
        (b"one\n", {"format": "moell"}, "Did you mean 'moel'"),
        (b"one\n", {"format": "moel", "system": "MOEE"}, "Did you mean 'MOE'"),
        (b"one\n", {"format": "moel"}, "choose one with --system"),
        (b"one\n", {"format": "fado"}, "not a JSON list"),
        (b'[{"sample_id": 0}]', {"format": "fado"}, "item 1"),
        (b"a~b\n1~2\n", {"format": "empo"}, "gens"),
        (b"Emotion: sad\nref: x\n", {"format": "empdg"}, "no pred: line"),
    ],
)
def test_damage_is_told_in_one_line(
    sample: ExampleSet, tmp_path: Path, content: bytes, how: dict[str, str], message: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises((PredictionsError, UnknownNameError), match=message) as caught:
        read_outputs(path, sample, **how)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_missing_rows_are_counted(sample: ExampleSet, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"id": sample.examples[0].id, "response": "x"}) + "\n")
    with pytest.raises(PredictionsError, match="5 of 6 examples"):
        read_outputs(path, sample)


def test_a_folder_is_no_file(sample: ExampleSet, tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="no such predictions file"):
        read_outputs(tmp_path, sample)


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(content=st.one_of(st.text(max_size=300).map(str.encode), st.binary(max_size=300)))
def test_any_content_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    examples = load_example_set("ed/test", "sample").limited(2)
    path = tmp_path_factory.mktemp("fuzz") / "file"
    path.write_bytes(content)
    system = {"moel": "MOE", "mime": "Beam"}.get(name)
    try:
        read_outputs(path, examples, format=name, system=system)
    except InputError:
        pass
