"""What the user chose about language models: clients, budgets, and what asking took."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.errors import InputError
from stride_ed.work import REPLIES

if TYPE_CHECKING:
    from harness.clients import Budget, Prices, Request
    from stride_ed.llm import Asker

__all__ = ["ROUNDS", "Asking", "opened", "print_estimate", "print_spent", "within_budget"]

# Requests per connection between two writes of records: enough to keep every one busy.
ROUNDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What the user chose about language models."""

    concurrency: int
    max_tokens: int
    budget: Budget | None
    prices: Prices | None
    dry_run: bool
    seed: int

    @classmethod
    def of(
        cls,
        concurrency: int,
        max_tokens: int,
        price_in: float | None,
        price_out: float | None,
        budget: float | None,
        dry_run: bool,
        seed: int,
    ) -> Asking:
        """From the options.

        Raises:
            InputError: one price is given and the other not.
        """
        from harness.clients import Budget, Prices

        if (price_in is None) != (price_out is None):
            raise InputError("--price-in and --price-out belong together: give both or none")
        prices = None
        if price_in is not None and price_out is not None:
            prices = Prices(input=price_in, output=price_out)
        limit = None
        if budget is not None:
            limit = Budget(limit=budget, prices=prices) if prices else Budget(limit=budget)
        return cls(
            concurrency=concurrency,
            max_tokens=max_tokens,
            budget=limit,
            prices=prices,
            dry_run=dry_run,
            seed=seed,
        )


@contextlib.contextmanager
def opened(spec: str, work: Path, asking: Asking) -> Iterator[Asker]:
    """The client of `--annotator` or `--evaluator`, with its store of answers."""
    from harness.clients import Cache, Purse, client_name, load_client
    from stride_ed.llm import Asker

    client = load_client(spec, concurrency=asking.concurrency)
    with Cache(work / REPLIES) as cache:
        yield Asker(
            name=client_name(spec),
            client=client,
            cache=cache,
            purse=Purse(client, asking.budget),
            max_tokens=asking.max_tokens,
            seed=asking.seed,
        )


def within_budget(make: Callable[[Sequence[Any]], list[Any]]) -> Callable[..., list[Any]]:
    """`make` without the records that the budget did not allow: they wait for another run."""

    def within(part: Sequence[Any]) -> list[Any]:
        return [r for r in make(part) if not (r.error or "").startswith("budget:")]

    return within


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
