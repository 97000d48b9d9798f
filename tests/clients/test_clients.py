"""The client for many prompts: waits as told, remembers refusals, keeps answers whole."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.clients import (
    Cache,
    Message,
    Prices,
    Purse,
    Reply,
    Request,
    ask,
    client_name,
    estimate,
    key,
    load_client,
    load_endpoint,
)
from harness.clients.endpoint import retry_after
from harness.errors import DataError, ModelError, StorageError
from tests.clients.servers import FAULTS, FaultyProxy, Upstream, name_of

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


def requests(count: int, **options: Any) -> list[Request]:
    return [Request(messages=(Message("user", f"item {n}"),), schema=SCHEMA, **options)
            for n in range(count)]  # fmt: skip


def five(messages: list[dict[str, str]]) -> str:
    return '{"score": 5}'


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("3", 3.0), ("0.5", 0.5), ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0), ("soon", None),
     (None, None), ("", None), ("-1", None), ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(said: str | None, seconds: float | None) -> None:
    # 1994-11-06 08:49:00 UTC
    assert retry_after(said, 784111740.0) == seconds


def test_every_fault_is_outlived_and_accounted_for(tmp_path: Path) -> None:
    with (
        Upstream(five) as upstream,
        FaultyProxy(upstream.url, rate=0.9, seed=4, hold_s=1.0) as proxy,
        Cache(tmp_path) as cache,
    ):
        client = load_endpoint(f"{proxy.url}#m", concurrency=16, attempts=60, timeout=0.4,
                               backoff=0.002, longest_wait=0.05)  # fmt: skip
        replies = ask(client, requests(40), cache=cache)
        assert [reply.text for reply in replies] == ['{"score": 5}'] * 40
        assert set(proxy.injected) == set(FAULTS)
        # Every request that the proxy saw is an attempt of some reply.
        assert sum(reply.attempts for reply in replies) == proxy.requests
        # Upstream answered again only where the proxy had spoilt its answer.
        assert all(count == 1 + proxy.spoilt[name] for name, count in upstream.finished.items())
        # Spoilt answers that came without a count may have been billed, and are said to be.
        unseen = proxy.injected["cut"] + proxy.injected["not_json"] + proxy.injected["timeout"]
        assert sum(reply.unmetered for reply in replies) == unseen
    with Cache(tmp_path) as cache:
        assert len(cache.answers) == 40 and cache.in_flight == 0 and not cache.failures


def test_what_fails_for_good_is_a_failure_with_its_reason_and_asked_again(tmp_path: Path) -> None:
    said = Counter[str]()

    def never(messages: list[dict[str, str]]) -> str:
        said[messages[0]["content"]] += 1
        return '{"score": "high"}'

    with Upstream(never) as upstream:
        for run in (1, 2):
            with Cache(tmp_path) as cache:
                client = load_endpoint(f"{upstream.url}#m", attempts=3, backoff=0.001)
                (reply,) = ask(client, requests(1), cache=cache)
                assert reply.failure == "wrong_schema" and "integer" in (reply.reason or "")
                assert reply.attempts == 3 and reply.completion_tokens == 15
                assert said["item 0"] == 3 * run and cache.failures.total() == run


@pytest.mark.parametrize(
    ("formats", "seen"),
    [
        (("json_schema",), {"json_schema": 9}),
        (("json_object",), {"json_schema": 1, "json_object": 9}),
        ((), {"json_schema": 1, "json_object": 1, "plain": 9}),
    ],
)
def test_a_form_that_is_refused_is_not_offered_again(
    formats: tuple[str, ...], seen: dict[str, int], tmp_path: Path
) -> None:
    with Upstream(five, formats=formats) as upstream, Cache(tmp_path) as cache:
        client = load_endpoint(f"{upstream.url}#m", concurrency=1)
        assert all(reply.text for reply in ask(client, requests(9), cache=cache))
        assert upstream.seen_formats == seen


class Refusing(Upstream):
    status = 404

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.finished[name_of(await request.json())] += 1
        key = request.headers.get("Authorization", "")
        return web.Response(status=self.status, text=f"model m for {key} is not known")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_ends_it_at_once(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with Refusing(five) as upstream, Cache(tmp_path) as cache:
        upstream.status = status
        client = load_endpoint(f"{upstream.url}#m", concurrency=2)
        with pytest.raises(ModelError, match=rf"refuses m \(http_{status}") as raised:
            ask(client, requests(50), cache=cache)
        assert upstream.finished.total() <= 2 and "secret" not in str(raised.value)
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.iterdir())


def test_a_bad_request_is_that_requests_failure_alone(tmp_path: Path) -> None:
    with Refusing(five) as upstream, Cache(tmp_path) as cache:
        upstream.status = 400
        client = load_endpoint(f"{upstream.url}#m")
        replies = ask(client, requests(3), cache=cache)
        assert {reply.failure for reply in replies} == {"http_400"}
        assert upstream.finished.total() == 3


def test_rates_are_kept(tmp_path: Path) -> None:
    import time

    with Upstream(five) as upstream, Cache(tmp_path) as cache:
        client = load_endpoint(f"{upstream.url}#m", concurrency=16, requests_per_minute=600)
        started = time.monotonic()
        ask(client, requests(11), cache=cache)
        # Ten gaps of a tenth of a second.
        assert 1.0 <= time.monotonic() - started < 6


def test_an_estimate_counts_what_would_be_sent(tmp_path: Path) -> None:
    with Upstream(five) as upstream, Cache(tmp_path) as cache:
        client = load_endpoint(f"{upstream.url}#m")
        ask(client, requests(4), cache=cache)
        found = estimate(requests(10) + requests(2), client, cache=cache,
                         prices=Prices(input=1e6, output=2e6))  # fmt: skip
        assert (found.requests, found.distinct, found.cached) == (12, 10, 4)
        assert found.completion_bound == 6 * 256 and not found.exact_prompt
        assert found.most == found.prompt_tokens + 2 * found.completion_bound
        assert upstream.finished.total() == 4


def test_an_unknown_keyword_of_a_schema_is_said_plainly(tmp_path: Path) -> None:
    asked = [replace(requests(1)[0], schema={"type": "object", "oneOf": []})]
    with Upstream(five) as upstream, Cache(tmp_path) as cache:
        with pytest.raises(ValueError, match="oneOf"):
            ask(load_endpoint(f"{upstream.url}#m"), asked, cache=cache)
        assert not upstream.finished


IDENTITY = {"client": "openai", "model": "m"}


@given(st.integers(1, 99), st.floats(0, 2), st.integers(0, 9), st.text())
def test_a_key_depends_on_everything_that_is_asked(
    tokens: int, temperature: float, repeat: int, words: str
) -> None:
    one = Request(messages=(Message("user", words),), max_tokens=tokens,
                  temperature=temperature, repeat=repeat)  # fmt: skip
    name = key(one, IDENTITY)
    assert name == key(replace(one), dict(reversed(IDENTITY.items())))
    for other in (
        replace(one, max_tokens=tokens + 1), replace(one, temperature=temperature + 0.1),
        replace(one, repeat=repeat + 1), replace(one, seed=one.seed + 1),
        replace(one, messages=(Message("system", words),)), replace(one, schema=SCHEMA),
        replace(one, messages=(Message("user", words + "."),)), replace(one, logprobs=1),
    ):  # fmt: skip
        assert key(other, IDENTITY) != name
    assert key(one, IDENTITY | {"model": "n"}) != name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(["answers.jsonl", "journal.jsonl"]), st.integers(0, 400))
def test_a_cache_cut_at_any_byte_keeps_what_is_whole(tmp_path: Path, name: str, cut: int) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    with Cache(tmp_path) as cache:
        for n in range(3):
            cache.start([f"k{n}"])
            cache.keep(f"k{n}", Reply(text=f"answer {n}\u2028 \U0001f600", attempts=1))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:cut])
    with Cache(tmp_path) as cache:
        kept = whole[:cut].count(b"\n") if name == "answers.jsonl" else 3
        assert list(cache.answers) == [f"k{n}" for n in range(kept)]
        if name == "answers.jsonl":
            assert cache.in_flight == 3 - kept
        cache.keep("k9", Reply(text="more"))
    with Cache(tmp_path) as cache:
        assert cache.answers["k9"].text == "more"


def test_what_was_under_way_at_each_crash_stays_counted(tmp_path: Path) -> None:
    for _ in range(2):
        with Cache(tmp_path) as cache:
            cache.start(["a", "b"])
    with Cache(tmp_path) as cache:
        assert cache.in_flight == 4
        cache.start(["a"])
        cache.keep("a", Reply(text="x"))
    with Cache(tmp_path) as cache:
        # Both of b, and a twice before it was answered.
        assert cache.in_flight == 4


def _second(folder: Path, said: Any) -> None:
    try:
        with Cache(folder):
            said.put("opened")
    except StorageError as error:
        said.put(str(error))


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    said = context.Queue()
    with Cache(tmp_path):
        process = context.Process(target=_second, args=(tmp_path, said))
        process.start()
        assert "another process" in said.get(timeout=60)
        process.join()


@pytest.mark.parametrize(
    "line", ["[]", '{"key": "k"}', '{"text": "x"}', "{", '{"key": "k", "a": 1}']
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    with Cache(tmp_path) as cache:
        cache.keep("k", Reply(text="x"))
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=r"answers\.jsonl:2"), Cache(tmp_path):
        pass


def test_names_are_short_and_specifications_checked() -> None:
    assert client_name("openai:http://h/v1#org/model-7b") == "model-7b"
    assert client_name("hf:/some/where/folder") == "folder"
    assert client_name("smollm2") == "smollm2"
    for wrong in ("openai:http://h/v1", "openai:ftp://h#m", "openai:http://u:p@h/v1#m"):
        with pytest.raises(ModelError):
            load_client(wrong)


@pytest.fixture(scope="module", name="local")
def local_client() -> Any:
    return load_client("smollm2", batch_size=3)


WORDS = (
    "Say hello.",
    "Name a colour.",
    "I lost my job yesterday and do not know what to do.",
    "Hi",
)


def test_a_local_model_answers_alike_in_any_batch_and_order(local: Any, tmp_path: Path) -> None:
    asked = [Request(messages=(Message("user", w),), max_tokens=8) for w in WORDS]
    said = {}
    for number, (size, order) in enumerate(((3, asked), (1, asked[::-1]))):
        local.batch_size = size
        with Cache(tmp_path / str(number)) as cache:
            for request, reply in zip(order, ask(local, order, cache=cache), strict=True):
                text = reply.text or reply.failure
                assert said.setdefault(request.messages, text) == text
                assert reply.prompt_tokens == local.count_tokens(request)[0]
                assert reply.completion_tokens <= 8


def test_what_a_local_model_draws_is_fixed_by_the_request(local: Any, tmp_path: Path) -> None:
    asked = [Request(messages=(Message("user", WORDS[2]),), max_tokens=12, temperature=1.5,
                     repeat=n) for n in range(3)]  # fmt: skip
    texts = []
    for number, order in enumerate((asked, asked[::-1])):
        with Cache(tmp_path / str(number)) as cache:
            replies = dict(
                zip([r.repeat for r in order], ask(local, order, cache=cache), strict=True)
            )
        texts.append([(replies[n].text, replies[n].failure) for n in range(3)])
        assert {reply.finish_reason for reply in replies.values()} <= {"stop", "length"}
    assert texts[0] == texts[1]


def test_a_local_models_failures_have_names(local: Any, tmp_path: Path) -> None:
    long = Request(messages=(Message("user", "word " * 9000),), max_tokens=8)
    bad = Request(messages=(Message("user", "Say hello."),), max_tokens=60, schema=SCHEMA)
    with Cache(tmp_path) as cache:
        too_long, wrong = ask(local, [long, bad], cache=cache, purse=Purse(local, None))
    assert too_long.failure == "too_long" and "9" in (too_long.reason or "")
    assert wrong.failure in ("wrong_schema", "truncated")
    assert json.dumps(local.identity)
