"""Trainings in MLflow: every point once, one run per folder, a version per weights, no harm."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import checkpoint, tracking
from harness.errors import StorageError, TrackingError
from harness.files import sha256_file
from harness.tracking import Store, track_training, training_folders, training_mirror
from harness.tracking.registry import registered_name
from harness.training_log import TrainingLog, read_curve
from tests.conftest import ROOT, Cli
from tests.tracking_runs import Server, free_port, make_run, python, runs_of

DATA = "fedcba9876543210"


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    tracking.prepare(Store(f"sqlite:///{path}"))
    return path


@pytest.fixture
def store(empty_database: Path, tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    shutil.copy(empty_database, tmp_path / "store" / "mlflow.db")
    found = tracking.resolve_store(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}", tmp_path)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


def begin(folder: Path, *, steps: int = 40, **settings: Any) -> Path:
    """A folder as a trainer leaves it before its first step."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"kind": "moel", "steps": steps, "sizes": {"width": 300}, "data": DATA, **settings}
    (folder / checkpoint.SETTINGS).write_text(json.dumps(wanted))
    (folder / "vocabulary.json").write_text('["<pad>"]')
    (folder / checkpoint.LAST).write_bytes(b"optimizer")
    return folder


def learn(folder: Path, log: TrainingLog, first: int, last: int) -> None:
    """Steps `first` to `last` of a training whose values tell their step."""
    for step in range(first, last + 1):
        log.record(step, {"train/loss": 1 / step, "valid/ppl": 100 / step})
    (folder / checkpoint.BEST).write_bytes(f"weights at {last}".encode())


def card_of(folder: Path, name: str = "MoEL (seed 3)") -> dict[str, Any]:
    return {
        "name": name,
        "seed": 3,
        "task": "ed_response",
        "trained_on": "ed/train, 17,802 examples",
        "validation": {"ppl": 33.25, "accuracy": 31.5},
        "parameters": 23_100_000,
        "weights": f"sha256:{sha256_file(folder / checkpoint.BEST)[:16]}",
        "harness_version": "0.1.0",
        "settings": {"kind": "moel"},
    }


def trained(folder: Path, *, mirror: Any = None, name: str = "MoEL (seed 3)") -> Path:
    """A training of four steps from beginning to end."""
    log = TrainingLog(begin(folder), mirror=mirror)
    learn(folder, log, 1, 4)
    log.finish(card_of(folder, name), "# MoEL\n")
    return folder


def client_of(store: Store) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.tracking_uri, registry_uri=store.tracking_uri)


def only_run(store: Store) -> Any:
    (run,) = runs_of(store, "training")
    return run


