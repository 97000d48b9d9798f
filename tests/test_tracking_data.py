"""Data sets made here, in a real MLflow store: once each, found again by their digest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.tracking import DATA_CARD, data_folders, resolve_store, track_data
from tests.conftest import Cli


def made(folder: Path, digest: str = "ab" * 32) -> Path:
    folder.mkdir(parents=True)
    card = {
        "name": "stride-refined",
        "digest": digest,
        "source": "ed/train",
        "files": ["train.jsonl"],
        "settings": {"size": 2, "alpha": 0.5},
        "counts": {"examples": 2, "strategy Question": 1},
    }
    (folder / DATA_CARD).write_text(json.dumps(card), encoding="utf-8")
    (folder / "train.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n', encoding="utf-8")
    (folder / "README.md").write_text("# Refined\n", encoding="utf-8")
    return folder


def test_a_data_set_goes_up_once_with_digest_files_and_counts(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    folder = made(tmp_path / "work" / "set")
    store = resolve_store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert store is not None
    first, again = track_data(store, folder), track_data(store, folder)
    assert (first.logged, again.logged, again.skipped) == (1, 0, 1)
    client = MlflowClient(store.tracking_uri)
    (experiment,) = [e for e in client.search_experiments() if e.name.startswith("data/")]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params == {"size": "2", "alpha": "0.5"}
    assert run.data.metrics == {"examples": 2.0, "strategy Question": 1.0}
    (entered,) = run.inputs.dataset_inputs
    assert entered.dataset.name == "stride-refined" and entered.dataset.digest == ("ab" * 32)[:36]
    names = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert names == {DATA_CARD, "README.md", "train.jsonl"}
    other = track_data(store, made(tmp_path / "work" / "other", digest="cd" * 32))
    assert other.logged == 1 and len(client.search_runs([experiment.experiment_id])) == 2


def test_track_finds_data_folders(cli: Cli, tmp_path: Path) -> None:
    made(tmp_path / "work" / "set")
    assert data_folders(tmp_path) == [tmp_path / "work" / "set"]
    done = cli("track", "work", "--mlflow", f"sqlite:///{tmp_path}/mlflow.db", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["logged"] == 1


@pytest.mark.parametrize("damage", ["{", "{}", '{"name": 1}'])
def test_a_damaged_card_is_named(tmp_path: Path, damage: str) -> None:
    folder = made(tmp_path / "set")
    (folder / DATA_CARD).write_text(damage, encoding="utf-8")
    store = resolve_store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert store is not None
    with pytest.raises(InputError, match=DATA_CARD):
        track_data(store, folder)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = made(tmp_path / "set")
    (folder / "train.jsonl").unlink()
    store = resolve_store(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)
    assert store is not None
    with pytest.raises(InputError, match="train.jsonl is missing"):
        track_data(store, folder)
