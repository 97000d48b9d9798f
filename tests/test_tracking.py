"""MLflow: uploaded once, read back equal, nothing of the user's touched, no result ever lost."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import tracking
from harness.errors import InputError, TrackingError
from harness.files import sha256_file
from harness.results import MetricResult, Result, read_result, write_result
from harness.tracking import Store, check_store, load_results, resolve_store, track
from harness.tracking.record import metric_key, metric_values, parameters
from tests.conftest import ROOT

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4


def make_run(
    folder: Path,
    *,
    model: str = "Constant reply",
    task: str = "ed_response",
    value: float = 12.5,
    created: str = "2026-11-20T10:00:00+00:00",
    rows: int = 3,
) -> Path:
    """A run folder as `empathy-bench run` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    predictions = folder / "predictions.jsonl"
    lines = [{"id": f"ed/test/hit:0_conv:1/{n}", "response": f"é {n}"} for n in range(rows)]
    predictions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = Result(
        task=task,
        task_version=2,
        model={"name": model, "kind": "floor", "parameters": None},
        protocol={
            "task": task,
            "task_version": 2,
            "example_set": "ed/test",
            "fingerprint": FINGERPRINT,
            "size": rows,
            "limit": None,
            "profile": "harness",
            "seed": 7,
            "prompt": {"version": 2, "few_shot": 1},
            "generation": {"max_tokens": 64, "stop": ["\n"]},
        },
        metrics=(
            MetricResult(
                name="bleu-4",
                value=value,
                low=value - 1,
                high=value + 1,
                signature="bleu|n:4|v1",
                direction="higher",
                unit="percent",
                n=rows,
                n_failed=1,
            ),
            MetricResult(name="acc@1 (%)", value=0.1, signature="acc|v1", direction="higher"),
            MetricResult(name="ppl", value=None, signature="ppl|v1", direction="lower"),
        ),
        provenance="re-measured",
        environment={"python": "3.11"},
        files={"predictions": {"name": predictions.name, "sha256": sha256_file(predictions)}},
        created=created,
    )
    write_result(folder / "result.json", result)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = resolve_store(f"sqlite:///{tmp_path / 'store' / 'mlflow.db'}", tmp_path)
    assert found is not None
    return found


def runs_of(store: Store, kind: str = "result") -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store.tracking_uri)
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(ids, f"tags.`empathy_bench.kind` = '{kind}'"))


def python(code: str, cwd: Path, *arguments: object, **env: str) -> dict[str, Any]:
    """Run `code` in a fresh interpreter; the last line it prints is its answer, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


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


def test_a_dead_server_is_told_at_once(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    folder = make_run(tmp_path / "run one")
    began = time.monotonic()
    with pytest.raises(TrackingError, match=r"does not answer.*mlflow server --port.*off"):
        check_store(Store(uri))
    with pytest.raises(TrackingError) as caught:
        track(Store(uri), [folder])
    with pytest.raises(TrackingError, match="does not answer"):
        load_results(uri)
    assert time.monotonic() - began < 10
    message = str(caught.value)
    assert "local files are safe" in message
    assert f"empathy-bench track '{folder}' --mlflow {uri}" in message


def test_a_web_server_that_is_no_mlflow_is_refused(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/", process)
        with pytest.raises(TrackingError, match="no MLflow server is there"):
            check_store(Store(f"http://127.0.0.1:{port}"))
    finally:
        process.kill()
        process.wait()


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


def test_predictions_changed_after_scoring_are_not_uploaded(store: Store, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    with (folder / "predictions.jsonl").open("a") as file:
        file.write('{"id": "ed/test/hit:0_conv:9/1", "response": "later"}\n')
    with pytest.raises(TrackingError, match=r"predictions\.jsonl has changed.*score it again"):
        track(store, [folder])
    with pytest.raises(InputError, match="no such result file"):
        track(store, [tmp_path / "nothing"])
    assert not (tmp_path / "store").exists()


def test_only_rank_zero_tracks(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert track(store, [make_run(tmp_path / "run")]).logged == 0
    tracking.prepare(store)
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
    tracking.prepare(store)
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


# ----------------------------------------------------------------- the user's own MLflow state


def test_nothing_global_is_touched(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "a")
    (tmp_path / "cwd").mkdir()
    code = """
