"""Run folders made by hand, fresh interpreters, and a real MLflow server, for the tracking tests."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import tracking
from harness.files import sha256_file
from harness.results import MetricResult, Result, write_result
from harness.tracking import Store
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


def free_port() -> int:
    """Below the ephemeral range: no outgoing connection takes it before the server is up."""
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


def wait_until(condition: Callable[[], bool], timeout: float = 180) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path | None = None) -> None:
    """Wait until something answers; the end of `process` is the end of waiting."""

    def answers() -> bool:
        assert process.poll() is None, log.read_text()[-2000:] if log else "it ended"
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
        self.log = folder / "server.log"
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        database = Store(f"sqlite:///{self.folder}/mlflow.db", (self.folder / "files").as_uri())
        tracking.prepare(database)
        options = {
            "--host": "127.0.0.1",
            "--port": str(self.port),
            "--workers": "1",
            "--backend-store-uri": database.tracking_uri,
            "--artifacts-destination": str(self.folder / "files"),
        }
        words = [word for pair in options.items() for word in pair]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words],
            cwd=self.folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        wait_for(f"{self.uri}/health", self.process, self.log)

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
