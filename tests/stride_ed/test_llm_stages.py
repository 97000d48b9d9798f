"""Annotation and grading by an LLM endpoint: faults, kills, budgets; nothing lost or paid twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stride_ed.records import read_annotations, read_scores
from stride_ed.rubric import DIMENSIONS
from stride_ed.strategies import STRATEGY_NAMES
from tests.clients.servers import FAULTS, FaultyProxy, Upstream

LIMIT = 24


def answer(messages: list[dict[str, str]]) -> str:
    """What a well-behaved model says, by the words of the question alone."""
    number = sum(messages[-1]["content"].encode())
    if "You grade" in messages[0]["content"]:
        return json.dumps({"reason": "so"} | {name: 1 + (number + len(name)) % 5
                                              for name in DIMENSIONS})  # fmt: skip
    return json.dumps({"context": f"They told {number}.", "action": "Listen.",
                       "strategy": STRATEGY_NAMES[number % 14]})  # fmt: skip


def command(url: str, step: str, *more: str) -> list[str]:
    option = "--annotator" if step == "annotate" else "--evaluator"
    limit = ["--limit", str(LIMIT)] if step == "annotate" else []
    return [sys.executable, "-m", "harness.cli", "stride", step, "work", option,
            f"openai:{url}#tiny", "--data", "sample", "--concurrency", "16", *limit, *more]  # fmt: skip


def run(folder: Path, url: str, step: str, *more: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.run(command(url, step, *more), cwd=folder, env=environment(), check=False,
                          capture_output=True, text=True, timeout=300)  # fmt: skip


def environment() -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]), "OPENAI_API_KEY": "sk-very-secret-key",
    }  # fmt: skip


def bodies(path: Path) -> list[dict[str, Any]]:
    """Records without their header, which names the host."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.fixture(scope="module", name="clean")