def curve_in(store: Store, run: Any) -> dict[str, list[tuple[int, float]]]:
    """Every point the store holds, doubled ones included, in the order of steps."""
    client = client_of(store)
    return {
        name: sorted((m.step, m.value) for m in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def curve_on_disk(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for row in read_curve(folder):
        for name, value in row.items():
            if name != "step":
                found.setdefault(name, []).append((int(row["step"]), value))
    return found


def files_below(uri: str) -> set[str]:
    folder = Path(uri.removeprefix("file://"))
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


# ------------------------------------------------------------------------- what is mirrored


def test_a_training_is_mirrored_while_it_goes_on_and_registered_at_its_end(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = begin(tmp_path / "moel")
    mirror = training_mirror(store.tracking_uri, folder, task="ed_response")
    log = TrainingLog(folder, mirror=mirror)
    learn(folder, log, 1, 3)
    run = only_run(store)
    assert (run.info.status, run.info.run_name) == ("RUNNING", "moel")
    assert curve_in(store, run) == curve_on_disk(folder)
    assert run.data.params == {"kind": "moel", "steps": "40", "sizes.width": "300", "data": DATA}
    learn(folder, log, 4, 4)
    log.finish(card_of(folder), "# MoEL\n")
    client, run = client_of(store), only_run(store)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "MoEL (seed 3)")
    assert client.get_experiment(run.info.experiment_id).name == "train/ed_response"
    assert curve_in(store, run) == curve_on_disk(folder)
    assert run.data.params["parameters"] == "23100000"
    assert run.data.tags["empathy_bench.seed"] == "3"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("ed/train", DATA)
    weights = card_of(folder)["weights"].removeprefix("sha256:")
    (version,) = client.search_model_versions("name = 'empathy-bench-moel'")
    assert version.run_id == run.info.run_id
    assert version.source == f"{run.info.artifact_uri}/model/{weights}"
    tags = {key.removeprefix("empathy_bench."): value for key, value in version.tags.items()}
    assert tags["weights"] == weights
    assert (tags["seed"], tags["validation.ppl"], tags["validation.accuracy"]) == (
        "3",
        "33.25",
        "31.5",
    )
    kept = {checkpoint.BEST, "vocabulary.json", checkpoint.SETTINGS, "card.json", "README.md"}
    assert files_below(version.source) == kept
    top = {name for name in files_below(run.info.artifact_uri) if "/" not in name}
    assert top == {"card.json", "README.md", "curve.png", "curve.jsonl"}
    said = capfd.readouterr()
    assert said.out == ""
    assert "warning" not in said.err


def test_long_curves_and_odd_names_arrive(store: Store, tmp_path: Path) -> None:
    folder = begin(tmp_path / "long")
    log = TrainingLog(folder)
    for step in range(1, 501):
        log.record(step, {"train/loss": 1 / step, "rate": step * 1e-7, "F1 (macro), %": 50.0})
    assert track_training(store, folder).logged == 1
    run = only_run(store)
    found = curve_in(store, run)
    on_disk = curve_on_disk(folder)
    assert found["train/loss"] == on_disk["train/loss"]
    assert found["rate"] == on_disk["rate"]
    assert len(found["F1 _macro__ _"]) == 500
    assert run.info.status == "RUNNING"


def test_killed_and_resumed_goes_on_in_its_run_without_doubled_points(
    store: Store, tmp_path: Path
) -> None:
    folder = begin(tmp_path / "moel")
    code = """
import os, signal, sys
from pathlib import Path
from harness.tracking import training_mirror
from harness.training_log import TrainingLog
folder = Path(sys.argv[1])
log = TrainingLog(folder, mirror=training_mirror(sys.argv[2], folder, task="ed_response"))
for step in range(1, 6):
    log.record(step, {"train/loss": 1 / step, "valid/ppl": 100 / step})
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), store.tracking_uri],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    before = only_run(store)
    log = TrainingLog(folder, mirror=training_mirror(store.tracking_uri, folder))
    log.rewind(3)  # where its last checkpoint stood
    learn(folder, log, 4, 8)
    log.finish(card_of(folder), "# MoEL\n")
    run = only_run(store)
    assert run.info.run_id == before.info.run_id
    assert run.info.status == "FINISHED"
    expected = [(step, 1 / step) for step in range(1, 9)]
    assert curve_in(store, run)["train/loss"] == expected
    assert curve_in(store, run)["valid/ppl"] == [(s, 100 / s) for s in range(1, 9)]


def test_a_kill_before_the_run_was_noted_makes_no_second_run(store: Store, tmp_path: Path) -> None:
    folder = trained(tmp_path / "moel")
    track_training(store, folder)
    state = json.loads((folder / "mlflow.json").read_text())
    assert state["runs"] == {store.label: only_run(store).info.run_id}
    (folder / "mlflow.json").write_text(json.dumps({**state, "runs": {}}))
    assert track_training(store, folder).skipped == 1
    assert len(runs_of(store, "training")) == 1


def test_more_steps_after_the_end_go_on_in_the_same_run(store: Store, tmp_path: Path) -> None:
    mirror = training_mirror(store.tracking_uri, tmp_path / "moel", task="ed_response")
    folder = trained(tmp_path / "moel", mirror=mirror)
    (first,) = client_of(store).search_model_versions("name = 'empathy-bench-moel'")
    begin(folder, steps=80)
    log = TrainingLog(folder, mirror=training_mirror(store.tracking_uri, folder))
    log.rewind(4)
    learn(folder, log, 5, 6)
    assert not (folder / "card.json").exists()
    run = only_run(store)
    assert run.info.status == "RUNNING"
    assert run.data.params["steps"] == "40"  # MLflow lets no param change
    assert json.loads(run.data.tags["empathy_bench.settings"])["steps"] == 80
    log.finish(card_of(folder), "# MoEL\n")
    run = only_run(store)
    assert run.info.status == "FINISHED"
    assert [step for step, _ in curve_in(store, run)["train/loss"]] == [1, 2, 3, 4, 5, 6]
    versions = client_of(store).search_model_versions("name = 'empathy-bench-moel'")
    assert len(versions) == 2
    kept = Path(first.source.removeprefix("file://")) / checkpoint.BEST
    assert kept.read_bytes() == b"weights at 4"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"dataset": {"name": "ed/train", "fingerprint": f"sha256:{'ab' * 32}"}}, "ab" * 18),
        ({"trained_on": "ed/train, 17,802 examples"}, DATA),
        ({"trained_on": None}, None),
    ],
)
def test_the_training_data_is_named_by_its_fingerprint(
    store: Store, tmp_path: Path, fields: dict[str, Any], expected: str | None
) -> None:
    folder = begin(tmp_path / "moel")
    learn(folder, TrainingLog(folder), 1, 1)
    TrainingLog(folder).finish({**card_of(folder), "trained_on": None, **fields}, "# MoEL\n")
    track_training(store, folder)
    found = [(i.dataset.name, i.dataset.digest) for i in only_run(store).inputs.dataset_inputs]
    assert found == ([("ed/train", expected)] if expected else [])


def test_equal_weights_are_registered_once(store: Store, tmp_path: Path) -> None:
    folder = trained(tmp_path / "moel")
    assert track_training(store, folder).logged == 1
    assert track_training(store, folder).skipped == 1
    again = trained(tmp_path / "again")  # the same training in another folder
    assert track_training(store, again).logged == 1
    assert len(runs_of(store, "training")) == 2
    versions = client_of(store).search_model_versions("name = 'empathy-bench-moel'")
    assert [version.version for version in versions] == [1]


def test_seeds_are_versions_of_one_model(store: Store, tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = begin(tmp_path / f"moel-{seed}")
        learn(folder, TrainingLog(folder), 1, 2 + seed)
        TrainingLog(folder).finish(
            {**card_of(folder, f"MoEL (seed {seed})"), "seed": seed}, "# MoEL\n"
        )
        track_training(store, folder)
    versions = client_of(store).search_model_versions("name = 'empathy-bench-moel'")
    assert sorted(v.tags["empathy_bench.seed"] for v in versions) == ["0", "1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MoEL (seed 0)", "empathy-bench-moel"),
        ("EmoPrepend-1 (seed 12)", "empathy-bench-emoprepend-1"),
        ("a/b: c", "empathy-bench-a-b-c"),
        ("../..", "empathy-bench-model"),
        ("共感モデル", "empathy-bench-共感モデル"),
        ("", "empathy-bench-model"),
    ],
)
def test_names_of_registered_models(name: str, expected: str) -> None:
    assert registered_name(name) == expected


def test_a_run_that_was_deleted_in_mlflow_is_made_anew(store: Store, tmp_path: Path) -> None:
    folder = trained(tmp_path / "moel")
    track_training(store, folder)
    gone = only_run(store).info.run_id
    client_of(store).delete_run(gone)
    assert track_training(store, folder).logged == 1
    run = only_run(store)
    assert run.info.run_id != gone
    assert curve_in(store, run) == curve_on_disk(folder)


def test_a_folder_tracked_elsewhere_before_is_uploaded_whole(
    store: Store, empty_database: Path, tmp_path: Path
) -> None:
    folder = trained(tmp_path / "moel")
    track_training(store, folder)
    (tmp_path / "other").mkdir()
    shutil.copy(empty_database, tmp_path / "other" / "mlflow.db")
    other = tracking.resolve_store(f"sqlite:///{tmp_path}/other/mlflow.db", tmp_path)
    assert other is not None
    assert track_training(other, folder).logged == 1
    assert track_training(other, folder).skipped == 1
    assert track_training(store, folder).skipped == 1
    assert curve_in(other, only_run(other)) == curve_in(store, only_run(store))


# --------------------------------------------------------------------------- where and whether


def test_without_an_address_nothing_is_tracked_and_mlflow_is_not_imported(tmp_path: Path) -> None:
    code = """
import json, os, sys
from pathlib import Path
from harness.tracking import training_mirror
from harness.training_log import TrainingLog
os.environ.pop("MLFLOW_TRACKING_URI", None)
found = [training_mirror(None, Path("moel")), training_mirror("off", Path("moel"))]
TrainingLog(Path("moel"), mirror=found[0]).record(1, {"train/loss": 1.0})
print(json.dumps({"found": found, "imported": "mlflow" in sys.modules, "cwd": os.listdir("moel")}))
"""
    answer = python(code, tmp_path)
    assert answer == {"found": [None, None], "imported": False, "cwd": ["curve.jsonl"]}


def test_the_environment_names_the_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    assert training_mirror("off", tmp_path / "moel") is None
    trained(tmp_path / "moel", mirror=training_mirror(None, tmp_path / "moel"))
    run = only_run(store)
    # The experiment is not known before the card is written; the settings name no data set.
    assert client_of(store).get_experiment(run.info.experiment_id).name == "train/other"


def test_only_rank_zero_mirrors(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert training_mirror(store.tracking_uri, tmp_path / "moel") is None


def test_the_users_active_run_becomes_the_parent(tmp_path: Path) -> None:
    folder = trained(tmp_path / "moel")
    code = """
import json, os, sys
from pathlib import Path
import mlflow
mlflow.set_tracking_uri(f"sqlite:///{os.getcwd()}/mlflow.db")
mlflow.set_experiment("mine")
from harness.tracking import training_mirror
folder = Path(sys.argv[1])
with mlflow.start_run() as mine:
    training_mirror(None, folder)(folder)
    still = mlflow.active_run().info.run_id == mine.info.run_id
(run,) = mlflow.MlflowClient().search_runs(
    [mine.info.experiment_id], f"tags.`mlflow.parentRunId` = '{mine.info.run_id}'"
)
print(json.dumps({"still": still, "name": run.info.run_name, "loss": run.data.metrics}))
"""
    (tmp_path / "cwd").mkdir()
    answer = python(code, tmp_path / "cwd", folder)
    assert answer == {
        "still": True,
        "name": "MoEL (seed 3)",
        "loss": {"train/loss": 0.25, "valid/ppl": 25.0},
    }


def test_an_unusable_address_is_refused_before_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="names no database file"):
        training_mirror("sqlite:///:memory:", tmp_path / "moel")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_fails_never_stops_the_training(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The folder's note cannot be written, and later the database is gone under our hands."""
    folder = begin(tmp_path / "moel")
    (folder / "mlflow.json").mkdir()
    trained(folder, mirror=training_mirror(store.tracking_uri, folder))
    warning = capfd.readouterr().err.splitlines()
    assert len(warning) == 1
    assert warning[0].startswith("warning: ")
    assert f"empathy-bench track {folder} --mlflow {store.label}" in warning[0]
    other = tmp_path / "other"
    mirror = training_mirror(store.tracking_uri, other)
    (tmp_path / "store" / "mlflow.db").write_text("text, not a database")
    trained(other, mirror=mirror)
    assert capfd.readouterr().err.count("warning: ") == 1
    for done in (folder, other):
        assert len(read_curve(done)) == 4
        assert (done / "card.json").is_file()


def test_rows_that_arrived_although_the_store_failed_are_not_sent_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server commits and dies before it answers."""
    from mlflow import MlflowClient

    mirror = training_mirror(store.tracking_uri, tmp_path / "moel", task="ed_response")
    folder = begin(tmp_path / "moel")
    log = TrainingLog(folder, mirror=mirror)
    learn(folder, log, 1, 2)
    commit = MlflowClient.log_batch

    def commit_and_die(*arguments: Any, **options: Any) -> None:
        commit(*arguments, **options)
        raise ConnectionError("the server went away")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_batch", commit_and_die)
        learn(folder, log, 3, 3)
    log.finish(card_of(folder), "# MoEL\n")
    assert curve_in(store, only_run(store)) == curve_on_disk(folder)
    assert only_run(store).info.status == "FINISHED"


# ------------------------------------------------------------------------ uploading later: track


def test_training_folders_are_told_from_others(store: Store, tmp_path: Path) -> None:
    models = tmp_path / "models"
    ended = trained(models / "moel")
    begun = begin(models / "deep" / "mime")
    make_run(models / "run")
    (models / "only-settings").mkdir()
    (models / "only-settings" / checkpoint.SETTINGS).write_text("{}")
    copy = models / "mlartifacts" / "0" / "artifacts" / "model"
    shutil.copytree(ended, copy)
    assert training_folders(models) == [begun, ended]
    assert training_folders(ended) == [ended]


def test_the_command_uploads_runs_and_trainings(store: Store, tmp_path: Path, cli: Cli) -> None:
    trained(tmp_path / "work" / "models" / "moel")
    make_run(tmp_path / "work" / "runs" / "constant")
    done = cli("track", "work", "--mlflow", store.tracking_uri)
    assert done.stdout == f"{store.label}: 2 run(s) uploaded, 0 there before.\n", done.stderr
    again = cli("track", "work", "--mlflow", store.tracking_uri, "--json")
    assert json.loads(again.stdout) == {"store": store.label, "logged": 0, "skipped": 2}
    assert len(runs_of(store)) == 1
    assert curve_in(store, only_run(store)) == curve_on_disk(tmp_path / "work" / "models" / "moel")
    nothing = cli("track", "store")
    assert nothing.returncode == 2
    assert "no result.json, training or data card below store" in nothing.stderr


def test_a_folder_that_is_being_trained_into_is_left_to_its_trainer(
    store: Store, tmp_path: Path
) -> None:
    folder = trained(tmp_path / "moel")
    with checkpoint.locked(folder), pytest.raises(StorageError, match="being trained into"):
        track_training(store, folder)
    assert track_training(store, folder).logged == 1


def test_a_training_that_goes_on_does_not_hold_up_the_others(
    store: Store, tmp_path: Path, cli: Cli
) -> None:
    busy, ended = trained(tmp_path / "models" / "a"), trained(tmp_path / "models" / "b")
    with checkpoint.locked(busy):
        done = cli("track", "models", "--mlflow", store.tracking_uri)
    assert done.returncode == 2
    assert "1 run(s) uploaded" in done.stdout
    assert "models/a is being trained into by another process" in done.stderr
    assert (ended / "mlflow.json").is_file()


def test_a_damaged_card_is_told(store: Store, tmp_path: Path) -> None:
    folder = trained(tmp_path / "moel")
    (folder / "card.json").write_text("{")
    with pytest.raises(TrackingError, match=r"card\.json: is damaged"):
        track_training(store, folder)


# ------------------------------------------------------------------------------- a real server


def test_over_http_it_is_the_same(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = Store(server.uri)
    mirror = training_mirror(server.uri, tmp_path / "moel", task="http")
    folder = trained(tmp_path / "moel", mirror=mirror, name="Over HTTP (seed 3)")
    run = next(r for r in runs_of(store, "training") if r.info.run_name == "Over HTTP (seed 3)")
    assert run.info.status == "FINISHED"
    assert curve_in(store, run) == curve_on_disk(folder)
    (version,) = client_of(store).search_model_versions("name = 'empathy-bench-over-http'")
    kept = Path(
        client_of(store).download_artifacts(
            run.info.run_id, version.source.partition("/artifacts/")[2], str(tmp_path)
        )
    )
    assert (kept / checkpoint.BEST).read_bytes() == (folder / checkpoint.BEST).read_bytes()
    assert track_training(store, folder).skipped == 1
    assert capfd.readouterr().out == ""


def test_a_dead_server_costs_a_line_and_track_uploads_all_later(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    began = time.monotonic()
    mirror = training_mirror(f"http://127.0.0.1:{port}", tmp_path / "moel", task="http")
    trained(tmp_path / "moel", mirror=mirror)
    assert time.monotonic() - began < 10
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "does not answer" in lines[0]
    assert "The training goes on; upload it later with: empathy-bench track" in lines[0]
    assert (tmp_path / "moel" / "card.json").is_file()


def test_a_server_that_dies_in_the_middle_gets_the_rest_later(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = begin(tmp_path / "dying")
    mirror = training_mirror(server.uri, folder, task="http")
    log = TrainingLog(folder, mirror=mirror)
    learn(folder, log, 1, 2)
    server.stop()
    learn(folder, log, 3, 4)
    log.finish(card_of(folder, "Dying (seed 3)"), "# x\n")
    assert len([x for x in capfd.readouterr().err.splitlines() if "warning" in x]) == 1
    server.start()
    store = Store(server.uri)
    (run,) = [r for r in runs_of(store, "training") if r.info.run_name == "dying"]
    assert (run.info.status, len(curve_in(store, run)["train/loss"])) == ("RUNNING", 2)
    assert track_training(store, folder).logged == 1
    (run,) = [r for r in runs_of(store, "training") if r.info.run_name == "Dying (seed 3)"]
    assert run.info.status == "FINISHED"
    assert curve_in(store, run) == curve_on_disk(folder)
    assert len(client_of(store).search_model_versions("name = 'empathy-bench-dying'")) == 1


def test_a_real_training_comes_back_from_the_registry_as_a_model(
    store: Store, tmp_path: Path, cli: Cli
) -> None:
    done = cli(
        *("train", "moel", "--data", "sample", "--steps", "6", "--validate-every", "3"),
        *("--width", "24", "--batch-size", "8", "--output", "moel", "--mlflow", store.tracking_uri),
    )
    assert done.returncode == 0, done.stderr
    folder, run, client = tmp_path / "moel", only_run(store), client_of(store)
    assert run.info.status == "FINISHED"
    assert curve_in(store, run) == curve_on_disk(folder)
    assert curve_in(store, run).keys() >= {"train/loss", "valid/ppl", "rate"}
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "ed/sample-train"
    (version,) = client.search_model_versions("name = 'empathy-bench-moel'")
    fetched = Path(version.source.removeprefix("file://"))
    answered = cli(
        *("predict", "--model", f"trained:{fetched}", "--task", "ed_response"),
        *("--data", "sample", "--limit", "2"),
    )
    assert answered.returncode == 0, answered.stderr
