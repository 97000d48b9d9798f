"""`data`: find, check and fingerprint the real data sets; look for leaks."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer(
    help="Find, check and fingerprint the data sets; look for leaks.", no_args_is_help=True
)
