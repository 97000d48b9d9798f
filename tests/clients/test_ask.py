"""Asking through a real socket: faults are outlived, nothing is asked twice."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.clients import Budget, Cache, Message, Purse, Request, ask, load_endpoint

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}
REQUESTS = [
    Request(messages=(Message("user", f"item {n}"),), schema=SCHEMA, max_tokens=9)
    for n in range(40)
]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    faulty = False
    finished: Counter[str]


class Handler(BaseHTTPRequestHandler):
    server: Server
    draw = random.Random(7)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = asked["messages"][0]["content"]
        fault = self.draw.randrange(6) if self.server.faulty else 5
        if fault == 0:
            return self.say(429, b"slow down")
        if fault == 1:
            return self.say(500, b"broken " + self.headers.get("Authorization", "").encode())
        if fault == 2:
            return self.say(200, b"<html>")
        if fault == 3:
            return self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{") and None
        if fault == 5:
            self.server.finished[said] += 1
        text = json.dumps({"score": "five" if fault == 4 else 5})
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        self.say(200, json.dumps({"choices": [choice], "usage": usage}).encode())

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "0.01")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.finished = Counter()
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def client(server: Server, attempts: int = 60):
    url = f"http://127.0.0.1:{server.server_address[1]}/v1#m"
    return load_endpoint(url, concurrency=16, attempts=attempts, backoff=0.001, longest_wait=0.02)


def test_faults_end_where_no_faults_end_and_nothing_is_asked_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    server.faulty = True
    with Cache(tmp_path) as cache:
        ask(client(server, attempts=2), REQUESTS, cache=cache)
        assert cache.failures, "with two attempts some must fail"
        replies = ask(client(server), REQUESTS + REQUESTS, cache=cache)
    assert [reply.text for reply in replies] == ['{"score": 5}'] * 80
    with Cache(tmp_path) as cache:
        assert ask(client(server), REQUESTS, cache=cache) == replies[:40]
        assert cache.in_flight == 0
    assert set(server.finished.values()) == {1}
    assert len(server.finished) == 40
    assert b"sk-secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_budget_starts_nothing_that_might_pass_it(server: Server, tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        asked = client(server)
        purse = Purse(asked, Budget(limit=60))
        replies = ask(asked, REQUESTS, cache=cache, purse=purse)
    paid = sum(reply.prompt_tokens + reply.completion_tokens for reply in replies)
    assert 0 < paid <= 60
    assert {reply.failure for reply in replies} == {None, "budget"}
    assert sum(server.finished.values()) == sum(reply.failure is None for reply in replies)
