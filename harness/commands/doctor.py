"""`doctor`: is everything here as it must be?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o

__all__ = ["doctor"]

_MARKS = {"good": "✓", "note": "·", "wrong": "✗"}


def doctor(
    data: o.Data = None,
    mlflow: o.Mlflow = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of runs to look through.")
    ] = Path("runs"),
    json: o.Json = False,
) -> None:
    """Look at Python, packages, devices, disk, models, data, stores and runs; say what to mend.

    Exit code 1 where something is wrong.

    Example: empathy-bench doctor --data DIR
    """
    from harness.commands import show
    from harness.doctor import examine

    found = examine(data=data, mlflow=mlflow, output=output)
    if json:
        show.print_json([asdict(finding) for finding in found])
    else:
        rows = [[_MARKS[f.state], f.area, f.said, f.fix] for f in found]
        show.table("empathy-bench doctor", ["", "what", "found", "to do"], rows)
    if any(finding.state == "wrong" for finding in found):
        raise typer.Exit(1)
