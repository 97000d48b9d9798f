"""What is asked of an LLM, and what came back: an answer, or a failure with its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from harness.files import canonical_json, sha256_text

__all__ = ["Client", "Message", "Permit", "Reply", "Request", "Sessions", "key"]


class Message(NamedTuple):
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt. `repeat` tells apart equal prompts that are meant to be asked again.

    `schema`: the JSON schema an answer must fit (see `harness.clients.schema`).
    `logprobs`: how many alternatives to report per token; None asks for none.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 1234
    schema: Mapping[str, Any] | None = None
    repeat: int = 0
    logprobs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer (`text`), or a `failure` by name with its `reason`; never both.

    Failures: http_4xx (http_400, http_401, …), rate_limited, server_error, timeout, disconnected,
    not_json, wrong_schema, empty, truncated, budget. Tokens are those the server reported, summed
    over attempts; `unmetered` attempts may have been billed without the server saying how much.
    """

    text: str | None = None
    failure: str | None = None
    reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 0
    unmetered: int = 0
    seconds: float = 0.0
    finish_reason: str | None = None
    logprobs: tuple[Mapping[str, Any], ...] | None = None

    def __post_init__(self) -> None:
        if (self.text is None) == (self.failure is None):
            raise ValueError("a reply has a text or a failure, and not both")


Permit = Callable[[Request], bool]
Sessions = AsyncIterator[None]


class Client(Protocol):
    """Something that answers. `permit` is asked before every attempt that may cost; False stops.

    `identity` is what answers depend on beside the request: client, model, revision.
    `batch_size` requests go into one `answer`, of which `concurrency` run at once.
    """

    @property
    def identity(self) -> Mapping[str, Any]: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def concurrency(self) -> int: ...

    def opened(self) -> AbstractAsyncContextManager[None]: ...
    def count_tokens(self, request: Request) -> tuple[int, bool]:
        """Prompt tokens, and whether the number is exact (the model's own tokeniser)."""
        ...

    async def answer(self, requests: Sequence[Request], permit: Permit) -> list[Reply]:
        """One reply per request, in order; never raises for what a server did."""
        ...


def key(request: Request, identity: Mapping[str, Any]) -> str:
    """The content address of an answer: sha256 over identity and every field of the request."""
    fields = {
        "client": dict(identity),
        "messages": [list(message) for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": float(request.temperature),
        "seed": request.seed,
        "schema": request.schema,
        "repeat": request.repeat,
        "logprobs": request.logprobs,
    }
    return sha256_text(canonical_json(fields))
