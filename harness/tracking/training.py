"""Trainings in MLflow: mirrored while they go on, or uploaded later; registered when they end.

One run per folder, in the experiment `train/<task>`; a resumed training goes on in its own run. The
folder is the record. A store that fails costs one warning line, never the training.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness import checkpoint
from harness.errors import EmpathyBenchError, TrackingError
from harness.results import ARTIFACTS
from harness.tracking.layout import upload_command
from harness.tracking.store import (
    Store,
    check_store,
    is_main_process,
    resolve_store,
    store_failures,
)
from harness.tracking.training_run import Known, synchronise
from harness.tracking.upload import TrackingReport
from harness.training_log import CARD, CURVE

__all__ = ["is_training", "track_training", "training_folders", "training_mirror"]

_RETRY_S = 60.0


def training_mirror(
    mlflow: str | None, folder: Path, *, task: str | None = None
) -> Callable[[Path], None] | None:
    """What `TrainingLog` calls after every row; None where nothing is tracked.

    `mlflow` is the option --mlflow. Where it is not given, the user's active run or
    MLFLOW_TRACKING_URI decide; without them nothing is tracked, and MLflow is not imported.
    `task` names the experiment `train/<task>`. Nothing is written before the first row.

    Raises:
        TrackingError: the URI cannot be used. A server that does not answer is only warned of.
    """
    if not is_main_process():
        return None
    named = bool(mlflow and mlflow.strip()) or bool(os.environ.get("MLFLOW_TRACKING_URI"))
    if not named and "mlflow" not in sys.modules:
        return None
    store = resolve_store(mlflow, folder)
    if store is None or not (named or store.parent_run_id):
        return None
    mirror = _Mirror(store, task)
    if store.tracking_uri.startswith("http"):
        mirror.try_server(folder)
    else:
        check_store(store)
    return mirror


class _Mirror:
    """Keeps a run like a folder, and a failing store away from the training."""

    def __init__(self, store: Store, task: str | None) -> None:
        self._store = store
        self._task = task
        self._known: Known | None = None
        self._not_before = 0.0
        self._warned = False

    def __call__(self, folder: Path) -> None:
        if time.monotonic() < self._not_before and not (folder / CARD).is_file():
            return
        try:
            with store_failures(self._store, ""):
                if self._store.tracking_uri.startswith("http"):
                    # MLflow would retry a dead server for four minutes.
                    check_store(self._store)
                self._known = synchronise(self._store, folder, self._task, self._known)[0]
            self._warned = False
        except EmpathyBenchError as error:
            self._failed(folder, error)

    def try_server(self, folder: Path) -> None:
        """Say at once that the server does not answer, not at the first validation."""
        try:
            check_store(self._store)
        except TrackingError as error:
            self._failed(folder, error)

    def _failed(self, folder: Path, error: EmpathyBenchError) -> None:
        # What arrived of the last rows is not known.
        self._known = None
        self._not_before = time.monotonic() + _RETRY_S
        if not self._warned:
            self._warned = True
            command = upload_command(self._store, [folder])
            print(
                f"warning: {error}. The training goes on; upload it later with: {command}",
                file=sys.stderr,
            )


def is_training(folder: Path) -> bool:
    """Whether a training, ended or not, lies in `folder`."""
    if (folder / CARD).is_file():
        return True
    begun = any((folder / name).is_file() for name in (CURVE, checkpoint.LAST))
    return begun and (folder / checkpoint.SETTINGS).is_file()


def training_folders(folder: Path) -> list[Path]:
    """The trainings at and below `folder`, sorted, but not MLflow's copies of them."""
    found = []
    for place, folders, _ in os.walk(folder):
        if is_training(Path(place)):
            found.append(Path(place))
            folders.clear()
        folders[:] = [name for name in folders if name != ARTIFACTS and not name.startswith(".")]
    return sorted(found)


def track_training(store: Store, folder: Path, *, task: str | None = None) -> TrackingReport:
    """Upload a training, ended or broken off; what is there already is skipped.

    Raises:
        TrackingError: the store failed; the message names the command that uploads later.
        StorageError: the folder is being trained into, damaged, or cannot be written.
    """
    if not is_main_process():
        return TrackingReport()
    command = upload_command(store, [folder])
    advice = f"The local files are safe; upload them later with: {command}"
    with checkpoint.locked(folder), store_failures(store, advice):
        check_store(store)
        known, changed = synchronise(store, folder, task, None)
    return TrackingReport(int(changed), int(not changed), (known.run_id,) if changed else ())
