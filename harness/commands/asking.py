"""What the user chose about language models: clients, budgets, and what asking took."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.clients import Asker, Budget, Prices, Request

__all__ = ["Asking", "Limits", "opened", "print_estimate", "print_spent"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests at once, requests and tokens a minute (None: no limit), attempts, seconds of one."""

    concurrency: int = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    attempts: int = 8
    timeout: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What the user chose; prices are per million tokens, `limit` in their currency or in tokens.

    Raises:
        InputError: one price is given and the other not.
    """

    limits: Limits
    max_tokens: int
    price_in: float | None
    price_out: float | None
    limit: float | None
    dry_run: bool
    seed: int

    def __post_init__(self) -> None:
        if (self.price_in is None) != (self.price_out is None):
            raise InputError("--price-in and --price-out belong together: give both or none")

    @property
    def prices(self) -> Prices | None:
        from harness.clients import Prices

        if self.price_in is None or self.price_out is None:
            return None
        return Prices(input=self.price_in, output=self.price_out)

    @property
    def budget(self) -> Budget | None:
        from harness.clients import Budget

        if self.limit is None:
            return None
        prices = self.prices
        return Budget(limit=self.limit, prices=prices) if prices else Budget(limit=self.limit)

    @property
    def chunk(self) -> int:
        """Requests between two writes of records: enough to keep every connection busy."""
        return 16 * self.limits.concurrency


@contextlib.contextmanager
def opened(spec: str, answers: Path, asking: Asking) -> Iterator[Asker]:
    """The client of `spec`, with its store of answers in the folder `answers`."""
    from harness.clients import Asker, Cache, Purse, client_name, load_client

    client = load_client(spec, **asdict(asking.limits))
    with Cache(answers) as cache:
        yield Asker(
            name=client_name(spec),
            client=client,
            cache=cache,
            purse=Purse(client, asking.budget),
            max_tokens=asking.max_tokens,
            seed=asking.seed,
        )


def print_estimate(asker: Asker, requests: Sequence[Request], asking: Asking) -> None:
    """What asking would take, for --dry-run."""
    from harness.clients import estimate

    found = estimate(requests, asker.client, cache=asker.cache, prices=asking.prices)
    exact = "" if found.exact_prompt else " (estimated: bytes / 4)"
    typer.echo(f"requests           {found.distinct:,}, {found.cached:,} of them answered before")
    typer.echo(f"prompt tokens      {found.prompt_tokens:,}{exact}")
    typer.echo(f"answer tokens      at most {found.completion_bound:,}")
    if found.most is not None:
        typer.echo(f"cost               at most {found.most:,.2f}, repeated attempts apart")


def print_spent(asker: Asker, asking: Asking) -> None:
    """What asking took."""
    spent = asker.spent
    words = (
        f"asked: {spent.requests:,} requests, {spent.failed:,} failed; "
        f"{spent.prompt_tokens:,} + {spent.completion_tokens:,} tokens, known answers included"
    )
    if asking.prices:
        cost = asking.prices.cost(spent.prompt_tokens, spent.completion_tokens)
        words += f", {cost:,.4f} at these prices"
    typer.echo(words)
    if asker.cache.in_flight:
        typer.echo(f"{asker.cache.in_flight} requests were under way when a run was killed")
