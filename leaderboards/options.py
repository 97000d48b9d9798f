"""Options that several leaderboard commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Mlflow", "Results", "Task"]

Results = Annotated[
    list[Path] | None,
    typer.Argument(help="As for `leaderboard build`.", show_default=False),
]
Mlflow = Annotated[
    str | None,
    typer.Option("--mlflow", help="Also every result tracked in this MLflow store (its URI)."),
]
Task = Annotated[
    str | None,
    typer.Option("--task", help="Only tasks of this name or pattern, as 'ed_*'."),
]
