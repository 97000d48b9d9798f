"""Asking many requests: from the cache where the answer is there, from the client otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.clients.cache import Cache
from harness.clients.schema import check_schema
from harness.clients.types import Client, Reply, Request, key

__all__ = ["Budget", "Estimate", "Prices", "Purse", "ask", "estimate"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Cost of a million tokens, in any currency; there is no built-in table, prices change."""

    input: float
    output: float

    def cost(self, prompt: int, completion: int) -> float:
        """The cost of so many tokens, in the currency of the prices."""
        return (prompt * self.input + completion * self.output) / 1e6


# A million tokens at a "price" of a million: the limit then counts tokens.
TOKENS = Prices(input=1e6, output=1e6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent; in tokens unless prices are given."""

    limit: float
    prices: Prices = TOKENS


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What asking would take. `most` bounds the cost if no attempt is repeated.

    `exact_prompt`: prompt tokens come from the model's tokeniser, not from bytes / 4.
    """

    requests: int
    distinct: int
    cached: int
    prompt_tokens: int
    exact_prompt: bool
    completion_bound: int
    most: float | None


def ask(
    client: Client,
    requests: Sequence[Request],
    *,
    cache: Cache,
    purse: Purse | None = None,
    progress: Progress | None = None,
) -> list[Reply]:
    """One reply per request, in order; equal requests are asked once.

    Each reply is on disk before it counts. Requests that the budget does not allow are not sent
    and come back as failures named "budget". `progress` is told (done, all) after each batch.
    Interrupted, it loses only requests in flight; call it again to go on. Not for use inside a
    running event loop.

    Raises:
        ModelError: the model refuses everybody alike (wrong key, no such model).
        StorageError: an answer cannot be written.
        ValueError: a schema has a keyword that is not checked here.
    """
    names = [key(request, client.identity) for request in requests]
    wanted = {
        name: request
        for name, request in zip(names, requests, strict=True)
        if name not in cache.answers
    }
    for request in wanted.values():
        if request.schema is not None:
            check_schema(request.schema)
    run = _Run(client, cache, purse or Purse(client, None), progress, len(wanted))
    if wanted:
        try:
            asyncio.run(run.all(wanted))
        except BaseExceptionGroup as group:
            raise _first(group) from group
    return [cache.answers.get(name) or run.failed[name] for name in names]


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong first, out of the groups that task groups make."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def estimate(
    requests: Sequence[Request], client: Client, *, cache: Cache, prices: Prices | None = None
) -> Estimate:
    """What `ask` would send, without sending: for `--dry-run`."""
    distinct = {key(request, client.identity): request for request in requests}
    fresh = [request for name, request in distinct.items() if name not in cache.answers]
    counts = [client.count_tokens(request) for request in fresh]
    prompt = sum(count for count, _ in counts)
    completion = sum(request.max_tokens for request in fresh)
    return Estimate(
        requests=len(requests),
        distinct=len(distinct),
        cached=len(distinct) - len(fresh),
        prompt_tokens=prompt,
        exact_prompt=all(exact for _, exact in counts),
        completion_bound=completion,
        most=prices.cost(prompt, completion) if prices else None,
    )


class Purse:
    """Spending within a budget, over any number of calls of `ask`.

    The bound of an attempt is reserved before it is made, and what it cost is settled after.
    """

    def __init__(self, client: Client, budget: Budget | None) -> None:
        self._client = client
        self._budget = budget
        self._committed = 0.0
        self._reserved: dict[int, float] = {}

    def permit(self, request: Request) -> bool:
        if self._budget is None:
            return True
        bound = self._bound(request)
        if self._committed + bound > self._budget.limit:
            return False
        self._committed += bound
        self._reserved[id(request)] = self._reserved.get(id(request), 0.0) + bound
        return True

    def settle(self, request: Request, reply: Reply) -> None:
        if self._budget is None:
            return
        cost = self._budget.prices.cost(reply.prompt_tokens, reply.completion_tokens)
        # An attempt that may have been billed unseen counts in full.
        cost += reply.unmetered * self._bound(request)
        self._committed += cost - self._reserved.pop(id(request), 0.0)

    def _bound(self, request: Request) -> float:
        assert self._budget is not None
        prompt, _ = self._client.count_tokens(request)
        return self._budget.prices.cost(prompt, request.max_tokens)


class _Run:
    def __init__(
        self, client: Client, cache: Cache, purse: Purse, progress: Progress | None, total: int
    ) -> None:
        self.failed: dict[str, Reply] = {}
        self._client, self._cache, self._purse = client, cache, purse
        self._progress, self._total, self._done = progress, total, 0
        self._under_way = 0
        self._settled = asyncio.Event()

    async def all(self, wanted: dict[str, Request]) -> None:
        items, size = list(wanted.items()), self._client.batch_size
        batches = iter([items[at : at + size] for at in range(0, len(items), size)])

        async def work() -> None:
            for batch in batches:
                await self._one(batch)

        async with self._client.opened(), asyncio.TaskGroup() as group:
            for _ in range(max(1, self._client.concurrency)):
                group.create_task(work())

    async def _one(self, batch: list[tuple[str, Request]]) -> None:
        """Ask a batch, in parts where the budget has room for a part only."""
        left = list(batch)
        while left:
            sent = self._allowed(left)
            if sent:
                left = left[len(sent) :]
                await self._send(sent)
            elif self._under_way:
                # What is under way is reserved with its bound, and mostly costs far less.
                await self._settled.wait()
            else:
                break
        for name, _ in left:
            self.failed[name] = Reply(failure="budget", reason="the budget is used up")
        self._done += len(batch)
        if self._progress:
            self._progress(self._done, self._total)

    async def _send(self, sent: list[tuple[str, Request]]) -> None:
        self._cache.start([name for name, _ in sent])
        # The first attempt is reserved already; only further ones ask again.
        first = {id(request) for _, request in sent}

        def permit(request: Request) -> bool:
            if id(request) in first:
                first.discard(id(request))
                return True
            return self._purse.permit(request)

        self._under_way += 1
        try:
            replies = await self._client.answer([request for _, request in sent], permit)
        finally:
            self._under_way -= 1
        for (name, request), reply in zip(sent, replies, strict=True):
            self._purse.settle(request, reply)
            self._cache.keep(name, reply)
            if reply.failure is not None:
                self.failed[name] = reply
        self._settled.set()
        self._settled = asyncio.Event()

    def _allowed(self, batch: list[tuple[str, Request]]) -> list[tuple[str, Request]]:
        """The first of the batch, as many as the budget has room for."""
        sent = []
        for name, request in batch:
            if not self._purse.permit(request):
                break
            sent.append((name, request))
        return sent
