"""Options of commands that ask language models."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = [
    "Attempts",
    "Budgeted",
    "Concurrency",
    "DryRun",
    "PriceIn",
    "PriceOut",
    "RequestsPerMinute",
    "Timeout",
    "TokensPerMinute",
]

_LLM = "Language models"

Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, help="Requests at once.", rich_help_panel=_LLM)
]
RequestsPerMinute = Annotated[
    float | None,
    typer.Option(
        "--requests-per-minute",
        min=0.1,
        help="The endpoint's limit.",
        show_default=False,
        rich_help_panel=_LLM,
    ),
]
TokensPerMinute = Annotated[
    float | None,
    typer.Option(
        "--tokens-per-minute",
        min=1,
        help="The endpoint's limit.",
        show_default=False,
        rich_help_panel=_LLM,
    ),
]
Attempts = Annotated[
    int,
    typer.Option(
        "--attempts", min=1, help="Times a request is tried before it fails.", rich_help_panel=_LLM
    ),
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0.1, help="Seconds of one attempt.", rich_help_panel=_LLM),
]
PriceIn = Annotated[
    float | None,
    typer.Option(
        "--price-in",
        min=0,
        help="Price of a million prompt tokens, any currency.",
        show_default=False,
        rich_help_panel=_LLM,
    ),
]
PriceOut = Annotated[
    float | None,
    typer.Option(
        "--price-out",
        min=0,
        help="Price of a million answer tokens.",
        show_default=False,
        rich_help_panel=_LLM,
    ),
]
Budgeted = Annotated[
    float | None,
    typer.Option(
        "--budget",
        min=0,
        help="Stop before this is passed: in the currency of the prices, else in tokens.",
        show_default=False,
        rich_help_panel=_LLM,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Say what would be asked and what it would cost; ask nothing.",
        rich_help_panel=_LLM,
    ),
]
