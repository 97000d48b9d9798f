"""`track`: upload finished run folders to MLflow, once each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o

__all__ = ["track"]


def track(
    folders: Annotated[
        list[Path],
        typer.Argument(help="Run folders, or folders of run folders.", show_default=False),
    ],
    mlflow: o.Mlflow = None,
    json: o.Json = False,
) -> None:
    """Upload runs to MLflow; what is there already is skipped.

    Example: empathy-bench track runs --mlflow http://127.0.0.1:5000
    """
    from harness import tracking
    from harness.commands import show
    from harness.errors import InputError
    from harness.results import result_files

    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    found = sorted({path.parent for folder in folders for path in result_files(folder)})
    if not found:
        raise InputError(f"no result.json below {', '.join(map(str, folders))}")
    store = tracking.resolve_store(mlflow, folders[0])
    if store is None:
        raise InputError("--mlflow off leaves nothing to do; name a tracking URI")
    tracking.check_store(store)
    report = tracking.track(store, found)
    if json:
        show.print_json({"store": store.label, "logged": report.logged, "skipped": report.skipped})
    else:
        typer.echo(
            f"{store.label}: {report.logged} run(s) uploaded, {report.skipped} there before."
        )