def clean_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A refinement without faults or kills."""
    folder = tmp_path_factory.mktemp("clean")
    with Upstream(answer) as upstream:
        for step in ("annotate", "evaluate"):
            done = run(folder, upstream.url, step)
            assert done.returncode == 0, done.stderr
        assert set(upstream.finished.values()) == {1} and len(upstream.finished) == 2 * LIMIT
    yield folder / "work"


def test_every_turn_is_explained_and_graded_once(clean: Path) -> None:
    _, found = read_annotations(clean / "annotations.jsonl")
    assert len(found) == LIMIT and all(a.trace is not None for a in found.values())
    _, scores = read_scores(clean / "scores" / "tiny.jsonl")
    assert set(scores) == set(found)
    assert all(set(score.values) == set(DIMENSIONS) for score in scores.values())
    files = [path for path in clean.rglob("*") if path.is_file()]
    assert files and not any(b"very-secret" in path.read_bytes() for path in files)


def test_faults_and_kills_leave_the_same_records(clean: Path, tmp_path: Path) -> None:
    rng = random.Random(1)
    patient = ("--timeout", "2", "--attempts", "40")
    with (
        Upstream(answer, delay_s=0.15) as upstream,
        FaultyProxy(upstream.url, rate=0.5, hold_s=4.0) as proxy,
    ):
        in_flight = 0
        for step in ("annotate", "evaluate"):
            for _ in range(3):
                process = subprocess.Popen(
                    command(proxy.url, step, "--resume", *patient), cwd=tmp_path, env=environment(),
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                # Into the asking, whatever the start takes on this machine.
                before, patience = proxy.requests, time.monotonic() + 60
                while (proxy.requests < before + rng.randrange(3, 25)
                       and process.poll() is None and time.monotonic() < patience):  # fmt: skip
                    time.sleep(0.01)
                process.send_signal(signal.SIGKILL)
                process.wait()
                in_flight += 16
            done = run(tmp_path, proxy.url, step, "--resume", *patient)
            assert done.returncode == 0, done.stderr
        asked_again = sum(
            count - 1 - proxy.spoilt[name] for name, count in upstream.finished.items()
        )
    for name in ("annotations.jsonl", "scores/tiny.jsonl"):
        found = {row["id"]: row for row in bodies(tmp_path / "work" / name)}
        assert len(found) == len(bodies(tmp_path / "work" / name)) == LIMIT
        assert found == {row["id"]: row for row in bodies(clean / name)}
    assert set(proxy.injected) == set(FAULTS)
    assert proxy.injected.total() > 0.3 * proxy.requests
    # Paid again is only what was under way at a kill.
    assert 0 <= asked_again <= in_flight
    answers = (tmp_path / "work" / "replies" / "answers.jsonl").read_text(encoding="utf-8")
    keys = [json.loads(line)["key"] for line in answers.splitlines()]
    assert len(keys) == len(set(keys)) == 2 * LIMIT


def test_a_dry_run_asks_nothing_and_a_budget_stops(tmp_path: Path) -> None:
    with Upstream(answer) as upstream:
        prices = ("--price-in", "1000", "--price-out", "2000")
        dry = run(tmp_path, upstream.url, "annotate", "--dry-run", *prices)
        assert dry.returncode == 0 and f"{LIMIT}, 0 of them answered before" in dry.stdout
        assert "cost" in dry.stdout and not upstream.finished
        # An answer of this server costs 7 · .001 + 5 · .002; its bound is a share of the estimate.
        most = float(dry.stdout.partition("at most ")[2].rpartition("at most ")[2].split(",")[0])
        budget = 1.15 * most / LIMIT
        part = run(tmp_path, upstream.url, "annotate", *prices, "--budget", f"{budget:.4f}")
        assert part.returncode == 0, part.stderr
        answered = len(upstream.finished)
        assert 0 < answered < LIMIT
        assert f"{LIMIT - answered} turns wait" in part.stdout
        assert 0.017 * answered <= budget
        whole = run(tmp_path, upstream.url, "annotate", *prices, "--resume")
        assert whole.returncode == 0, whole.stderr
        assert set(upstream.finished.values()) == {1} and len(upstream.finished) == LIMIT


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "http://127.0.0.1:9/v1", "annotate")
    assert done.returncode == 2 and "127.0.0.1:9" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "work" / "annotations.jsonl").exists()


def test_a_real_server_with_the_bundled_model(server: tuple[str, str], tmp_path: Path) -> None:
    """It is too small to answer in the schema, and every turn must end as a record that says so."""
    url, name = server
    arguments = [sys.executable, "-m", "harness.cli", "stride", "annotate", "work", "--data",
                 "sample", "--limit", "6", "--concurrency", "16", "--max-tokens", "16",
                 "--attempts", "1", "--annotator", f"openai:{url}#{name}", "--resume"]  # fmt: skip
    journal = tmp_path / "work" / "replies" / "journal.jsonl"
    rng = random.Random(2)
    for _ in range(3):
        process = subprocess.Popen(arguments, cwd=tmp_path, env=environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        begun, deadline = len(events(journal)), time.monotonic() + 60
        while len(events(journal)) == begun and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(), check=False,
                          capture_output=True, text=True, timeout=500)  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, found = read_annotations(tmp_path / "work" / "annotations.jsonl")
    assert len(found) == 6
    kinds = {(a.error or "answered").partition(":")[0] for a in found.values()}
    assert kinds <= {"timeout", "answered", "truncated", "wrong_schema", "empty"}
    # Asked again is only what was under way at one of the three kills, or had failed.
    starts = [row["key"] for row in events(journal) if row["event"] == "start"]
    assert len(set(starts)) == 6 and len(starts) <= 4 * 6
    failures = sum(row["event"] == "failure" for row in events(journal))
    answers = sum(a.trace is not None for a in found.values())
    assert len(starts) - failures - answers <= 3 * 6


def events(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal that may be being written."""
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]
