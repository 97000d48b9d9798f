"""MLflow: uploaded once, read back equal, nothing of the user's touched, no result ever lost."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from harness import tracking
from harness.errors import InputError, TrackingError
from harness.results import read_result, write_result
from harness.tracking import Store, check_store, load_results, resolve_store, track
from harness.tracking.record import metric_key, metric_values, parameters
from tests.tracking_runs import FINGERPRINT, make_run, runs_of


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    tracking.prepare(Store(f"sqlite:///{path}"))
    return path


@pytest.fixture
def fresh(tmp_path: Path) -> Store:
    """A store whose database is still to be made."""
    found = resolve_store(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}", tmp_path)
    assert found is not None
    return found


@pytest.fixture
def store(fresh: Store, empty_database: Path, tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    shutil.copy(empty_database, tmp_path / "store" / "mlflow.db")
    return fresh


# ------------------------------------------------------------------------------ which store


def test_precedence_of_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    default = resolve_store(None, tmp_path)
    assert default == Store(f"sqlite:///{tmp_path}/mlflow.db", (tmp_path / "mlartifacts").as_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://team:5000/")
    assert resolve_store(None, tmp_path) == Store("http://team:5000")
    named = resolve_store("sqlite:///sub/x.db", tmp_path)
    assert named == Store("sqlite:///sub/x.db", (Path.cwd() / "sub" / "mlartifacts").as_uri())
    assert resolve_store("off", tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_password_is_not_printed() -> None:
    assert Store("postgresql://me:s3cret@db/mlflow").label == "postgresql://me:***@db/mlflow"
    assert Store("http://127.0.0.1:5000").label == "http://127.0.0.1:5000"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("sqlite:///{}/a-file/mlflow.db", "not a folder"),
        ("sqlite:///{}/a-file", "no SQLite database"),
        ("sqlite:///{}", "is a folder"),
        ("sqlite:///:memory:", "sqlite:///PATH/mlflow.db"),
        ("{}/mlflow.db", "sqlite:///"),
    ],
)
def test_an_unusable_database_is_refused_in_one_line(tmp_path: Path, uri: str, words: str) -> None:
    (tmp_path / "a-file").write_text("text, not a database")
    found = resolve_store(uri.format(tmp_path), tmp_path)
    assert found is not None
    with pytest.raises(TrackingError) as caught:
        check_store(found)
    message = str(caught.value)
    assert words in message
    assert "--mlflow off" in message
    assert "\n" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["a-file"]


# --------------------------------------------------------------------------- what is tracked


def test_what_is_written_is_read_back(store: Store, tmp_path: Path) -> None:
    folders = [
        make_run(tmp_path / "b", model="B"),
        make_run(tmp_path / "a", model="A"),
        make_run(tmp_path / "c", model="A", task="ed_emotion"),
    ]
    report = track(store, folders)
    assert (report.logged, report.skipped, len(set(report.run_ids))) == (3, 0, 3)
    back = load_results(store.tracking_uri)
    assert [(result.task, result.model["name"]) for result in back] == [
        ("ed_emotion", "A"),
        ("ed_response", "A"),
        ("ed_response", "B"),
    ]
    assert back == [read_result(folders[n] / "result.json") for n in (2, 1, 0)]
    only = load_results(store.tracking_uri, experiment="empathy-bench/ed_emotion/v2")
    assert [result.task for result in only] == ["ed_emotion"]
    with pytest.raises(TrackingError, match="no experiment 'nothing'"):
        load_results(store.tracking_uri, experiment="nothing")


def test_layout_of_a_run(store: Store, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    folder = make_run(tmp_path / "run")
    report = track(store, [folder], invocation="nightly 'x'")
    client = MlflowClient(tracking_uri=store.tracking_uri)
    run = client.get_run(report.run_ids[0])
    assert client.get_experiment(run.info.experiment_id).name == "empathy-bench/ed_response/v2"
    assert (run.info.run_name, run.info.status) == ("Constant reply", "FINISHED")
    assert run.data.metrics == {
        "bleu-4": 12.5,
        "bleu-4.low": 11.5,
        "bleu-4.high": 13.5,
        "acc_1 ___": 0.1,
        "n": 3.0,
        "n_failed": 1.0,
    }
    wanted = {
        "model": "Constant reply",
        "model.kind": "floor",
        "task": "ed_response",
        "example_set": "ed/test",
        "profile": "harness",
        "seed": "7",
        "prompt.few_shot": "1",
        "generation.max_tokens": "64",
        "generation.stop": '["\\n"]',
    }
    assert wanted.items() <= run.data.params.items()
    assert "limit" not in run.data.params
    tags = run.data.tags
    assert tags["empathy_bench.fingerprint"] == FINGERPRINT
    assert tags["empathy_bench.provenance"] == "re-measured"
    assert json.loads(tags["empathy_bench.protocol"])["prompt"] == {"version": 2, "few_shot": 1}
    assert json.loads(tags["empathy_bench.signatures"])["bleu-4"] == "bleu|n:4|v1"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("ed/test", FINGERPRINT[7:43])
    for name in ("result.json", "predictions.jsonl"):
        copy = client.download_artifacts(run.info.run_id, name, str(tmp_path))
        assert Path(copy).read_bytes() == (folder / name).read_bytes()
    parent = client.get_run(tags["mlflow.parentRunId"])
    assert parent.info.experiment_id == run.info.experiment_id
    assert parent.info.status == "FINISHED"
    again = track(store, [make_run(tmp_path / "2", model="B")], invocation="nightly 'x'")
    assert client.get_parent_run(again.run_ids[0]).info.run_id == parent.info.run_id


def test_tracking_again_adds_nothing(store: Store, tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name, model=name) for name in "ab"]
    assert track(store, folders).logged == 2
    moved = (tmp_path / "a").rename(tmp_path / "elsewhere")
    report = track(store, [moved, folders[1]])
    assert (report.logged, report.skipped) == (0, 2)
    assert len(runs_of(store)) == 2
    assert len(runs_of(store, "invocation")) == 1


def test_a_new_scoring_of_the_same_predictions_supersedes(store: Store, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", value=1.0)
    first = track(store, [folder]).run_ids[0]
    make_run(folder, value=2.0, created="2026-11-21T10:00:00+00:00")
    report = track(store, [folder])
    assert (report.logged, report.skipped) == (1, 0)
    newer = {run.info.run_id: run for run in runs_of(store)}[report.run_ids[0]]
    assert newer.data.tags["empathy_bench.revision"] == "2"
    assert newer.data.tags["empathy_bench.supersedes"] == first
    (result,) = load_results(store.tracking_uri)
    assert result.metrics[0].value == 2.0


def test_an_old_scoring_uploaded_late_is_not_the_newest(store: Store, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "new", value=2.0, created="2026-11-21T10:00:00+00:00")
    old = make_run(tmp_path / "old", value=1.0, created="2026-11-20T10:00:00+00:00")
    track(store, [folder])
    assert track(store, [old]).logged == 1
    (result,) = load_results(store.tracking_uri)
    assert result.metrics[0].value == 2.0


def test_a_broken_off_upload_is_completed_in_its_own_run(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    folder = make_run(tmp_path / "run")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", full)
        with pytest.raises(TrackingError, match=r"No space left.*local files are safe.*track"):
            track(store, [folder])
    assert load_results(store.tracking_uri) == []
    assert track(store, [folder]).logged == 1
    assert len(runs_of(store)) == 1
    assert [run.info.status for run in runs_of(store, "invocation")] == ["FINISHED"]
    assert load_results(store.tracking_uri) == [read_result(folder / "result.json")]


def test_predictions_changed_after_scoring_are_not_uploaded(fresh: Store, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with (folder / "predictions.jsonl").open("a") as file:
        file.write('{"id": "ed/test/hit:0_conv:9/1", "response": "later"}\n')
    with pytest.raises(TrackingError, match=r"predictions\.jsonl has changed.*score it again"):
        track(fresh, [folder])
    with pytest.raises(InputError, match="no such result file"):
        track(fresh, [tmp_path / "nothing"])
    assert not (tmp_path / "store").exists()


def test_only_rank_zero_tracks(
    fresh: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert track(fresh, [make_run(tmp_path / "run")]).logged == 0
    tracking.prepare(fresh)
    assert not (tmp_path / "store").exists()


def test_a_lost_or_altered_result_is_told(store: Store, tmp_path: Path) -> None:
    track(store, [make_run(tmp_path / "run")])
    (copy,) = (tmp_path / "store" / "mlartifacts").rglob("result.json")
    copy.write_text(copy.read_text().replace("12.5", "99.5"))
    with pytest.raises(TrackingError, match="altered since its upload"):
        load_results(store.tracking_uri)
    copy.unlink()
    with pytest.raises(TrackingError, match="the file is gone"):
        load_results(store.tracking_uri)


def test_reading_creates_no_database(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="no such MLflow database"):
        load_results(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_another_mlflow_names_the_upgrade(store: Store, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store" / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0a8213491aaa'")
    with pytest.raises(TrackingError, match="mlflow db upgrade sqlite:"):
        track(store, [make_run(tmp_path / "run")])


# ------------------------------------------------------------------ MLflow's rules for names


@pytest.mark.parametrize(
    "name", ["bleu-4", "acc@1", "a,b%(c)", "ρ", "a/b", "a//b", "../x", "/abs", ".", "", "x" * 400]
)
def test_every_metric_name_is_made_acceptable(name: str) -> None:
    from mlflow.utils.validation import _validate_length_limit, _validate_metric_name

    for suffix in ("", ".high"):
        key = metric_key(name, suffix)
        _validate_metric_name(key)
        _validate_length_limit("key", 250, key)


def test_names_that_become_equal_keep_their_own_numbers(tmp_path: Path) -> None:
    result = read_result(make_run(tmp_path) / "result.json")
    twins = tuple(
        dataclasses.replace(result.metrics[1], name=name, value=value)
        for name, value in (("a@b", 1.0), ("a%b", 2.0), ("n", 3.0))
    )
    values = metric_values(dataclasses.replace(result, metrics=twins))
    assert values == {"a_b": 1.0, "a_b_2": 2.0, "n": 3.0, "n_2": 0.0, "n_failed": 0.0}


def test_long_values_are_cut_and_many_are_logged(store: Store, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    result = read_result(folder / "result.json")
    card = {"name": "m" * 900, **{f"k{n}": "v" * 9000 for n in range(150)}}
    many = [dataclasses.replace(result.metrics[0], name=f"metric {n}") for n in range(700)]
    write_result(folder / "result.json", dataclasses.replace(result, model=card, metrics=many))
    track(store, [folder])
    (run,) = runs_of(store)
    assert len(run.data.metrics) == 3 * 700 + 2
    assert set(run.data.params) == set(parameters(read_result(folder / "result.json")))
    assert len(run.data.params["model.k149"]) == 500
    assert load_results(store.tracking_uri) == [read_result(folder / "result.json")]
