"""`leaderboard serve` as a process: follows its sources, outlives damage, answers its own host."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from board_results import metric, result

from harness.results import write_result


def put(folder: Path, name: str, value: float) -> Path:
    file = folder / name / "result.json"
    write_result(file, result(name, metric("bleu_4", value, 0.2)))
    return file


class Serving:
    """The running command, and its port."""

    def __init__(self, folder: Path, cache: Path, *options: str) -> None:
        program = Path(sys.executable).parent / "empathy-bench"
        self.process = subprocess.Popen(
            [program, "leaderboard", "serve", folder, "--port", "0", "--every", "0.2", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.match(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line + self.stop()
        self.port = int(found[1])

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not true():
            assert time.monotonic() < deadline and self.process.poll() is None
            time.sleep(0.1)

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=60)[1]
        return str(said)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    put(tmp_path / "runs", "alpha", 3.0)
    started = Serving(tmp_path / "runs", tmp_path / "cache")
    yield started
    if started.process.poll() is None:
        started.stop()


def test_it_follows_its_sources_and_outlives_damage(serving: Serving, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    assert "alpha" in serving.ask("/")[1]
    put(runs, "beta", 2.0)
    serving.until(lambda: "beta" in serving.ask("/")[1])
    assert "beta" in serving.ask("/board.md")[1]
    assert json.loads(serving.ask("/board.json")[1])["schema"] == "empathy-bench/board/1"
    damaged = runs / "beta" / "result.json"
    damaged.write_text("{")
    serving.until(lambda: bool(json.loads(serving.ask("/health")[1])["problem"]))
    assert "beta" in serving.ask("/")[1]
    put(runs, "beta", 4.0)
    serving.until(lambda: not json.loads(serving.ask("/health")[1])["problem"])
    said = serving.stop()
    assert serving.process.returncode == 130
    assert said.count("not rebuilt, the last board stays") == 1 and "Traceback" not in said


def test_it_answers_its_own_host_and_a_handful_of_paths(serving: Serving) -> None:
    own = f"localhost:{serving.port}"
    assert serving.ask("/", Host=own)[0] == 200
    for other in ("evil.example", f"evil.example:{serving.port}", "127.0.0.1:1", ""):
        status, text = serving.ask("/", Host=other)
        assert status == 403 and "alpha" not in text, other
    for path in ("/../../etc/passwd", "/runs/", "//etc/passwd", "/%2e%2e/", "/board.html", "/x"):
        assert serving.ask(path)[0] == 404, path
    assert serving.ask("/", "HEAD") == (200, "")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert serving.ask("/", method)[0] == 501


def test_a_port_that_is_taken_is_one_line(serving: Serving, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "empathy-bench"
    command = [program, "leaderboard", "serve", tmp_path / "runs", "--port", str(serving.port)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "--port 0 takes any free port" in ran.stderr and "Traceback" not in ran.stderr


def test_the_page_reloads_itself_and_keeps_its_address(
    serving: Serving, tmp_path: Path, chromium: str
) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page: Any = running.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"http://127.0.0.1:{serving.port}/#filter=a")
        assert page.locator("tr.row[data-name=alpha]").count() == 1
        page.wait_for_timeout(300)
        put(tmp_path / "runs", "gamma", 5.0)
        page.locator("tr.row[data-name=gamma]").wait_for(timeout=60_000)
        assert page.url.endswith("#filter=a")
        assert page.locator("#filter").input_value() == "a"
        assert complaints == []
        running.close()
