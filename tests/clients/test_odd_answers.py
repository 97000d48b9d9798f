"""Odd servers: waits, budgets and answers that would break a file or a run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.clients import Budget, Cache, Message, Purse, Reply, Request, ask, load_endpoint
from harness.clients.schema import check_schema, misfit_text
from harness.errors import DataError
from tests.clients.servers import FAULTS, FaultyProxy, Upstream, completion

TEXT = "You must feel so alone."


def body(**choice: Any) -> str:
    made = completion(TEXT)
    made["choices"][0] |= choice
    return json.dumps(made)


class Saying(Upstream):
    """Says the rows in turn, the last of them from then on: a body, or (status, headers)."""

    def __init__(self, *rows: str | tuple[int, dict[str, str]]) -> None:
        super().__init__(lambda _: "")
        self.rows = list(rows)
        self.at: list[float] = []

    async def complete(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.at.append(time.monotonic())
        row = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        if isinstance(row, str):
            return web.Response(text=row, content_type="application/json")
        return web.Response(status=row[0], headers=row[1], text="wait")


def questions(count: int, **options: Any) -> list[Request]:
    return [Request(messages=(Message("user", f"item {n}"),), max_tokens=9, **options)
            for n in range(count)]  # fmt: skip


def said(server: Upstream, folder: Path, *, budget: Budget | None = None, **options: Any) -> Reply:
    options = {"attempts": 3, "backoff": 0.001, "concurrency": 1} | options
    client = load_endpoint(f"{server.url}#m", **options)
    with Cache(folder) as cache:
        (reply,) = ask(client, questions(1), cache=cache, purse=Purse(client, budget))
    with Cache(folder) as cache:
        assert list(cache.answers.values()) == ([reply] if reply.failure is None else [])
    return reply


def test_half_a_surrogate_pair_does_not_stop_the_run(tmp_path: Path) -> None:
    with Saying(body().replace("alone", "\\ud83d alone \\ud83d\\ude00")) as server:
        assert said(server, tmp_path).text == "You must feel so \ufffd alone \U0001f600."


def test_an_infinite_log_probability_can_be_written(tmp_path: Path) -> None:
    rows = {"content": [{"token": "a", "logprob": float("-inf")}]}
    with Saying(body(logprobs=rows)) as server:
        assert said(server, tmp_path).logprobs == ({"token": "a", "logprob": -9999.0},)


@pytest.mark.parametrize(
    "odd",
    [
        body(logprobs={"content": 5}),
        body(logprobs={"content": [float("nan")]}),
        body(message={"content": ["a"]}),
        body(message=None),
        body().replace('"prompt_tokens": 7', '"prompt_tokens": 1e999'),
        '{"choices": []}',
        "null",
        "",
        "[" * 100_000,
    ],
)
def test_what_is_no_completion_is_a_failure_by_name(odd: str, tmp_path: Path) -> None:
    with Saying(odd) as server:
        reply = said(server, tmp_path)
        assert (reply.failure, reply.attempts, reply.unmetered) == ("not_json", 3, 3)


def test_what_the_server_asks_to_wait_is_waited_and_capped(tmp_path: Path) -> None:
    refusals = [(429, {"Retry-After": "0.4"}), (503, {"Retry-After": "3600"})]
    with Saying(*refusals, body()) as server:
        reply = said(server, tmp_path, longest_wait=0.6)
        assert reply.text == TEXT and reply.attempts == 3
        first, second = (b - a for a, b in zip(server.at, server.at[1:], strict=False))
    assert 0.4 <= first < 0.6 <= second < 5


def test_a_deadline_bounds_all_attempts(tmp_path: Path) -> None:
    with Upstream(lambda _: TEXT, delay_s=30) as server:
        started = time.monotonic()
        reply = said(server, tmp_path, attempts=99, timeout=0.7, deadline=1.0)
        assert time.monotonic() - started < 1.3
        assert reply.failure == "timeout" and reply.unmetered == reply.attempts


def test_a_retry_without_budget_waits_for_more(tmp_path: Path) -> None:
    # 9 answer tokens and 3 for the prompt (10 bytes / 4) bound an attempt.
    with Saying((429, {"Retry-After": "0"}), body()) as server:
        reply = said(server, tmp_path, budget=Budget(limit=18))
        assert reply.failure == "budget" and "rate_limited" in (reply.reason or "")
        assert said(server, tmp_path, budget=Budget(limit=12)).text == TEXT


def test_one_purse_holds_over_several_calls(tmp_path: Path) -> None:
    with Upstream(lambda _: TEXT) as server, Cache(tmp_path) as cache:
        client = load_endpoint(f"{server.url}#m", concurrency=4)
        purse = Purse(client, Budget(limit=40))
        replies = [
            reply
            for n in range(5)
            for reply in ask(client, questions(2, repeat=n), cache=cache, purse=purse)
        ]
        # An answer costs 7 + 5 by the server's count, bounded by 12: three of them fit in 40.
        assert [reply.failure for reply in replies] == [None] * 3 + ["budget"] * 7
        assert server.finished.total() == 3


def test_a_key_with_a_newline_is_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Listening(Saying):
        async def complete(self, request: web.Request) -> web.StreamResponse:
            seen.append(request.headers["Authorization"])
            return await super().complete(request)

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret\n")
    with Listening(body()) as server:
        assert said(server, tmp_path).text == TEXT
    assert seen == ["Bearer sk-secret"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "strnig"}, "strnig"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "additionalProperties"),
        ({"type": "array", "items": {"pattern": "a"}}, "pattern"),
        ({"type": "array", "items": True}, "True"),
    ],
)
def test_a_schema_that_would_not_be_checked_is_refused_before_asking(
    schema: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=words):
        check_schema(schema)
    with Saying(body()) as server:
        with Cache(tmp_path) as cache, pytest.raises(ValueError, match=words):
            ask(load_endpoint(f"{server.url}#m"), questions(2, schema=schema), cache=cache)
        assert not server.at
    with Cache(tmp_path) as cache:
        assert cache.in_flight == 0


@pytest.mark.parametrize("text", ['{"a": "\\ud83d"}', '{"a": 1e999}', '{"\\udc00": 1}'])
def test_an_answer_that_no_file_could_hold_does_not_fit(text: str) -> None:
    assert "surrogate" in (misfit_text(text, {}) or "")
    assert misfit_text('{"a": "\\ud83d\\ude00"}', {}) is None


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("answers", '{"key": ["a"], "text": "x"}'),
        ("answers", '{"key": "a", "text": 5}'),
        ("journal", '{"key": ["a"], "event": "start"}'),
    ],
)
def test_a_line_of_wrong_types_is_named(name: str, line: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=rf"{name}\.jsonl:1"), Cache(tmp_path):
        pass


@pytest.mark.parametrize("fault", FAULTS)
def test_the_proxy_breaks_the_share_it_is_told(fault: str, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"score": {"type": "integer"}}}
    with (
        Upstream(lambda _: '{"score": 5}') as server,
        FaultyProxy(server.url, rate=0.2, seed=3, hold_s=0.6, faults=(fault,)) as proxy,
        Cache(tmp_path) as cache,
    ):
        client = load_endpoint(f"{proxy.url}#m", concurrency=16, attempts=60, timeout=0.2,
                               backoff=0.002, longest_wait=0.02)  # fmt: skip
        replies = ask(client, questions(100, schema=schema), cache=cache)
        assert {reply.text for reply in replies} == {'{"score": 5}'}
        # Binomial: 20 % of some 125 requests, three standard deviations of 3.6 % to either side.
        assert 0.09 < proxy.injected[fault] / proxy.requests < 0.31
        assert sum(reply.attempts for reply in replies) == proxy.requests
        assert proxy.requests == 100 + proxy.injected[fault]
