"""MLflow store → results: what the board is made of, the newest scoring of each."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.errors import TrackingError
from harness.files import cache_directory, sha256_file, sha256_text, write_atomic
from harness.predictions import FILE_NAME as PREDICTIONS
from harness.results import FILE_NAME as RESULT
from harness.results import Result, parse_result
from harness.tracking.record import TAG
from harness.tracking.store import Store, check_store, make_client, store_failures

__all__ = ["load_answers", "load_results", "run_pages", "store_state"]

_PAGE = 1000
_EXPERIMENTS_PER_QUERY = 500


def load_results(uri: str, *, experiment: str | None = None) -> list[Result]:
    """Every tracked result, the newest of each `Result.id`, by task, version, model and id.

    `experiment` restricts the search to the experiment of that name; results below a user's own
    run are found wherever they are.

    Raises:
        TrackingError: the store or a stored result cannot be read, or has been altered.
    """
    store = Store(uri)
    check_store(store, reading=True)
    with store_failures(store, ""):
        client = make_client(store)
        found = _newest(_tracked_runs(client, _experiment_ids(client, store, experiment)))
        results = [_read_back(client, store, run) for run in found]
    return sorted(results, key=_order)


def load_answers(uri: str, results: Iterable[Result]) -> dict[str, Path]:
    """Result id → predictions file, of those of `results` that the store keeps unaltered.

    A store on this machine keeps the files; of a server they are fetched once, into the user's
    cache, by their hash. A store that has lost a file, or has another one, has no answers.

    Raises:
        TrackingError: the store cannot be read.
        StorageError: the cache cannot be written.
    """
    wanted: dict[str, tuple[str, str]] = {}
    for result in results:
        entry = result.files.get("predictions", {})
        if "sha256" in entry:
            wanted[result.id] = (str(entry.get("name") or PREDICTIONS), str(entry["sha256"]))
    store = Store(uri)
    check_store(store, reading=True)
    found: dict[str, Path] = {}
    with store_failures(store, ""):
        client = make_client(store)
        for run in _newest(_tracked_runs(client, _experiment_ids(client, store, None))):
            identity = run.data.tags[f"{TAG}result_id"]
            if identity in wanted:
                path = _answers(client, store, run, *wanted[identity])
                if path is not None:
                    found[identity] = path
    return found


def store_state(uri: str) -> str:
    """What changes whenever `load_results` would find something else: a hash of the newest runs.

    Raises:
        TrackingError: the store cannot be read.
    """
    store = Store(uri)
    check_store(store, reading=True)
    with store_failures(store, ""):
        client = make_client(store)
        runs = _newest(_tracked_runs(client, _experiment_ids(client, store, None)))
        told = sorted(
            str(run.data.tags.get(f"{TAG}result_sha256")) + run.info.run_id for run in runs
        )
    return sha256_text("\n".join(told))


def run_pages(uri: str) -> dict[str, str]:
    """Result id → the address of its run in the server's own pages; empty if it is no server.

    Raises:
        TrackingError: the store cannot be read.
    """
    store = Store(uri)
    server = store.tracking_uri.rstrip("/")
    if urlsplit(server).scheme not in ("http", "https"):
        return {}
    check_store(store, reading=True)
    with store_failures(store, ""):
        client = make_client(store)
        runs = _newest(_tracked_runs(client, _experiment_ids(client, store, None)))
    return {
        run.data.tags[f"{TAG}result_id"]: (
            f"{server}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        )
        for run in runs
    }


def _answers(client: Any, store: Store, run: Any, name: str, digest: str) -> Path | None:
    local = _local(run, Path(name).name)
    if local is not None:
        return local if local.is_file() and sha256_file(local) == digest else None
    kept = cache_directory() / "answers" / f"{digest}.jsonl"
    if not kept.is_file() or sha256_file(kept) != digest:
        data = _artifact(client, store, run, Path(name).name)
        if data is None or hashlib.sha256(data).hexdigest() != digest:
            return None
        write_atomic(kept, data)
    return kept


def _order(result: Result) -> tuple[str, int, str, str]:
    return result.task, result.task_version, str(result.model["name"]), result.id


def _experiment_ids(client: Any, store: Store, name: str | None) -> list[str]:
    if name is not None:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise TrackingError(f"MLflow {store.label} has no experiment {name!r}")
        return [str(found.experiment_id)]
    ids: list[str] = []
    token: str | None = None
    while True:
        page = client.search_experiments(max_results=_PAGE, page_token=token)
        ids += [str(item.experiment_id) for item in page]
        token = page.token
        if not token:
            return ids


def _tracked_runs(client: Any, experiment_ids: Sequence[str]) -> list[Any]:
    query = f"tags.`{TAG}kind` = 'result' AND attributes.status = 'FINISHED'"
    runs: list[Any] = []
    for start in range(0, len(experiment_ids), _EXPERIMENTS_PER_QUERY):
        chunk = list(experiment_ids[start : start + _EXPERIMENTS_PER_QUERY])
        token: str | None = None
        while True:
            page = client.search_runs(chunk, query, max_results=_PAGE, page_token=token)
            runs += page
            token = page.token
            if not token:
                break
    return runs


def _newest(runs: Sequence[Any]) -> list[Any]:
    """One run per result id: the latest scored, then the latest revision."""
    latest: dict[str, Any] = {}
    for run in sorted(runs, key=_age):
        latest[run.data.tags[f"{TAG}result_id"]] = run
    return list(latest.values())


def _age(run: Any) -> tuple[datetime, int, str]:
    tags = run.data.tags
    try:
        moment = datetime.fromisoformat(tags.get(f"{TAG}created", ""))
    except ValueError:
        moment = datetime.min
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    revision = tags.get(f"{TAG}revision", "1")
    return moment, int(revision) if revision.isdecimal() else 1, str(run.info.run_id)


def _read_back(client: Any, store: Store, run: Any) -> Result:
    place = f"MLflow {store.label}, run {run.info.run_id}, {RESULT}"
    data = _artifact(client, store, run, RESULT)
    if data is None:
        raise TrackingError(
            f"{place}: the file is gone; delete that run in MLflow, "
            "then upload its folder again with `empathy-bench track`"
        )
    if hashlib.sha256(data).hexdigest() != run.data.tags.get(f"{TAG}result_sha256"):
        raise TrackingError(f"{place}: altered since its upload; delete that run in MLflow")
    return parse_result(json.loads(data), place)


def _local(run: Any, name: str) -> Path | None:
    """Where a store of this machine keeps the file; None of a store elsewhere."""
    place = urlsplit(run.info.artifact_uri)
    return Path(unquote(place.path)) / name if place.scheme in {"file", ""} else None


def _artifact(client: Any, store: Store, run: Any, name: str) -> bytes | None:
    """The stored file; None where the store has lost it."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    local = _local(run, name)
    if local is not None:
        return local.read_bytes() if local.is_file() else None
    repository = get_artifact_repository(run.info.artifact_uri, tracking_uri=store.tracking_uri)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / name
        try:
            # What `client.download_artifacts` calls, without its progress bar for every file.
            repository._download_file(name, str(copy))
        except Exception:
            if any(item.path == name for item in client.list_artifacts(run.info.run_id)):
                raise
            return None
        return copy.read_bytes()