import json, os, sys
from pathlib import Path
before = dict(os.environ)
from harness.tracking import *
store = resolve_store(None, Path(sys.argv[1]))
check_store(store)
handle = prepare_in_background(store)
early = "mlflow" in sys.modules
handle.wait()
report = track(store, [Path(sys.argv[1]) / "a"])
found = len(load_results(store.tracking_uri))
import mlflow
print(json.dumps({
    "early": early, "same": before == dict(os.environ), "logged": report.logged, "found": found,
    "active": mlflow.active_run() is not None, "cwd": os.listdir(),
}))
"""
    answer = python(code, tmp_path / "cwd", tmp_path / "runs")
    assert answer == {
        "early": False,
        "same": True,
        "logged": 1,
        "found": 1,
        "active": False,
        "cwd": [],
    }


def test_the_users_active_run_becomes_the_parent_and_stays_active(tmp_path: Path) -> None:
    make_run(tmp_path / "a")
    code = """
import json, os, sys
from pathlib import Path
import mlflow
uri = f"sqlite:///{sys.argv[1]}/users.db"
mlflow.set_tracking_uri(uri)
mlflow.set_experiment(experiment_id=mlflow.create_experiment("mine", sys.argv[1] + "/art"))
from harness.tracking import *
with mlflow.start_run() as mine:
    before = dict(os.environ)
    store = resolve_store(None, Path(sys.argv[1]) / "out")
    check_store(store)
    report = track(store, [Path(sys.argv[1]) / "a"])
    again = track(store, [Path(sys.argv[1]) / "a"])
    client = mlflow.MlflowClient()
    child = client.get_run(report.run_ids[0])
    print(json.dumps({
        "still": mlflow.active_run().info.run_id == mine.info.run_id,
        "status": client.get_run(mine.info.run_id).info.status,
        "parent": client.get_parent_run(child.info.run_id).info.run_id == mine.info.run_id,
        "experiment": client.get_experiment(child.info.experiment_id).name,
        "runs": len(client.search_runs([child.info.experiment_id])),
        "same": before == dict(os.environ) and mlflow.get_tracking_uri() == uri,
        "explicit": resolve_store("http://x", Path("o")).parent_run_id, "again": again.skipped,
        "found": len(load_results(uri)), "cwd": os.listdir(),
    }))
"""
    (tmp_path / "cwd").mkdir()
    assert python(code, tmp_path / "cwd", tmp_path, MLFLOW_TRACKING_URI="") == {
        "still": True,
        "status": "RUNNING",
        "parent": True,
        "experiment": "mine",
        "runs": 2,
        "same": True,
        "explicit": None,
        "again": 1,
        "found": 1,
        "cwd": [],
    }


# ------------------------------------------------------------------------- the database itself


def test_three_processes_that_begin_together_share_a_new_database(tmp_path: Path) -> None:
    make_run(tmp_path / "common", model="common")
    code = """
