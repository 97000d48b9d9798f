"""Output files from elsewhere: real published files with their golden numbers, and every damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness.imports
from harness.datasets import load_example_set
from harness.datasets.sets import ExampleSet
from harness.dialogue import Example, Turn
from harness.errors import InputError, PredictionsError, UnknownNameError
from harness.imports import FORMATS, read_outputs
from harness.imports.alignment import overlap, plain
from harness.metrics import score_predictions
from harness.predictions import Header

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
    # The one other is `im` for `I"m`, which stands so in the reconstructed CSV.
    assert f"{len(examples) - 1} of {len(examples)} printed references" in imported.notes[0]
    assert imported.notes[0].endswith("the first ed/test/hit:9474_conv:18949/4")


# How the files' first rows read, and how many rows they have.
FIRST = {
    ("moel_repo.txt", "trs"): "oh no ! i am so sorry to hear that . i am sorry to hear that .",
    ("moel_repo.txt", "trs+multitask"): "that is pretty scary ! i am glad you are ok .",
    ("moel_repo.txt", "MOE"): "i am so sorry to hear that . were you ok ?",
    ("moel_repo.txt", "MOE+oracle"): "did you end up doing it ?",
    ("mime_repo.txt", "Topk"): "oh that is terrible . i am sorry to hear that . what happened ?",
    ("mime_repo.txt", "Beam"): "i am sorry to hear that . what happened ?",
    ("empdg_repo/EmoPrepend.txt", None): "oh no , did they catch them ?",
    ("empdg_repo/MoEL.txt", None): "oh no ! i hate spiders !",
    ("empo/sft.txt", None): "That's good to hear. I'm glad you were okay.",
}
ROWS = {"mo": 5255, "mi": 5255, "empd": 2713, "empo": 2539}


@pytest.mark.parametrize(("file", "system"), FIRST, ids=lambda value: str(value))
def test_first_row_and_number_of_rows(real_data: Path, file: str, system: str | None) -> None:
    name = {"empd": "ed/test-empdg", "empo": "ed/test-empo"}.get(file[:4], "ed/test")
    examples = load_example_set(name, real_data)
    imported = read_outputs(real_data / "outputs" / "ed" / file, examples, system=system)
    rows = ROWS.get(file[:4]) or ROWS[file[:2]]
    assert len(imported.predictions) == rows == len(examples)
    assert imported.predictions[0].response == FIRST[file, system]
    assert imported.predictions[0].file_emotion == "guilty"
    assert [p.id for p in imported.predictions] == [e.id for e in examples]
    assert all(p.error is None and p.response for p in imported.predictions)


def test_a_reply_printed_after_its_reference_is_found(real_data: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    path = real_data / "outputs/ed/moel_repo.txt"
    # Lines 81-87, the only such block.
    (row,) = (
        p
        for p in read_outputs(path, examples, system="MOE+oracle").predictions
        if p.file_reference == "that is nice of you . what did you do ?"
    )
    assert row.response == "that was nice of you . i bet he appreciated it ."


def test_part_of_a_published_file(real_data: Path) -> None:
    examples = load_example_set("ed/test", real_data).limited(200)
    imported = read_outputs(real_data / "outputs/ed/kemp_repo_first200.txt", examples)
    assert imported.format == "empdg"
    assert imported.predictions[0].response == "oh no ! i hope you are okay ."
    assert imported.notes[0].startswith("200 of 200 printed references")


def test_fado_strategies_have_the_accuracy_that_its_repository_prints(real_data: Path) -> None:
    examples = load_example_set("esconv/test-joined", real_data)
    folder = real_data / "outputs/esconv/fado"
    imported = read_outputs(folder / "predsInfer_gen.json", examples)
    right = [p.strategy == e.strategy for p, e in zip(imported.predictions, examples, strict=True)]
    printed = json.loads((folder / "predsInfer_metric.json").read_text())
    assert len(right) == 2295
    assert sum(right) / len(right) == pytest.approx(printed["acc_cls_strat_id"], abs=1e-9)
    scores = score_predictions(
        examples, imported.predictions, kind="strategy", names=["strategy_macro_f1"], resamples=50
    )
    assert scores[0].value == pytest.approx(100 * printed["f1_macro_cls_strat_id"], abs=1e-9)
    assert imported.predictions[0].response == (
        "i'm sorry to hear that. is there something particular that has been bothering you?"
    )


def test_fado_is_refused_for_single_turns(real_data: Path) -> None:
    examples = load_example_set("esconv/test-910-195-195", real_data)
    with pytest.raises(PredictionsError, match=r"2295 answers .* --example-set esconv/test-joined"):
        read_outputs(real_data / "outputs/esconv/fado/predsInfer_gen.json", examples)


def accuracy(examples: ExampleSet, path: Path, profile: str, **how: str) -> float:
    imported = read_outputs(path, examples, **how)
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
    assert accuracy(examples, answers, "harness") == pytest.approx(34.4, abs=0.05)


def test_rows_in_another_order_are_matched_by_text(real_data: Path) -> None:
    examples = load_example_set("ed/test-empo", real_data)
    imported = read_outputs(real_data / "outputs" / "ed" / "empo" / "sft.txt", examples)
    assert [p.id for p in imported.predictions] == [e.id for e in examples]
    assert "1 row(s) answer no example" in imported.notes[1]


def test_rows_of_equal_text_are_taken_in_their_order(tmp_path: Path) -> None:
    turn = Turn(index=1, role="speaker", text="Hi.")
    examples = ExampleSet(
        "made",
        tuple(
            Example(id=f"ed/test/{key}/2", dialogue_id=key, context=(turn,), reference="Hello!")
            for key in ("a", "b")
        ),
    )
    path = tmp_path / "table.txt"
    path.write_text("prevs~gens~gen_targets~emotions\nhi~one~hello~sad\nhi~two~hello~sad\n")
    rows = read_outputs(path, examples, format="empo").predictions
    assert [(p.id, p.response) for p in rows] == [("ed/test/a/2", "one"), ("ed/test/b/2", "two")]


def test_shifted_rows_are_refused(real_data: Path, tmp_path: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    blocks = (real_data / "outputs" / "ed" / "moel_repo.txt").read_text().split("\n\n")
    whole = [block for block in blocks if block.strip()]
    (tmp_path / "shifted.txt").write_text("\n\n".join(whole[1:] + whole[:1]) + "\n")
    with pytest.raises(PredictionsError, match="is not that of ed/test/hit:0_conv:0/2"):
        read_outputs(tmp_path / "shifted.txt", examples, system="MOE")


def test_two_swapped_rows_are_refused(real_data: Path, tmp_path: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    lines = (real_data / "outputs/ed/moel_repo.txt").read_text().split("\n")
    first, last = lines.index("ref: did you suffer any injuries ?"), len(lines) - 3
    while not lines[last].startswith("ref: "):
        last -= 1
    lines[first], lines[last] = lines[last], lines[first]
    (tmp_path / "swapped.txt").write_text("\n".join(lines))
    with pytest.raises(PredictionsError, match=r"swapped.txt:1: row 1: .* 5252 of 5255 rows"):
        read_outputs(tmp_path / "swapped.txt", examples, system="MOE")


def test_wrong_size_names_the_set_that_fits(real_data: Path) -> None:
    examples = load_example_set("ed/test", real_data)
    with pytest.raises(PredictionsError, match=r"2713 answers .* --example-set ed/test-empdg"):
        read_outputs(real_data / "outputs/ed/empdg_repo/EmpDG.txt", examples)
    with pytest.raises(PredictionsError, match="5255 answers .* leave out --limit"):
        read_outputs(real_data / "outputs/ed/moel_repo.txt", examples.limited(9), system="MOE")
    with pytest.raises(PredictionsError, match=r"no row answers .* --example-set ed/test-empo"):
        read_outputs(real_data / "outputs/ed/empo/sft.txt", examples)


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
    ("answer", "label"),
    [
        ('The user may feel "Sad".', "sad"),
        ("The user may feel “ proud ”, not “sad”.", "proud"),
        ('The emotion is "sad and proud".', "sad and proud"),
        ('The emotion is "overwhelmed".', "overwhelmed"),
        ("sad", "sad"),
        ("I cannot tell.", "i cannot tell."),
    ],
)
def test_the_first_quoted_words_are_the_emotion(
    sample: ExampleSet, tmp_path: Path, answer: str, label: str
) -> None:
    path = tmp_path / "answers.txt"
    path.write_text(answer + "\n")
    (row,) = read_outputs(path, sample.limited(1), format="llm4ed").predictions
    assert (row.emotion, row.raw, row.response, row.error) == (label, answer, None, None)


def identified(examples: ExampleSet, **header: object) -> str:
    """A predictions.jsonl that answers `examples`, with a header where fields of it are given."""
    rows: list[object] = [{"id": e.id, "response": "x"} for e in examples]
    if header:
        fields = {"fingerprint": examples.fingerprint, "size": len(examples)} | header
        made = Header(task="ed_response", task_version=1, example_set=examples.name, **fields)  # type: ignore[arg-type]
        rows.insert(0, made.to_json())
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_limited_run_answers_the_first_examples(sample: ExampleSet, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(identified(sample.limited(4), limit=4))
    imported = read_outputs(path, sample)
    assert [p.id for p in imported.predictions] == [e.id for e in sample.limited(4)]
    assert imported.header is not None
    assert imported.notes == ("the run was limited to the first 4 of 6 examples",)


def test_rows_are_kept_in_the_order_of_the_file(sample: ExampleSet, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join(reversed(identified(sample).splitlines())))
    imported = read_outputs(path, sample)
    assert [p.id for p in imported.predictions] == [e.id for e in sample][::-1]


def test_a_header_of_other_examples_is_refused(sample: ExampleSet, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(identified(sample, fingerprint="sha256:0"))
    with pytest.raises(PredictionsError, match=r"p.jsonl:1: answers 6 .* which differ from the 6"):
        read_outputs(path, sample)


def test_an_unfinished_run_is_told_to_resume(sample: ExampleSet, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text("".join(identified(sample, limit=6).splitlines(keepends=True)[:-2]))
    with pytest.raises(PredictionsError, match=r"2 of 6 examples .* --resume"):
        read_outputs(path, sample)


def test_an_unknown_id_is_named_with_its_line_and_the_nearest(
    sample: ExampleSet, tmp_path: Path
) -> None:
    known = sample.examples[2].id
    rows = identified(sample, seed=1).replace(f'"{known}"', f'"{known}0"').splitlines()
    path = tmp_path / "p.jsonl"
    path.write_text("\n".join([*rows[:2], "", " ", *rows[2:]]))
    with pytest.raises(PredictionsError, match=rf"p.jsonl:6: '{known}0' .* nearest is '{known}'"):
        read_outputs(path, sample)
    path.write_text(identified(sample))
    with pytest.raises(PredictionsError, match="p.jsonl:3: .* was it made without --limit"):
        read_outputs(path, sample.limited(2))


BLOCK = "Emotion: sad\nContext: ['x']\nPred: hello\n"


@pytest.mark.parametrize(
    ("content", "how", "message"),
    [
        (b"", {}, "holds no prediction"),
        (b" \n\n", {}, "holds no prediction"),
        (b"one\ntwo\n", {}, "2 answers"),
        (b"\xff\xfe\n", {}, r"file:1: not UTF-8"),
        (b"ok\nno\0\n", {}, r"file:2: binary data"),
        (bytes(range(256)), {}, "binary data|not UTF-8"),
        (b"x" * 1_000_001, {}, "longer than 1000000"),
        (b'{"id": "ed/test/sample:14_conv:56/9", "response": "x"}\n', {}, "the nearest is"),
        (b'{"id": "a", "response": "x"}\n{"id"', {}, r"file:2"),
        (b'{"id": "a", "response": "x"}\n' * 2, {}, r"file:2: id 'a' stands already on line 1"),
        (
            b'{"id": "a", "reference_words": ' + b"9" * 5000 + b"}\n",
            {},
            r"file:1: not a JSON object",
        ),
        (b'{"id": "a", "response": "x"}\n', {"system": "MOE"}, "leave out --system"),
        (b'[{"id": "a", "response": "x"}]\n', {}, "one .* object a line"),
        (b"one\n", {"format": "moell"}, "Did you mean 'moel'"),
        (b"one\n", {"format": "moel", "system": "MOEE"}, "Did you mean 'MOE'"),
        (b"one\n", {"format": "moel"}, "choose one with --system"),
        (b"one\n", {"format": "lines", "system": "MOE"}, "leave out --system"),
        (b"one\n", {"format": "fado"}, "not a JSON list"),
        (b'[{"sample_id": 0}]', {"format": "fado"}, "item 1"),
        (b'[{"generation": "a"}]', {"format": "fado"}, 'item 1 has no text under "response"'),
        (
            b'[{"generation": "a", "response": "b", "pred_strat_id": 8}]',
            {"format": "fado"},
            "must be 0 to 7, found 8",
        ),
        (b'[{"generation": "\\ud800", "response": "b"}]', {"format": "fado"}, "half a surrogate"),
        (b"a~b\n1~2\n", {"format": "empo"}, "lacks the column"),
        (b"prevs~gens~gen_targets~emotions\na~b~c\n", {"format": "empo"}, "file:2: .* 4 cells"),
        (b"prevs~gens~gen_targets~emotions\na~b~c~d~e\n", {"format": "empo"}, "file:2: .* cells"),
        (b'prevs~gens~gen_targets~emotions\n"a~b', {"format": "empo"}, "unexpected end of data"),
        (b"Emotion: sad\nref: x\n", {"format": "empdg"}, "file:1: this block has no pred: line"),
        (BLOCK.encode(), {"format": "empdg"}, "file:1: this block has no ref: line"),
        ((BLOCK * 2).encode(), {"format": "empdg"}, "file:1: this block has no ref: line"),
        ((BLOCK + "Pred: a\n").encode(), {"format": "empdg"}, "file:4: a second pred: line"),
        (b"Ref: x\n" + BLOCK.encode(), {"format": "empdg"}, "file:1: a ref: line before"),
    ],
)
def test_damage_is_told_in_one_line(
    sample: ExampleSet, tmp_path: Path, content: bytes, how: dict[str, str], message: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises((PredictionsError, UnknownNameError), match=message) as caught:
        read_outputs(path, sample, **how)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ['"response": "\\ud800"', '"emotion_scores": {"sad": 1e999}'])
def test_what_could_not_be_written_back_is_refused(
    sample: ExampleSet, tmp_path: Path, field: str
) -> None:
    path = tmp_path / "p.jsonl"
    row = f'"id": "{sample.examples[0].id}", "error": "x", {field}'
    path.write_text(f"\n{{{row}}}\n")
    with pytest.raises(PredictionsError, match="p.jsonl:2: holds half a surrogate pair"):
        read_outputs(path, sample)


def test_missing_rows_are_counted(sample: ExampleSet, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"id": sample.examples[0].id, "response": "x"}) + "\n")
    with pytest.raises(PredictionsError, match="5 of 6 examples"):
        read_outputs(path, sample)


def test_a_folder_is_no_file(sample: ExampleSet, tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="is a folder"):
        read_outputs(tmp_path, sample)
    with pytest.raises(PredictionsError, match="no such predictions file"):
        read_outputs(tmp_path / "absent", sample)
    with pytest.raises(PredictionsError, match="cannot be read"):
        read_outputs(tmp_path / ("x" * 300), sample)


def test_a_file_larger_than_the_limit_is_not_read(
    sample: ExampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness.imports, "_MAX_FILE", 3)
    (tmp_path / "file").write_text("four")
    with pytest.raises(PredictionsError, match="4 bytes, more than 3"):
        read_outputs(tmp_path / "file", sample)


@pytest.mark.parametrize(
    ("printed", "reference"),
    [
        ("why did you ? people really should n't .", "Why did you? People really shouldn't."),
        ("i am not sure , i can not say", "I'm not sure, I can't say"),
        ("it is caf\u00e9 time", "It's Caf\u00e9 time!"),
    ],
)
def test_texts_are_compared_without_what_preprocessing_changes(
    printed: str, reference: str
) -> None:
    assert plain(printed) == plain(reference)
    assert overlap(printed, reference) == 1.0


def test_overlap_is_the_f1_of_words() -> None:
    assert overlap("a b c", "a b d e") == pytest.approx(2 * 2 / 7)
    assert overlap("a a", "a") == pytest.approx(2 / 3)
    assert overlap("a", "b") == 0.0


SYSTEMS = {"moel": "MOE", "mime": "Beam"}
# What the layouts are made of, so that random files get past the first check of their reader.
PIECES = st.sampled_from(
    [
        "\n", "Emotion: sad", "emotion:sad\tpredicted_emotion: ", "Context:['x']", "MOE: a",
        "Beam: ", "Pred:b", "Ref:c", "ref: ", "prevs~gens~gen_targets~emotions\n", "~", '"',
        "a~b~c~d\n", '[{"sample_id": 0, "generation": "g", "response": "r"', '"pred_strat_id": 1',
        "}", "]", ", ", '{"id": "ed/test/x"', '"response": "\\ud800"', '"error": ', "1e999",
        '{"schema": "empathy-bench/predictions/1"', "\u2028", "\r", "“sad”", "emotion",
    ]
)  # fmt: skip
CONTENT = st.one_of(
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=300),
    st.lists(PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode()),
)


@pytest.mark.parametrize("name", [*sorted(FORMATS), "auto"])
@given(content=CONTENT)
def test_any_content_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    examples = load_example_set("ed/test", "sample").limited(2)
    path = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    path.write_bytes(content)
    try:
        imported = read_outputs(path, examples, format=name, system=SYSTEMS.get(name))
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert len(imported.predictions) == len(examples)
