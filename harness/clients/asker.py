"""A client with its store of answers and its purse: what commands ask by, and what that took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.clients.ask import Purse, ask
from harness.clients.cache import Cache
from harness.clients.types import Client, Message, Reply, Request

__all__ = ["Asker", "Spent"]


@dataclass(slots=True)
class Spent:
    """What asking has taken so far; known answers count with what they once took."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failed: int = 0

    def add(self, replies: Sequence[Reply]) -> None:
        for reply in replies:
            self.requests += 1
            self.failed += reply.failure is not None
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens


@dataclass(slots=True, kw_only=True)
class Asker:
    """A client with its store of answers and its purse."""

    name: str
    client: Client
    cache: Cache
    purse: Purse
    max_tokens: int
    seed: int
    spent: Spent = field(default_factory=Spent)

    def identity(self, prompt: str) -> dict[str, Any]:
        """What an answer depends on, to a prompt with that hash."""
        return {
            "kind": "llm",
            "client": dict(self.client.identity),
            "prompt": prompt,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }

    def request(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Request:
        """The request of these messages."""
        return Request(
            messages=tuple(Message(row["role"], row["content"]) for row in messages),
            max_tokens=self.max_tokens,
            seed=self.seed,
            schema=schema,
        )

    def replies(
        self, requests: Sequence[Request], progress: Callable[[int, int], None] | None = None
    ) -> list[Reply]:
        """A reply for each request, in order."""
        found = ask(self.client, requests, cache=self.cache, purse=self.purse, progress=progress)
        self.spent.add(found)
        return found
