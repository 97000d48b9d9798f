"""What uploads of results and of trainings share: experiments, the origin in tags, batches."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import TrackingError
from harness.tracking.database import locked
from harness.tracking.record import TAG
from harness.tracking.store import Store, database_path

__all__ = ["exclusive", "experiment_id", "log_batches", "origin_tags", "upload_command"]

_PARAMS_PER_BATCH = 100
_METRICS_PER_BATCH = 900  # 1,000 entities in all


def upload_command(store: Store, folders: Sequence[Path]) -> str:
    """The command that uploads `folders` later."""
    common = os.path.commonpath([folder.absolute() for folder in folders])
    folder = os.path.relpath(common) if Path(common).is_relative_to(Path.cwd()) else common
    return f"empathy-bench track {shlex.quote(folder)} --mlflow {shlex.quote(store.label)}"


def exclusive(store: Store) -> contextlib.AbstractContextManager[None]:
    """Of several processes on one database, one at a time looks for runs and creates them."""
    path = database_path(store.tracking_uri)
    return contextlib.nullcontext() if path is None else locked(path)


def experiment_id(client: Any, store: Store, name: str) -> str:
    """The id of the experiment `name`, made where there is none.

    Raises:
        TrackingError: it was deleted in MLflow.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=store.artifacts))
        except Exception:
            # Another process may have been quicker.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise TrackingError(
            f"MLflow {store.label}: experiment {name!r} was deleted; restore it with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}`"
        )
    return str(found.experiment_id)


def origin_tags() -> dict[str, str]:
    """Who made a run with which harness, at which commit of the working folder."""
    from harness import __version__

    tags = {
        f"{TAG}harness_version": __version__,
        "mlflow.source.name": "empathy-bench",
        "mlflow.source.type": "LOCAL",
    }
    with contextlib.suppress(OSError, KeyError, ImportError):
        tags["mlflow.user"] = getpass.getuser()
    commit = _git_commit()
    if commit:
        tags[f"{TAG}git"] = commit
        tags["mlflow.source.git.commit"] = commit.removesuffix("-dirty")
    return tags


def _git_commit() -> str | None:
    """The commit of the working folder, with `-dirty` where files differ; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def log_batches(client: Any, run_id: str, metrics: Sequence[Any], params: Sequence[Any]) -> None:
    """Log MLflow entities in batches of the size that servers take."""
    while metrics or params:
        now, metrics = metrics[:_METRICS_PER_BATCH], metrics[_METRICS_PER_BATCH:]
        set_now, params = params[:_PARAMS_PER_BATCH], params[_PARAMS_PER_BATCH:]
        client.log_batch(run_id, metrics=list(now), params=list(set_now))
