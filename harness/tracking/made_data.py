"""Data sets made here, in MLflow: one run each, whose dataset input names the files by digest.

A data folder holds data_card.json (`name`, `digest`, `files`, `settings`, `counts`), README.md and
the data. The store gets the card, the words, the plots and the files; a folder whose digest is
there already is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.files import canonical_json
from harness.results import ARTIFACTS
from harness.tracking.layout import (
    exclusive,
    experiment_id,
    log_batches,
    origin_tags,
    upload_command,
)
from harness.tracking.prepare import prepare
from harness.tracking.record import TAG, dataset_fields, flat_parameters, metric_key
from harness.tracking.store import Store, check_store, is_main_process, make_client, store_failures
from harness.tracking.upload import TrackingReport
from harness.training_log import README

__all__ = ["DATA_CARD", "data_folders", "track_data"]

DATA_CARD = "data_card.json"


def data_folders(folder: Path) -> list[Path]:
    """The data folders at and below `folder`, sorted, but not MLflow's copies of them."""
    found = []
    for place, folders, files in os.walk(folder):
        if DATA_CARD in files:
            found.append(Path(place))
        folders[:] = [name for name in folders if name != ARTIFACTS and not name.startswith(".")]
    return sorted(found)


def track_data(store: Store, folder: Path) -> TrackingReport:
    """Register the data set in `folder`, in the experiment `data/<name>`.

    Raises:
        InputError: the card is damaged or names a file that is not there.
        TrackingError: the store failed; the message names the command that uploads later.
    """
    if not is_main_process():
        return TrackingReport()
    card = _read(folder)
    advice = f"The local files are safe; upload them later with: {upload_command(store, [folder])}"
    with store_failures(store, advice):
        check_store(store)
        prepare(store)
        client = make_client(store)
        with exclusive(store):
            place = experiment_id(client, store, f"data/{card['name']}")
            key = f"{TAG}data_digest"
            mine = f"tags.`{key}` = '{card['digest']}' and attributes.status = 'FINISHED'"
            if client.search_runs([place], mine, max_results=1):
                return TrackingReport(0, 1, ())
            tags = origin_tags() | {f"{TAG}kind": "data", key: str(card["digest"])}
            run = client.create_run(place, run_name=folder.resolve().name, tags=tags)
        _fill(client, str(run.info.run_id), folder, card)
    return TrackingReport(1, 0, (str(run.info.run_id),))


def _fill(client: Any, run_id: str, folder: Path, card: Mapping[str, Any]) -> None:
    import time

    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    moment = int(time.time() * 1000)
    metrics = [
        Metric(metric_key(name), float(value), moment, 0) for name, value in card["counts"].items()
    ]
    params = [Param(name, value) for name, value in flat_parameters(card["settings"]).items()]
    log_batches(client, run_id, metrics, params)
    source = {"files": card["files"], "example_set": card.get("source")}
    data = Dataset(**dataset_fields(card["name"], card["digest"], source))
    tag = InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [DatasetInput(data, [tag])])
    words = [README, DATA_CARD, *(path.name for path in sorted(folder.glob("*.png")))]
    for name in [*words, *card["files"]]:
        if (folder / name).is_file():
            client.log_artifact(run_id, str(folder / name))
    client.update_run(run_id, status="FINISHED")


def _read(folder: Path) -> dict[str, Any]:
    path = folder / DATA_CARD
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = card["name"], card["digest"], card["settings"], card["counts"]
        missing = [name for name in card["files"] if not (folder / Path(name).name).is_file()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no data card ({error!r}); make the data set again") from error
    if missing:
        raise InputError(f"{folder}: {missing[0]} is missing; make the data set again")
    canonical_json(card)
    return card
