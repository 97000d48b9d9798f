"""`data`: find, check and fingerprint the real data sets; look for leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o

__all__ = ["app"]

app = typer.Typer(
    help="Find, check and fingerprint the data sets; look for leaks.", no_args_is_help=True
)
