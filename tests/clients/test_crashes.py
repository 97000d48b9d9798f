"""Processes that are killed, interrupted, or out of disk: what was answered is not asked again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.clients.servers import FAULTS, FaultyProxy, Upstream

COUNT = 200
CONCURRENCY = 16


def five(messages: list[dict[str, str]]) -> str:
    return '{"score": 5}'


def start(url: str, folder: Path, *more: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]),
                                "OPENAI_API_KEY": "sk-very-secret"}  # fmt: skip
    command = [sys.executable, "-m", "tests.clients.asking_script", url, str(folder), str(COUNT)]
    return subprocess.Popen([*command, *more], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip


def stop(
    process: subprocess.Popen[str], how: int, proxy: FaultyProxy, after: int
) -> tuple[str, str]:
    """Send the signal once the proxy has seen so many more requests."""
    target, patience = proxy.requests + after, time.monotonic() + 60
    while proxy.requests < target and process.poll() is None and time.monotonic() < patience:
        time.sleep(0.002)
    assert process.poll() is None, "it ended before the signal"
    process.send_signal(how)
    return process.communicate(timeout=60)


def keys(folder: Path) -> list[str]:
    """Keys of the whole lines of the answers."""
    lines = (folder / "answers.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["key"] for line in lines]


@pytest.mark.parametrize("seed", [0, 1])
def test_three_kills_among_all_faults_lose_and_repeat_nothing_else(
    seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    with (
        Upstream(five, delay_s=0.05) as upstream,
        FaultyProxy(upstream.url, rate=0.6, seed=seed, hold_s=2.0) as proxy,
    ):
        kept: list[str] = []
        for _ in range(3):
            stop(start(proxy.url, tmp_path), signal.SIGKILL, proxy, rng.randrange(20, 90))
            found = keys(tmp_path)
            assert found[: len(kept)] == kept
            kept = found
        assert 0 < len(kept) < COUNT
        process = start(proxy.url, tmp_path)
        said, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
        answered, in_flight = map(int, said.split())
        assert answered == COUNT and in_flight <= 3 * CONCURRENCY
        # Given whole by upstream and not spoilt on the way, yet asked again: cut off by a kill.
        again = sum(n - 1 - proxy.spoilt[name] for name, n in upstream.finished.items())
    assert len(upstream.finished) == COUNT and 0 <= again <= in_flight
    assert len(keys(tmp_path)) == len(set(keys(tmp_path))) == COUNT
    assert set(proxy.injected) == set(FAULTS)
    assert not any(b"very-secret" in path.read_bytes() for path in tmp_path.iterdir())


def test_an_interrupt_keeps_what_was_answered(tmp_path: Path) -> None:
    with Upstream(five, delay_s=0.2) as upstream, FaultyProxy(upstream.url, rate=0) as proxy:
        process = start(proxy.url, tmp_path)
        _, complaint = stop(process, signal.SIGINT, proxy, 60)
        assert process.returncode not in (0, 2) and "KeyboardInterrupt" in complaint
        assert "ExceptionGroup" not in complaint
        kept = keys(tmp_path)
        assert 60 - CONCURRENCY <= len(kept) < COUNT
        process = start(proxy.url, tmp_path)
        said, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
        answered, in_flight = map(int, said.split())
    assert answered == COUNT and in_flight <= CONCURRENCY
    assert keys(tmp_path)[: len(kept)] == kept
    assert upstream.finished.total() - COUNT <= in_flight


def test_a_full_disk_is_one_line_and_can_be_gone_on_from(tmp_path: Path) -> None:
    with Upstream(five) as upstream:
        process = start(upstream.url, tmp_path, "9000")
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 2, complaint
        assert complaint.count("\n") == 1 and str(tmp_path) in complaint
        kept = keys(tmp_path)
        process = start(upstream.url, tmp_path)
        said, complaint = process.communicate(timeout=60)
        assert process.returncode == 0 and said.startswith(f"{COUNT} "), complaint
    assert 0 < len(kept) < COUNT and keys(tmp_path)[: len(kept)] == kept


def test_two_processes_do_not_share_a_cache(tmp_path: Path) -> None:
    with Upstream(five, delay_s=0.3) as upstream, FaultyProxy(upstream.url, rate=0) as proxy:
        first = start(proxy.url, tmp_path)
        patience = time.monotonic() + 60
        while not proxy.requests and time.monotonic() < patience:
            time.sleep(0.01)
        second = start(proxy.url, tmp_path)
        _, complaint = second.communicate(timeout=60)
        assert second.returncode == 2 and "another process" in complaint
        assert first.communicate(timeout=60)[0].startswith(f"{COUNT} 0")
    assert Counter(upstream.finished.values()) == {1: COUNT}
