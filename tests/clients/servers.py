"""Real sockets for tests: a small chat-completions server, and a proxy that breaks things."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, web

Answer = Callable[[list[dict[str, str]]], str]

FAULTS = ("rate_limited", "server_error", "timeout", "cut", "not_json", "wrong_schema")


def name_of(body: Mapping[str, Any]) -> str:
    """A request's name in logs: what was asked, not how."""
    return hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()[:16]


class _Running:
    """An aiohttp application in a thread of its own; `url` is its base."""

    url: str

    def __enter__(self) -> Self:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(20)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main(started))

    async def _main(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=10**8)
        app.router.add_post("/v1/chat/completions", self.complete)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"  # type: ignore[attr-defined]
        started.set()
        await self._stop.wait()
        await runner.cleanup()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError


class Upstream(_Running):
    """Answers by `answer`; `finished` counts the answers given to each question."""

    def __init__(
        self, answer: Answer, *, delay_s: float = 0.0, formats: tuple[str, ...] = ("json_schema",)
    ) -> None:
        self.finished: Counter[str] = Counter()
        self.formats = formats
        self.seen_formats: Counter[str] = Counter()
        self._answer, self._delay = answer, delay_s

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        asked = (body.get("response_format") or {}).get("type", "plain")
        self.seen_formats[asked] += 1
        if asked != "plain" and asked not in self.formats:
            words = f"response_format {asked} is not supported"
            return web.json_response({"error": {"message": words}}, status=400)
        await asyncio.sleep(self._delay)
        self.finished[name_of(body)] += 1
        return web.json_response(completion(self._answer(body["messages"])))


def completion(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text},
              "finish_reason": "stop"}  # fmt: skip
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    return {"choices": [choice], "usage": usage}


class FaultyProxy(_Running):
    """Passes requests to `upstream` but for a share `rate` that it breaks, by `seed` and number.

    429, 500 and a held connection break a request before it reaches upstream; a cut body, a body
    that is no JSON and words outside the schema replace an answer that upstream gave, and that was
    paid: `spoilt` names these.
    """

    def __init__(
        self, upstream: str, *, rate: float = 0.2, seed: int = 0, hold_s: float = 1.5,
        faults: tuple[str, ...] = FAULTS,
    ) -> None:  # fmt: skip
        self.injected: Counter[str] = Counter()
        self.spoilt: Counter[str] = Counter()
        self.requests = 0
        self._upstream, self._rate, self._seed, self._hold = upstream, rate, seed, hold_s
        self._faults = faults

    async def complete(self, request: web.Request) -> web.StreamResponse:
        draw = Random(f"{self._seed}|{self.requests}")
        self.requests += 1
        fault = draw.choice(self._faults) if draw.random() < self._rate else ""
        if fault:
            self.injected[fault] += 1
        raw = await request.read()
        if fault == "rate_limited":
            return web.Response(status=429, headers={"Retry-After": "0.05"}, text="slow down")
        if fault == "server_error":
            return web.Response(status=500, text="<h1>oops</h1>")
        if fault == "timeout":
            await asyncio.sleep(self._hold)
            return web.Response(status=504)
        async with (
            ClientSession() as session,
            session.post(f"{self._upstream}/chat/completions", data=raw,
                         headers={"Content-Type": "application/json"}) as answer,
        ):  # fmt: skip
            status, body = answer.status, await answer.read()
        if not fault or status != 200:
            return web.Response(status=status, body=body, content_type="application/json")
        self.spoilt[name_of(json.loads(raw))] += 1
        if fault == "not_json":
            return web.Response(text="<html>gateway</html>", content_type="text/html")
        if fault == "wrong_schema":
            return web.json_response(completion('{"verdict": "five of five", "score": "5"}'))
        cut = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await cut.prepare(request)
        await cut.write(body[: len(body) // 2])
        assert request.transport is not None
        request.transport.abort()
        return cut
