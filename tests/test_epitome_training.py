"""Fitting the EPITOME classifier: seeded, resumable bit for bit, never half finished."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import checkpoint
from harness.checkpoint import Step
from harness.epitome.classifier import load_classifier
from harness.epitome.data import LEVELS, MECHANISMS
from harness.epitome.evaluation import accuracy, evaluate, macro_f1
from harness.epitome.settings import Settings
from harness.epitome.training import train_epitome
from harness.errors import DataError, InputError, ModelError, StorageError
from harness.tracking import training_mirror
from harness.training_log import read_curve
from tests.test_epitome_data import Row, write_files

Material = tuple[Path, Path]
THINGS = ["exam", "job", "dog", "friend", "car", "house", "trip", "tooth", "garden", "phone"]
REPLIES = {  # (er, ip, ex) → a reply that shows them
    (0, 0, 0): "buy a new {}",
    (2, 0, 0): "so sorry about your {}",
    (0, 2, 0): "you must feel lost without your {}",
    (0, 0, 2): "what happened to your {} ?",
    (1, 0, 1): "oh the {} , really ?",
}
FAST = Settings(
    epochs=4, batch_size=8, learning_rate=3e-3, head_learning_rate=3e-3, patience=4, max_len=16
)


def corpus(folder: Path, posts: int = 60) -> Path:
    """`posts` seeker posts with one reply each, whose wording gives the levels away."""
    kinds = list(REPLIES)
    rows: list[Row] = []
    levels: dict[str, list[int]] = {name: [] for name in MECHANISMS}
    for i in range(posts):
        kind, thing = kinds[i % len(kinds)], THINGS[i % len(THINGS)]
        rows.append(
            (f"s{i}", f"r{i}", f"my {thing} number {i} is gone", REPLIES[kind].format(thing))
        )
        for name, level in zip(MECHANISMS, kind, strict=True):
            levels[name].append(level)
    return write_files(folder, rows, levels)


def make_encoder(folder: Path) -> Path:
    """A BERT of two layers, 32 wide, with random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = " ".join([*THINGS, *REPLIES.values(), "my number is gone ok 😀"]).replace("{}", "")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(words.split())]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", name="material")
def epitome_material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """The folder of the files, the folder of the encoder."""
    folder = tmp_path_factory.mktemp("epitome")
    return corpus(folder / "data"), make_encoder(folder / "tiny-bert")


