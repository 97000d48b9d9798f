"""The MLflow run of a training: found or made, then made like the folder.

    settings.json ──▶ params        curve.jsonl ──▶ metrics by step (only what is not there yet)
    card.json ──▶ status FINISHED, artifacts, dataset input, a version of a registered model

mlflow.json in the folder remembers which run it is, in each store. What that run has is asked of
the store, not kept in the folder: a kill between upload and note would double points.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.checkpoint import SETTINGS
from harness.errors import TrackingError
from harness.files import canonical_json, sha256_file, write_atomic
from harness.tracking.layout import exclusive, experiment_id, log_batches, origin_tags
from harness.tracking.prepare import prepare
from harness.tracking.record import TAG, cut_tag, dataset_fields, flat_parameters, metric_key
from harness.tracking.registry import register
from harness.tracking.store import Store, make_client
from harness.training_log import CARD, CURVE, PICTURE, README, read_curve

__all__ = ["STATE", "Known", "synchronise"]

STATE = "mlflow.json"


@dataclass(slots=True)
class Known:
    """What the store has of a training: its run, the points of its curve, its params, its end."""

    run_id: str
    points: set[tuple[str, int]]
    params: dict[str, str]
    finished: bool
    card: str | None


def synchronise(
    store: Store, folder: Path, task: str | None, known: Known | None
) -> tuple[Known, bool]:
    """Make the run like the folder; what it now has, and whether it was not so before.

    `known` is what an earlier call returned, if this process alone has written since.

    Raises:
        TrackingError: a file of the folder is damaged; the store raises what it likes.
        StorageError: the curve is damaged, or mlflow.json cannot be written.
    """
    card = _load(folder / CARD)
    settings = _load(folder / SETTINGS) or {}
    if card:
        settings = {**settings, **_mapping(card, "settings")}
    rows = read_curve(folder)
    changed = False
    if known is None:
        prepare(store)
    client = make_client(store)
    if known is None:
        with exclusive(store):
            known, changed = _find_or_create(client, store, folder, task, settings, card)
    sent = _send(client, known, rows, settings, card)
    if card is None:
        if known.finished:
            # A training that is given more steps after its end.
            client.update_run(known.run_id, status="RUNNING")
            known.finished, known.card = False, None
        return known, changed or sent
    digest = sha256_file(folder / CARD)
    if known.finished and known.card == digest:
        return known, changed or sent
    _finish(client, store, known, folder, {**card, "settings": settings}, digest)
    return known, True


def _find_or_create(
    client: Any,
    store: Store,
    folder: Path,
    task: str | None,
    settings: Mapping[str, Any],
    card: Mapping[str, Any] | None,
) -> tuple[Known, bool]:
    """The run of this folder, and whether it is new."""
    state = _load(folder / STATE) or {}
    # Written before the run is made: if a kill comes between, the run is found by this key.
    state = {
        "training": str(state.get("training") or uuid.uuid4().hex),
        "task": task or state.get("task"),
        "runs": _mapping(state, "runs"),
    }
    run = _existing(client, state["runs"].get(store.label))
    if run is not None:
        return _described(client, run), False
    write_atomic(folder / STATE, json.dumps(state, indent=2) + "\n")
    if store.parent_run_id:
        place = str(client.get_run(store.parent_run_id).info.experiment_id)
    else:
        place = experiment_id(client, store, _experiment_name(state["task"], settings, card))
    key = state["training"]
    found = client.search_runs([place], f"tags.`{TAG}training` = '{key}'", max_results=1)
    if not found:
        tags = origin_tags() | {f"{TAG}kind": "training", f"{TAG}training": key}
        if store.parent_run_id:
            tags["mlflow.parentRunId"] = store.parent_run_id
        created = client.create_run(place, run_name=folder.resolve().name, tags=tags)
    known = _described(client, found[0] if found else created)
    state["runs"] = {**state["runs"], store.label: known.run_id}
    write_atomic(folder / STATE, json.dumps(state, indent=2) + "\n")
    return known, not found


def _existing(client: Any, run_id: object) -> Any | None:
    """The run, unless it is gone or was deleted."""
    from mlflow.exceptions import MlflowException

    if not isinstance(run_id, str):
        return None
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return run if run.info.lifecycle_stage == "active" else None


def _described(client: Any, run: Any) -> Known:
    run_id = str(run.info.run_id)
    points = {
        (name, int(metric.step))
        for name in run.data.metrics
        for metric in client.get_metric_history(run_id, name)
    }
    return Known(
        run_id=run_id,
        points=points,
        params=dict(run.data.params),
        finished=run.info.status == "FINISHED",
        card=run.data.tags.get(f"{TAG}card_sha256"),
    )


def _experiment_name(
    task: object, settings: Mapping[str, Any], card: Mapping[str, Any] | None
) -> str:
    named = [task, (card or {}).get("task"), settings.get("task"), settings.get("dataset")]
    found = next((name for name in named if isinstance(name, str) and name), "other")
    return f"train/{found}"


def _send(
    client: Any,
    known: Known,
    rows: Sequence[Mapping[str, float]],
    settings: Mapping[str, Any],
    card: Mapping[str, Any] | None,
) -> bool:
    """Points and params that the store does not have; whether there were any."""
    from mlflow.entities import Metric, Param

    moment = int(time.time() * 1000)
    metrics = [
        Metric(metric_key(name), value, moment, int(row["step"]))
        for row in rows
        for name, value in row.items()
        if name != "step" and (metric_key(name), int(row["step"])) not in known.points
    ]
    wanted = flat_parameters(settings)
    if card and card.get("parameters") is not None:
        wanted.setdefault("parameters", str(card["parameters"]))
    # MLflow lets no param change, but a resumed training may be given more steps.
    params = [Param(key, value) for key, value in wanted.items() if key not in known.params]
    changed = {key: value for key, value in wanted.items() if known.params.get(key, value) != value}
    if params or changed:
        client.set_tag(known.run_id, f"{TAG}settings", cut_tag(canonical_json(dict(settings))))
    log_batches(client, known.run_id, metrics, params)
    known.points |= {(metric.key, metric.step) for metric in metrics}
    known.params |= wanted
    return bool(metrics or params)


def _finish(
    client: Any, store: Store, known: Known, folder: Path, card: Mapping[str, Any], digest: str
) -> None:
    """Artifacts, dataset, registered model; the status and the card's hash come last."""
    from mlflow.entities import DatasetInput, InputTag

    for name in (README, PICTURE, CURVE, CARD):
        if (folder / name).is_file():
            client.log_artifact(known.run_id, str(folder / name))
    data = _dataset(card)
    if data is not None:
        tag = InputTag("mlflow.data.context", "training")
        client.log_inputs(known.run_id, [DatasetInput(data, [tag])])
    register(client, store, known.run_id, folder, card)
    name = str(card.get("name") or folder.resolve().name)
    for key in ("seed", "trained_on", "weights"):
        if card.get(key) is not None:
            client.set_tag(known.run_id, f"{TAG}{key}", cut_tag(str(card[key])))
    client.set_tag(known.run_id, f"{TAG}card_sha256", digest)
    # Not set_terminated: with a server it prints a link to standard output.
    client.update_run(known.run_id, status="FINISHED", name=name)
    known.finished, known.card = True, digest


def _dataset(card: Mapping[str, Any]) -> Any | None:
    """The training examples as MLflow names data; None where the card has no fingerprint."""
    from mlflow.entities import Dataset

    named = _mapping(card, "dataset")
    fingerprint = named.get("fingerprint") or _mapping(card, "settings").get("data")
    name = named.get("name") or str(card.get("trained_on") or "").partition(",")[0]
    if not isinstance(fingerprint, str) or not isinstance(name, str) or not name:
        return None
    source = {"example_set": name, "fingerprint": fingerprint}
    return Dataset(**dataset_fields(name, fingerprint, source))


def _load(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is no such file.

    Raises:
        TrackingError: the file is damaged.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise TrackingError(f"{path}: is damaged ({error}); restore or delete it") from error
    if not isinstance(value, dict):
        raise TrackingError(f"{path}: holds no JSON object; restore or delete it")
    return value


def _mapping(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return dict(found) if isinstance(found, Mapping) else {}