import sys
from pathlib import Path
from harness.tracking import *
store = resolve_store(None, Path("."))
track(store, [Path(sys.argv[1]), Path("common")])
"""
    children = []
    for name in "abc":
        make_run(tmp_path / name, model=name)
        command = [sys.executable, "-c", code, name]
        env = os.environ | {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": ""}
        children.append(
            subprocess.Popen(
                command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
    for child in children:
        out, errors = child.communicate(timeout=300)
        assert (child.returncode, out, errors) == (0, b"", b"")
    found = load_results(f"sqlite:///{tmp_path}/mlflow.db")
    assert [result.model["name"] for result in found] == ["a", "b", "c", "common"]
    assert len(runs_of(Store(f"sqlite:///{tmp_path}/mlflow.db"))) == 4


def test_a_database_whose_maker_was_killed_is_made_anew(store: Store, tmp_path: Path) -> None:
    database = tmp_path / "store" / "mlflow.db"
    handle = tracking.prepare_in_background(store)
    assert handle.process is not None
    draft = database.with_name(".mlflow.db.draft")
    wait_until(draft.exists)
    handle.process.send_signal(signal.SIGKILL)
    handle.wait()
    assert not database.exists()
    assert track(store, [make_run(tmp_path / "run")]).logged == 1
    assert sorted(path.name for path in database.parent.iterdir()) == [
        "mlartifacts",
        "mlflow.db",
        "mlflow.db.lock",
    ]


def test_a_database_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = resolve_store(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path)
    assert found is not None
    with pytest.raises(TrackingError, match=r"cannot create sqlite.*file"):
        tracking.prepare(found)


def test_folders_with_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    output = tmp_path / "my runs %20 #1?é"
    found = resolve_store(None, output)
    assert found is not None
    check_store(found)
    track(found, [make_run(output / "a")])
    assert (output / "mlflow.db").is_file()
    assert len(list((output / "mlartifacts").rglob("predictions.jsonl"))) == 1
    assert len(load_results(found.tracking_uri)) == 1


# ------------------------------------------------------------------------------ a real server


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(condition: Any, timeout: float = 180) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except OSError:
            time.sleep(0.2)
            return False

    wait_until(answers)


class Server:
    """A `mlflow server` on its own database, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        database = Store(f"sqlite:///{self.folder}/mlflow.db", (self.folder / "files").as_uri())
        tracking.prepare(database)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
            + ["--port", str(self.port), "--workers", "1"]
            + ["--backend-store-uri", database.tracking_uri]
            + ["--artifacts-destination", str(self.folder / "files")],
            cwd=self.folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(f"{self.uri}/health", self.process)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


def test_the_same_over_http(
    server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = resolve_store(f"{server.uri}/", tmp_path)
    assert store == Store(server.uri)
    check_store(store)
    folders = [make_run(tmp_path / name, model=f"http {name}") for name in "ab"]
    report = track(store, folders)
    assert (report.logged, report.skipped) == (2, 0)
    assert track(store, folders).skipped == 2
    back = [r for r in load_results(server.uri) if r.model["name"].startswith("http ")]
    assert back == [read_result(folder / "result.json") for folder in folders]
    (copy, _) = sorted((server.folder / "files").rglob("predictions.jsonl"))
    assert copy.read_bytes() == (folders[0] / "predictions.jsonl").read_bytes()
    assert not list(tmp_path.glob("ml*"))
    assert capfd.readouterr().out == ""


def test_a_server_that_dies_between_two_uploads_loses_nothing(
    server: Server, tmp_path: Path
) -> None:
    store = Store(server.uri)
    folders = [make_run(tmp_path / name, model=f"dying {name}") for name in "ab"]
    assert track(store, folders[:1]).logged == 1
    server.stop()
    began = time.monotonic()
    with pytest.raises(TrackingError, match=r"does not answer.*local files are safe"):
        track(store, folders)
    assert time.monotonic() - began < 10
    server.start()
    report = track(store, folders)
    assert (report.logged, report.skipped) == (1, 1)
    back = [r for r in load_results(server.uri) if r.model["name"].startswith("dying ")]
    assert back == [read_result(folder / "result.json") for folder in folders]


def test_a_host_name_that_the_server_forbids_is_told(server: Server) -> None:
    uri = f"http://benchmark.localhost:{server.port}"
    try:
        socket.getaddrinfo("benchmark.localhost", server.port)
    except OSError:
        pytest.skip("this machine does not resolve *.localhost")
    with pytest.raises(TrackingError, match=r"HTTP 403.*--allowed-hosts 'benchmark\.localhost"):
        check_store(Store(uri))