@pytest.fixture(scope="session", name="fitted")
def epitome_fitted(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that was trained into without interruption."""
    folder = tmp_path_factory.mktemp("fitted") / "classifier"
    train_epitome(material[0], folder, settings=FAST, encoder=str(material[1]))
    return folder


@pytest.fixture
def killed(material: Material, killed_once: Path, tmp_path: Path) -> Path:
    """A folder whose training was killed in its second epoch."""
    return Path(shutil.copytree(killed_once, tmp_path / "killed"))


@pytest.fixture(scope="session")
def killed_once(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed") / "classifier"
    assert kill_in_epoch(material, folder, 2) == -signal.SIGKILL
    return folder


def kill_in_epoch(material: Material, folder: Path, epoch: int) -> int:
    """Train in a process of its own that dies by SIGKILL within `epoch`; its exit status."""
    code = f"""
import os, signal
from harness.epitome.settings import Settings
from harness.epitome.training import train_epitome
def show(step):
    if step.stage.startswith("epoch {epoch}/") and step.done % 3 == 2:
        os.kill(os.getpid(), signal.SIGKILL)
train_epitome({str(material[0])!r}, {str(folder)!r}, settings={FAST!r},
              encoder={str(material[1])!r}, show=show)
"""
    import torch

    env = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode


def test_same_seed_same_weights_other_seed_others(
    material: Material, fitted: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    train_epitome(material[0], again, settings=FAST, encoder=str(material[1]))
    assert (again / checkpoint.BEST).read_bytes() == (fitted / checkpoint.BEST).read_bytes()
    other = replace(FAST, seed=1)
    train_epitome(material[0], tmp_path / "other", settings=other, encoder=str(material[1]))
    assert (tmp_path / "other" / checkpoint.BEST).read_bytes() != (
        fitted / checkpoint.BEST
    ).read_bytes()


@pytest.mark.parametrize("epoch", [1, 2])
def test_killed_and_resumed_equals_uninterrupted(
    material: Material, fitted: Path, killed: Path, tmp_path: Path, epoch: int
) -> None:
    folder = killed
    if epoch == 1:
        folder = tmp_path / "early"
        assert kill_in_epoch(material, folder, 1) == -signal.SIGKILL
    assert not (folder / "card.json").exists()
    assert (folder / checkpoint.LAST).exists() == (epoch > 1)
    card = train_epitome(material[0], folder, settings=FAST, encoder=str(material[1]), resume=True)
    for name in (checkpoint.BEST, checkpoint.LAST):
        tensors, state = checkpoint.load(folder / name)
        whole, whole_state = checkpoint.load(fitted / name)
        assert tensors.keys() == whole.keys()
        assert all(np.array_equal(tensors[key], whole[key]) for key in whole)
        state.pop("seconds", None), whole_state.pop("seconds", None)
        assert state == whole_state
    expected = json.loads((fitted / "card.json").read_text())
    assert card["evaluation"] == expected["evaluation"]
    assert card["sha256"] == expected["sha256"]


def test_the_curve_holds_every_epoch_once_and_reaches_mlflow(
    material: Material, fitted: Path, killed: Path, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    history = json.loads((fitted / "card.json").read_text())["training"]["history"]
    assert read_curve(fitted) == [
        {
            "step": row["epoch"],
            "train/loss": row["loss"],
            "valid/macro_f1": 100 * row["macro_f1"],
            **{f"valid/{name}_f1": 100 * row[name] for name in MECHANISMS},
        }
        for row in history
    ]
    assert (fitted / "curve.png").is_file()
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    mirror = training_mirror(uri, killed, task="epitome")
    train_epitome(
        material[0], killed, settings=FAST, encoder=str(material[1]), resume=True, mirror=mirror
    )
    assert read_curve(killed) == read_curve(fitted)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("train/epitome").experiment_id])
    points = client.get_metric_history(run.info.run_id, "valid/macro_f1")
    assert sorted((point.step, point.value) for point in points) == [
        (row["epoch"], 100 * row["macro_f1"]) for row in history
    ]
    assert run.info.status == "FINISHED"
    (version,) = client.search_model_versions("name = 'empathy-bench-epitome-classifier'")
    copy = Path(version.source.removeprefix("file://"))
    pair = ("my job number 1 is gone", "so sorry about your job")
    expected = load_classifier(fitted).probabilities([pair])
    assert np.array_equal(load_classifier(copy).probabilities([pair]), expected)


def test_unfinished_folder_is_no_classifier(material: Material, killed: Path) -> None:
    from harness.epitome.classifier import load_classifier

    with pytest.raises(ModelError, match=r"training was not finished; go on with: .*--resume"):
        load_classifier(killed)
    with pytest.raises(InputError, match="go on with --resume or choose another --output"):
        train_epitome(material[0], killed, settings=FAST, encoder=str(material[1]))


def test_resuming_with_other_settings_or_data_is_refused(
    material: Material, fitted: Path, tmp_path: Path
) -> None:
    faster = replace(FAST, batch_size=4)
    with pytest.raises(InputError, match="batch_size 8, now it is 4"):
        train_epitome(material[0], fitted, settings=faster, encoder=str(material[1]), resume=True)
    other = corpus(tmp_path / "data", posts=61)
    with pytest.raises(InputError, match="was started with data"):
        train_epitome(other, fitted, settings=FAST, encoder=str(material[1]), resume=True)


def test_resuming_a_finished_run_changes_nothing(material: Material, fitted: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in fitted.rglob("*") if path.name != ".lock"}
    card = train_epitome(material[0], fitted, settings=FAST, encoder=str(material[1]), resume=True)
    assert card == json.loads((fitted / "card.json").read_text())
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_foreign_folder_and_second_process_are_refused(material: Material, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        train_epitome(material[0], tmp_path, settings=FAST)
    with (
        checkpoint.locked(tmp_path / "busy"),
        pytest.raises(StorageError, match="trained into by another process"),
    ):
        train_epitome(material[0], tmp_path / "busy", settings=FAST)


def test_damaged_checkpoint_is_told(material: Material, killed: Path) -> None:
    path = killed / checkpoint.LAST
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StorageError, match=r"last\.safetensors: is damaged"):
        train_epitome(material[0], killed, settings=FAST, encoder=str(material[1]), resume=True)


def test_unknown_encoder_and_impossible_settings_are_told(
    material: Material, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        train_epitome(material[0], tmp_path / "a", settings=FAST, encoder=str(tmp_path / "none"))
    long = replace(FAST, max_len=128)
    with pytest.raises(ModelError, match="reads 64 tokens at most"):
        train_epitome(material[0], tmp_path / "b", settings=long, encoder=str(material[1]))
    deep = replace(FAST, frozen_layers=3)
    with pytest.raises(ModelError, match="cannot freeze 3 layers of an encoder that has 2"):
        train_epitome(material[0], tmp_path / "c", settings=deep, encoder=str(material[1]))
    with pytest.raises(DataError, match="seeker posts are too few"):
        train_epitome(material[0], tmp_path / "d", settings=FAST, limit=10)
    with pytest.raises(InputError, match="epochs is 0"):
        train_epitome(material[0], tmp_path / "e", settings=Settings(epochs=0))


def test_it_learns_and_stops_early(material: Material, tmp_path: Path) -> None:
    """Levels follow from one word of the reply: a fit that learns nothing stays at the floor."""
    settings = replace(FAST, epochs=20, patience=5)
    steps: list[Step] = []
    card = train_epitome(
        corpus(tmp_path / "data", posts=200),
        tmp_path / "fit",
        settings=settings,
        encoder=str(material[1]),
        show=steps.append,
    )
    losses = [row["loss"] for row in card["training"]["history"]]
    assert losses[-1] < losses[0] / 2
    assert card["training"]["epoch"] == card["training"]["best_epoch"] + 5 < 20
    beaten = [
        card["evaluation"]["test"][name]["macro_f1"]["value"]
        > card["evaluation"]["test"][name]["majority"]["macro_f1"]
        for name in MECHANISMS
    ]
    assert all(beaten)
    fitting = [step for step in steps if step.loss is not None]
    assert [step.done for step in fitting] == list(range(1, len(fitting) + 1))
    assert fitting[0].total == 20 * 19


def test_frozen_layers_and_the_seeker_encoder_stay_as_they_came(
    material: Material, tmp_path: Path
) -> None:
    settings = replace(FAST, epochs=1, frozen_layers=1)
    train_epitome(material[0], tmp_path / "fit", settings=settings, encoder=str(material[1]))
    names = checkpoint.load(tmp_path / "fit" / checkpoint.BEST)[0].keys()
    layers = {name.split(".")[3] for name in names if name.startswith("response.encoder.layer")}
    assert layers == {"1"}
    assert not any(part in name for name in names for part in ("embeddings", "pooler", "seeker"))


def test_scores_equal_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(0)
    gold, predicted = rng.integers(0, 3, (2, 200))
    predicted[predicted == 1] = 0
    counts = np.eye(LEVELS**2)[gold * LEVELS + predicted].sum(0)
    assert accuracy(counts) == pytest.approx(100 * accuracy_score(gold, predicted))
    assert macro_f1(counts) == pytest.approx(
        100 * f1_score(gold, predicted, average="macro", zero_division=0)
    )


def test_floor_is_the_commonest_level_and_intervals_hold_the_value() -> None:
    gold = np.array([[0, 1, 2]] * 6 + [[1, 1, 0]] * 4)
    found = evaluate(gold, gold, [str(i) for i in range(10)], seed=0, floors=(0, 1, 2))
    # Always 0 of 6 zeros and 4 ones: accuracy 60, F1 of 0 is 12/16, of 1 is 0.
    assert found["er"]["majority"] == {"level": 0, "accuracy": 60.0, "macro_f1": 37.5}
    assert found["er"]["macro_f1"] == {"value": 100.0, "low": 100.0, "high": 100.0}
    guess = gold.copy()
    guess[::3, 0] = 2
    low, value, high = (
        evaluate(gold, guess, [str(i) for i in range(10)], seed=0, floors=(0, 1, 2))["er"][
            "accuracy"
        ][key]
        for key in ("low", "value", "high")
    )
    assert value == 60.0
    assert low < value < high


def test_command_prints_figures_beside_floor_and_report(material: Material, tmp_path: Path) -> None:
    import typer
    from typer.testing import CliRunner

    from harness.epitome.command import epitome

    app = typer.Typer()
    app.command()(epitome)
    options = ["--data", str(material[0]), "--encoder", str(material[1]), "--epochs", "1"]
    options += ["--batch-size", "8", "--max-len", "16", "--output", str(tmp_path / "fit")]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    for words in ("emotional reactions", "macro-F1", "floor", "RoBERTa", "12 held-out pairs"):
        assert words in result.output
    result = CliRunner().invoke(app, [*options, "--resume", "--json"])
    assert json.loads(result.stdout)["schema"] == 1
    readme = (tmp_path / "fit" / "README.md").read_text()
    assert "| explorations (ex) |" in readme
    assert str(tmp_path) not in readme + (tmp_path / "fit" / "card.json").read_text()


def test_train_lists_and_loads_trainers_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    import typer
    from typer.testing import CliRunner

    from harness.commands import train
    from harness.errors import UnknownNameError

    points = [
        EntryPoint("epitome", "harness.epitome.command:epitome", train.GROUP),
        EntryPoint("broken", "no.such:module", train.GROUP),
    ]
    monkeypatch.setattr(train, "entry_points", lambda group: points)
    root = typer.Typer()
    root.add_typer(train.app, name="train")
    root.command("other")(lambda: None)
    result = CliRunner().invoke(root, ["train", "epitome", "--help"])
    assert result.exit_code == 0, result.output
    assert "--resume" in result.output
    # The root's help must not load trainers: the broken one would be told.
    assert CliRunner().invoke(root, ["--help"]).exit_code == 0
    wrong = CliRunner().invoke(root, ["train", "epitom"])
    assert isinstance(wrong.exception, UnknownNameError)
    assert "Did you mean 'epitome'?" in str(wrong.exception)
    broken = CliRunner().invoke(root, ["train", "broken"])
    assert isinstance(broken.exception, InputError)
    assert "cannot be loaded" in str(broken.exception)


def test_real_annotations_with_the_packaged_encoder(real_data: Path, tmp_path: Path) -> None:
    """A short run on real rows: the default encoder loads, trains and comes back."""
    from harness.epitome.classifier import load_classifier

    settings = Settings(epochs=1, frozen_layers=5, max_len=24)
    card = train_epitome(real_data, tmp_path / "fit", settings=settings, limit=60)
    assert card["encoder"] == "all-MiniLM-L6-v2"
    assert card["sizes"]["train"] == 45
    found = load_classifier(tmp_path / "fit").probabilities([("I am sad", "Why?")])
    assert found.shape == (1, 3, 3)
    assert found.sum(-1) == pytest.approx(np.ones((1, 3)))
