"""`track`: upload finished runs and trainings to MLflow, once each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import options as o

__all__ = ["track"]


def track(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of runs, trainings or data sets, or folders of such folders.",
            show_default=False,
        ),
    ],
    mlflow: o.Mlflow = None,
    json: o.Json = False,
) -> None:
    """Upload runs, trainings and data sets made here to MLflow; what is there is skipped.

    Example: empathy-bench track runs models --mlflow http://127.0.0.1:5000
    """
    from harness import tracking
    from harness.commands import show
    from harness.errors import InputError, StorageError
    from harness.results import result_files

    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    runs = sorted({path.parent for folder in folders for path in result_files(folder)})
    trainings = sorted({path for folder in folders for path in tracking.training_folders(folder)})
    data = sorted({path for folder in folders for path in tracking.data_folders(folder)})
    if not runs and not trainings and not data:
        raise InputError(
            f"no result.json, training or data card below {', '.join(map(str, folders))}"
        )
    store = tracking.resolve_store(mlflow, folders[0])
    if store is None:
        raise InputError("--mlflow off leaves nothing to do; name a tracking URI")
    tracking.check_store(store)
    reports = [tracking.track(store, runs)] if runs else []
    reports += [tracking.track_data(store, folder) for folder in data]
    refused: list[StorageError] = []
    for folder in trainings:
        try:
            reports.append(tracking.track_training(store, folder))
        except StorageError as error:
            # One that is still being trained must not keep the others from going up.
            refused.append(error)
    logged = sum(report.logged for report in reports)
    skipped = sum(report.skipped for report in reports)
    if json:
        show.print_json({"store": store.label, "logged": logged, "skipped": skipped})
    else:
        typer.echo(f"{store.label}: {logged} run(s) uploaded, {skipped} there before.")
    if refused:
        raise refused[0]
