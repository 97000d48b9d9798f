"""From raw dialogues to a training set without an LLM: real processes on the embedded sample."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from harness.datasets import load_example_set
from harness.dialogue import ED_EMOTIONS
from stride_ed.records import read_annotations
from stride_ed.rewards import reward
from stride_ed.trace import parse
from tests.conftest import Cli

OFFLINE = ("-e", "embedding", "-e", "classifier")


@pytest.fixture(scope="module", name="made")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every command was run once, as the help says."""
    folder = tmp_path_factory.mktemp("refinement")
    for arguments in (
        ("annotate", "work"),
        ("evaluate", "work", *OFFLINE),
        ("evaluate", "work", "-e", "likelihood", "--pool", "12"),
        ("refine", "work", "--top-k", "60"),
        ("sample", "work", "--size", "24", "--emotion-least", "1",
         "--mlflow", f"sqlite:///{folder}/mlflow.db"),
        ("inspect", "work"),
    ):  # fmt: skip
        done = stride(folder, *arguments)
        assert done.returncode == 0, done.stderr
        (folder / f"{arguments[0]}.txt").write_text(done.stdout, encoding="utf-8")
    return folder


def stride(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "stride", *arguments, "--data", "sample"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=600,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_listener_turn_has_one_record(made: Path) -> None:
    settings, found = read_annotations(made / "work" / "annotations.jsonl")
    examples = load_example_set("ed/train", "sample")
    assert list(found) == [example.id for example in examples]
    assert settings["fingerprint"] == examples.fingerprint
    for example in examples:
        trace = found[example.id].trace
        assert trace is not None and trace.emotion == example.emotion
        assert trace.response == " ".join(example.reference.split())
    said = (made / "annotate.txt").read_text(encoding="utf-8")
    assert "strategy_macro_f1" in said and "EmoDynamiX" in said


def test_the_set_is_what_its_card_says(made: Path) -> None:
    folder = made / "work" / "set"
    card = json.loads((folder / "data_card.json").read_text(encoding="utf-8"))
    whole = rows(folder / "train.jsonl")
    assert len(whole) == len({row["id"] for row in whole}) == card["counts"]["examples"] == 24
    assert sum(row["drawn"] for row in card["shares"]) == 24
    drawn = {row["strategy"]: row["drawn"] for row in card["shares"] if row["drawn"]}
    counted: dict[str, int] = {}
    for row in whole:
        counted[row["trace"]["strategy"]] = counted.get(row["trace"]["strategy"], 0) + 1
    assert counted == drawn
    # A quarter of ED's emotions at least can be had from 60 traces.
    assert len(card["emotions"]) >= 8 and set(card["emotions"]) <= set(ED_EMOTIONS)
    assert {row["name"] for row in card["evaluators"]} == {"embedding", "classifier", "likelihood"}
    assert "CC BY-NC" in card["licence"]
    assert (folder / "shares.png").read_bytes().startswith(b"\x89PNG")


def test_no_held_out_dialogue_is_in_it(made: Path) -> None:
    ids = {row["dialogue_id"] for row in rows(made / "work" / "set" / "train.jsonl")}
    for split in ("valid", "test"):
        assert not ids & {e.dialogue_id for e in load_example_set(f"ed/{split}", "sample")}


def test_all_three_forms_hold_the_same_examples(made: Path) -> None:
    import pyarrow.parquet as pq

    folder = made / "work" / "set"
    whole, trl = rows(folder / "train.jsonl"), rows(folder / "train.trl.jsonl")
    verl = pq.read_table(folder / "train.verl.parquet").to_pylist()
    assert len(whole) == len(trl) == len(verl)
    for row, pair, item in zip(whole, trl, verl, strict=True):
        text = pair["completion"][0]["content"]
        assert row["text"] == text == item["reward_model"]["ground_truth"]
        assert parse(text) is not None and parse(text).to_json() == row["trace"]  # type: ignore[union-attr]
        info = item["extra_info"]
        assert (info["id"], info["emotion"], info["strategy"]) == (
            row["id"], row["emotion"], row["trace"]["strategy"],
        )  # fmt: skip
        assert reward(text, emotion=info["emotion"], strategy=info["strategy"]).total == 3
        assert pair["prompt"] == item["prompt"] and pair["prompt"][-1]["role"] == "user"


def test_trl_reads_it_as_conversations(made: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.data_utils import apply_chat_template, is_conversational

    from harness.models.bundled import bundled_directory

    path = str(made / "work" / "set" / "train.trl.jsonl")
    loaded = load_dataset("json", data_files=path, split="train")
    assert is_conversational(loaded[0])
    tokenizer = AutoTokenizer.from_pretrained(bundled_directory())
    row = apply_chat_template(loaded[0], tokenizer)
    assert row["completion"].startswith("<thinking><Context> ")


def test_the_set_is_registered_in_mlflow(made: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{made}/mlflow.db")
    experiment = client.get_experiment_by_name("data/stride-refined")
    (run,) = client.search_runs([experiment.experiment_id])
    (entered,) = run.inputs.dataset_inputs
    card = json.loads((made / "work" / "set" / "data_card.json").read_text(encoding="utf-8"))
    assert entered.dataset.digest == card["digest"][:36]
    assert run.data.metrics["examples"] == 24


def test_missing_grades_are_counted_never_invented(made: Path) -> None:
    report = json.loads((made / "work" / "refined.json").read_text(encoding="utf-8"))
    by_name = {row["name"]: row for row in report["evaluators"]}
    size = report["graded"]
    assert by_name["likelihood"]["graded"] == 12
    assert by_name["likelihood"]["missing"] == size - 12
    assert by_name["embedding"]["missing"] == 0
    assert report["by_all"] == 12
    assert report["kept"] == 60 == sum(r["kept"] for r in rows(made / "work" / "refined.jsonl"))


def test_equal_settings_give_equal_files(made: Path, tmp_path: Path) -> None:
    for arguments in (("annotate", "work"), ("evaluate", "work", *OFFLINE),
                      ("evaluate", "work", "-e", "likelihood", "--pool", "12"),
                      ("refine", "work", "--top-k", "60"),
                      ("sample", "work", "--size", "24", "--emotion-least", "1")):  # fmt: skip
        assert stride(tmp_path, *arguments).returncode == 0
    for name in ("annotations.jsonl", "refined.json", "set/train.jsonl", "set/train.trl.jsonl",
                 "set/data_card.json", "set/README.md"):  # fmt: skip
        assert (tmp_path / "work" / name).read_bytes() == (made / "work" / name).read_bytes(), name


def test_killed_at_any_moment_it_goes_on(made: Path, tmp_path: Path) -> None:
    whole = (made / "work" / "annotations.jsonl").read_bytes()
    (tmp_path / "work").mkdir()
    rng = random.Random(0)
    for cut in (rng.randrange(len(whole)) for _ in range(3)):
        (tmp_path / "work" / "annotations.jsonl").write_bytes(whole[:cut])
        assert stride(tmp_path, "annotate", "work", "--resume").returncode == 0
        assert (tmp_path / "work" / "annotations.jsonl").read_bytes() == whole
    command = [sys.executable, "-m", "harness.cli", "stride", "evaluate", "work", "--data",
               "sample", "--resume", *OFFLINE]  # fmt: skip
    for _ in range(3):
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=os.environ
                                   | {"PYTHONPATH": str(Path(__file__).parents[2])})  # fmt: skip
        time.sleep(rng.uniform(2, 9))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode == 0
    for name in ("embedding", "classifier"):
        path = Path("work") / "scores" / f"{name}.jsonl"
        found, expected = rows(tmp_path / path), rows(made / path)
        assert [row["id"] for row in found[1:]] == [row["id"] for row in expected[1:]]


def test_the_page_holds_every_trace_and_runs_nothing_of_theirs(made: Path) -> None:
    page = (made / "work" / "inspect.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page and page.count("<script") == 2
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    assert len(data["rows"]) == len(load_example_set("ed/train", "sample"))
    assert sum(row["sampled"] for row in data["rows"]) == 24
    assert sum(row["refined"] for row in data["rows"]) == 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "nowhere"), "no such file"),
        (("annotate", "work", "--annotator", "magic"), "magic"),
        (("annotate", "work", "--price-in", "1"), "belong together"),
        (("annotate", "work", "--example-set", "esconv/train"), "esconv"),
        (("refine", "nowhere"), "no such file"),
    ],
)
def test_what_cannot_work_is_one_line(cli: Cli, arguments: tuple[str, ...], words: str) -> None:
    done = cli("stride", *arguments, "--data", "sample")
    assert done.returncode == 2 and words in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("annotate", "work"), "--resume"),
        (("refine", "work", "--top-k", "100000"), "have a score"),
        (("refine", "work", "--weights", "human"), "--human"),
        (("sample", "work", "--size", "61"), "60 traces were kept"),
        (("sample", "work", "--size", "9", "--alpha", "2"), "alpha"),
        (("evaluate", "work", "-e", "embeding"), "Did you mean 'embedding'"),
        (("evaluate", "work", *OFFLINE), "--resume"),
    ],
)
def test_what_does_not_fit_the_folder_is_one_line(
    made: Path, arguments: tuple[str, ...], words: str
) -> None:
    before = {path: path.read_bytes() for path in (made / "work").rglob("*") if path.is_file()}
    done = stride(made, *arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert {p: p.read_bytes() for p in (made / "work").rglob("*") if p.is_file()} == before
