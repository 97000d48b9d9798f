"""Any OpenAI-compatible endpoint as a client: `openai:URL#NAME`, over aiohttp.

Retries with exponential backoff and full jitter on 429, 5xx, timeouts, cut connections, bodies
that are no JSON and answers outside the schema. The key (OPENAI_API_KEY) is read when a session
opens, kept in no file, and blotted out of every reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from harness.clients.schema import misfit_text
from harness.clients.types import Permit, Reply, Request
from harness.errors import ModelError
from harness.jsonl import brief

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Endpoint", "load_endpoint", "retry_after"]

_AGAIN = {"rate_limited", "server_error", "timeout", "disconnected", "not_json", "wrong_schema",
          "empty", "http_408", "http_409", "http_425"}  # fmt: skip
_OF_WORDS = {"wrong_schema", "empty"}
_FORMS = ("json_schema", "json_object", "plain")
# A refusal of the form speaks of it, whatever the server; others are refusals of the request.
_REFUSALS = {f"http_{status}" for status in (400, 415, 422)}
_OF_FORM = re.compile(r"response_format|json_schema|json_object|schema|guided|grammar", re.I)
_OF_LOGPROBS = re.compile(r"logprob", re.I)
# No request of this client will fare better.
_FATAL = {f"http_{status}" for status in (401, 403, 404)}


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """A chat-completions endpoint.

    `attempts` and `deadline` (seconds, waits included) bound one request; `timeout` (seconds) one
    attempt. Limits a minute: None means none. `longest_wait` (seconds) caps Retry-After.
    `revision`: whatever tells two versions behind one name apart.
    """

    base: str
    model: str
    revision: str | None = None
    concurrency: int = 8
    attempts: int = 6
    timeout: float = 120.0
    deadline: float = 600.0
    backoff: float = 0.5
    longest_wait: float = 60.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    batch_size: int = field(default=1, init=False)
    form: int = field(default=0, init=False)
    logprobs: bool = field(default=True, init=False)
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)
    _key: str = field(default="", init=False, repr=False)
    _free: float = field(default=0.0, init=False, repr=False)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Client, host, model, revision: neither port, folder nor key."""
        name = Path(self.model).name if Path(self.model).is_absolute() else self.model
        host = urlsplit(self.base).hostname or ""
        return {"client": "openai", "host": host, "model": name, "revision": self.revision}

    def count_tokens(self, request: Request) -> tuple[int, bool]:
        """UTF-8 bytes / 4, rounded up: an estimate, no bound."""
        size = sum(len(m.role.encode()) + len(m.content.encode()) for m in request.messages)
        return -(-size // 4), False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A session whose connections are shared by all requests."""
        import aiohttp

        # A key read from a file mostly ends with a newline, which no header may hold.
        self._key = os.environ.get("OPENAI_API_KEY", "").strip()
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        connector = aiohttp.TCPConnector(limit=max(1, self.concurrency))
        async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
            self._session, self._free = session, 0.0
            try:
                yield
            finally:
                self._session = None

    async def answer(self, requests: Sequence[Request], permit: Permit) -> list[Reply]:
        """One reply per request, in order; see `Client.answer`.

        Raises:
            ModelError: the server refuses the key, or knows no such address or model.
        """
        return [await self._answer(request, permit) for request in requests]

    async def _answer(self, request: Request, permit: Permit) -> Reply:
        begun = time.monotonic()
        total = Reply(failure="budget", reason="the budget is used up")
        while total.attempts < self.attempts:
            if not permit(request):
                return _stopped(total)
            await self._pace(request)
            form, logprobs = self.form, self.logprobs
            left = self.deadline - (time.monotonic() - begun)
            body = _body(self.model, request, _FORMS[form], logprobs=logprobs)
            one, asked = await self._attempt(request, body, min(self.timeout, max(left, 0.001)))
            total = replace(
                one,
                attempts=total.attempts + 1,
                unmetered=total.unmetered + one.unmetered,
                prompt_tokens=total.prompt_tokens + one.prompt_tokens,
                completion_tokens=total.completion_tokens + one.completion_tokens,
                seconds=time.monotonic() - begun,
            )
            if one.failure in _FATAL:
                host = urlsplit(self.base).netloc
                raise ModelError(f"{host} refuses {self.model} ({one.failure}: {one.reason})")
            if self._drops_logprobs(request, one, logprobs) or self._steps_down(request, one, form):
                continue
            if one.failure not in _AGAIN or total.attempts >= self.attempts:
                break
            # A server that answered is well: only its words were of no use.
            longest = 0.0 if one.failure in _OF_WORDS else self.backoff * 2**total.attempts
            wait = min(self.longest_wait, random.uniform(0, longest) if asked is None else asked)
            if time.monotonic() + wait - begun > self.deadline:
                break
            await asyncio.sleep(wait)
        return total

    def _drops_logprobs(self, request: Request, reply: Reply, asked: bool) -> bool:
        """Remember that the server gives no log-probabilities."""
        refused = reply.failure in _REFUSALS and _OF_LOGPROBS.search(reply.reason or "")
        if request.logprobs is None or not asked or not refused:
            return False
        self.logprobs = False
        return True

    def _steps_down(self, request: Request, reply: Reply, form: int) -> bool:
        """Remember that the server refuses this form of response_format."""
        if request.schema is None or form + 1 >= len(_FORMS):
            return False
        if reply.failure not in _REFUSALS or not _OF_FORM.search(reply.reason or ""):
            return False
        self.form = max(self.form, form + 1)
        return True

    async def _pace(self, request: Request) -> None:
        gap = 60 / self.requests_per_minute if self.requests_per_minute else 0.0
        if self.tokens_per_minute:
            tokens = self.count_tokens(request)[0] + request.max_tokens
            gap = max(gap, tokens * 60 / self.tokens_per_minute)
        at = max(time.monotonic(), self._free)
        self._free = at + gap
        await asyncio.sleep(at - time.monotonic())

    async def _attempt(
        self, request: Request, body: Mapping[str, Any], seconds: float
    ) -> tuple[Reply, float | None]:
        """One exchange: the reply, and how long the server asked to wait (seconds)."""
        import aiohttp

        assert self._session is not None
        url = f"{self.base}/chat/completions"
        limit = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.post(url, json=body, timeout=limit) as response:
                wait = retry_after(response.headers.get("Retry-After"), time.time())
                return self._read(request, response.status, await response.read()), wait
        except TimeoutError:
            return Reply(failure="timeout", reason="no answer in time", unmetered=1), None
        except (aiohttp.ClientError, OSError) as error:
            reason = self._clean(f"{type(error).__name__}: {error}")
            paid = not isinstance(error, aiohttp.ClientConnectorError)
            return Reply(failure="disconnected", reason=reason, unmetered=int(paid)), None

    def _read(self, request: Request, status: int, body: bytes) -> Reply:
        words = self._clean(body.decode(errors="replace"))
        if status != 200:
            name = "rate_limited" if status == 429 else f"http_{status}"
            return Reply(failure="server_error" if status >= 500 else name, reason=words)
        try:
            answer = _parsed(body)
            choice = answer["choices"][0]
            text = choice["message"]["content"] or ""
            if not isinstance(text, str):
                raise TypeError("the content is no text")
            counts = answer.get("usage") or {}
            known: dict[str, Any] = {
                "prompt_tokens": int(counts.get("prompt_tokens") or 0),
                "completion_tokens": int(counts.get("completion_tokens") or 0),
                "unmetered": int(not counts),
                "finish_reason": choice.get("finish_reason"),
            }
            tokens = (choice.get("logprobs") or {}).get("content")
            logprobs = None if tokens is None else tuple(map(dict, tokens))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return Reply(failure="not_json", reason=words, unmetered=1)
        failure, reason = self._fault(request, text, known["finish_reason"])
        if failure:
            return Reply(failure=failure, reason=reason, **known)
        return Reply(text=text, logprobs=logprobs, **known)

    def _fault(self, request: Request, text: str, finish: object) -> tuple[str, str]:
        bad = misfit_text(text, request.schema) if request.schema is not None else None
        if not text.strip():
            return "empty", "the answer is empty"
        if finish == "length" and (bad or request.schema is None):
            return "truncated", f"the answer was cut at {request.max_tokens} tokens"
        return ("wrong_schema", self._clean(f"{bad}: {text}")) if bad else ("", "")

    def _clean(self, text: str) -> str:
        return brief(text.replace(self._key, "[key]") if self._key else text, 300)


def load_endpoint(argument: str, **options: Any) -> Endpoint:
    """The client of `URL#NAME`, as in http://127.0.0.1:8000/v1#my-model.

    Raises:
        ModelError: there is no URL or no name, or the URL carries a password.
    """
    url, _, name = argument.removeprefix("openai:").partition("#")
    if not re.match(r"https?://", url) or not name:
        raise ModelError(
            "the endpoint is not openai:URL#NAME, as in openai:http://127.0.0.1:8000/v1#my-model"
        )
    if "@" in urlsplit(url).netloc:
        raise ModelError("the endpoint's URL carries a password; use OPENAI_API_KEY instead")
    return Endpoint(base=re.sub(r"/(chat/completions)?/*$", "", url), model=name, **options)


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header: a number, or an HTTP date against `now` (unix)."""
    if not value:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", value.strip()):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _stopped(total: Reply) -> Reply:
    """What was asked up to here, as a request that waits for more budget."""
    if not total.attempts:
        return total
    words = f"the budget is used up; before that {total.failure}: {total.reason}"
    return replace(total, failure="budget", reason=words)


def _parsed(body: bytes) -> Any:
    """The JSON value, fit to be written: half surrogate pairs become U+FFFD.

    Raises:
        ValueError: it is no JSON, or has a number that is not finite.
    """
    text = json.dumps(json.loads(body, parse_constant=_constant), ensure_ascii=False,
                      allow_nan=False)  # fmt: skip
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


def _constant(word: str) -> float:
    # The log probability of what cannot come; OpenAI writes it as this number.
    if word == "-Infinity":
        return -9999.0
    raise ValueError(f"{word} is no JSON")


def _body(model: str, request: Request, form: str, *, logprobs: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": [message._asdict() for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed + request.repeat,
    }
    if request.logprobs is not None and logprobs:
        body |= {"logprobs": True, "top_logprobs": request.logprobs}
    # Servers decode by schemas of objects only.
    if request.schema is None or request.schema.get("type") != "object":
        return body
    if form == "json_schema":
        wanted = {"name": "answer", "schema": request.schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    elif form == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body
