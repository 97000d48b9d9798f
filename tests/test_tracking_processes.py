"""Tracking beside other processes: the user's MLflow, several of ours, a server, a dead one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from mlflow import MlflowClient

from harness import tracking
from harness.errors import TrackingError
from harness.results import read_result
from harness.tracking import (
    Store,
    check_store,
    load_answers,
    load_results,
    resolve_store,
    run_pages,
    store_state,
    track,
)
from tests.conftest import ROOT
from tests.tracking_runs import (
    Server,
    free_port,
    make_run,
    python,
    runs_of,
    wait_for,
    wait_until,
)

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


def test_uploads_of_one_result_at_the_same_moment_make_one_run(tmp_path: Path) -> None:
    make_run(tmp_path / "common")
    store = Store(f"sqlite:///{tmp_path}/mlflow.db")
    tracking.prepare(store)
    code = """
import sys, time
from pathlib import Path
from harness.tracking import *
from harness.tracking.store import make_client
store = Store(sys.argv[1])
make_client(store).search_experiments()
Path(sys.argv[2]).touch()
while not Path("go").exists():
    time.sleep(0.001)
track(store, [Path("common")])
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code, store.tracking_uri, name],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for name in ("ready-1", "ready-2", "ready-3")
    ]
    wait_until(lambda: len(list(tmp_path.glob("ready-*"))) == 3)
    (tmp_path / "go").touch()
    assert [child.wait(timeout=120) for child in children] == [0, 0, 0]
    assert len(runs_of(store)) == 1
    assert len(runs_of(store, "invocation")) == 1
    assert len(load_results(store.tracking_uri)) == 1


def test_a_database_whose_maker_was_killed_is_made_anew(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/store/mlflow.db")
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


def test_predictions_come_back_from_a_server_and_from_a_store_here(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_run(tmp_path / "a", model="answers a")
    wanted = read_result(folder / "result.json")
    said = (folder / "predictions.jsonl").read_bytes()
    here = Store(f"sqlite:///{tmp_path}/mlflow.db")
    for store in (Store(server.uri), here):
        track(store, [folder])
        found = load_answers(store.tracking_uri, [wanted])
        assert found[wanted.id].read_bytes() == said
        assert found[wanted.id] != folder / "predictions.jsonl"
        assert load_answers(store.tracking_uri, []) == {}
        state = store_state(store.tracking_uri)
        assert store_state(store.tracking_uri) == state
        track(store, [make_run(tmp_path / f"b {store.label[:4]}", model="answers b")])
        assert store_state(store.tracking_uri) != state
    pages = run_pages(server.uri)
    address = urlsplit(pages[wanted.id])
    assert f"{address.scheme}://{address.netloc}" == server.uri
    run_id = address.fragment.rpartition("/runs/")[2]
    run = MlflowClient(server.uri).get_run(run_id)
    assert run.data.tags["empathy_bench.result_id"] == wanted.id
    assert f"/experiments/{run.info.experiment_id}/" in address.fragment
    assert run_pages(here.tracking_uri) == {}
    (kept,) = (tmp_path / "cache").rglob("answers/*.jsonl")
    kept.write_text("damaged")
    assert load_answers(server.uri, [wanted])[wanted.id].read_bytes() == said
    load_answers(here.tracking_uri, [wanted])[wanted.id].write_text("altered")
    assert load_answers(here.tracking_uri, [wanted]) == {}


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


def test_a_host_name_that_the_server_forbids_is_told(server: Server, tmp_path: Path) -> None:
    # As a proxy, the server receives our request under a name that is not its own.
    code = """
import json
from harness.errors import TrackingError
from harness.tracking import Store, check_store
try:
    check_store(Store("http://mlflow.team:5000"))
except TrackingError as error:
    print(json.dumps({"error": str(error)}))
"""
    answer = python(code, tmp_path, http_proxy=server.uri, no_proxy="", NO_PROXY="")
    assert "HTTP 403" in answer["error"]
    assert "mlflow server --allowed-hosts 'mlflow.team,mlflow.team:*'" in answer["error"]
