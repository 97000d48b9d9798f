"""Run folder → MLflow run, once for each content of result.json."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TrackingError
from harness.files import sha256_file, sha256_text
from harness.predictions import FILE_NAME as PREDICTIONS
from harness.results import FILE_NAME as RESULT
from harness.results import Result, read_result
from harness.tracking import record
from harness.tracking.layout import (
    exclusive,
    experiment_id,
    log_batches,
    origin_tags,
    upload_command,
)
from harness.tracking.prepare import prepare
from harness.tracking.record import TAG
from harness.tracking.store import (
    Store,
    check_store,
    is_main_process,
    make_client,
    store_failures,
)

__all__ = ["TrackingReport", "track"]


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """How many results were uploaded, how many were there before, and the new MLflow run ids."""

    logged: int = 0
    skipped: int = 0
    run_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Finished:
    """A run folder, read and checked."""

    result: Result
    digest: str
    files: tuple[Path, ...]


def track(
    store: Store,
    run_dirs: Sequence[Path],
    *,
    experiment: str | None = None,
    invocation: str | None = None,
) -> TrackingReport:
    """Upload each folder's result.json and predictions.jsonl; what is there already is skipped.

    A result scored anew with other numbers becomes a new run with a higher `revision`. An upload
    that broke off is completed in its own run. `experiment` replaces the experiment's name
    `empathy-bench/<task>/v<version>`; calls with one `invocation` share a parent run.

    Raises:
        InputError: a folder without a readable result, or with predictions changed since.
        TrackingError: the store failed; the message names the command that uploads later.
    """
    if not is_main_process() or not run_dirs:
        return TrackingReport()
    finished = {run.digest: run for run in map(_read_run, run_dirs)}
    invocation = re.sub(r"[^\w.:+/-]", "_", invocation or _content_id(finished))[:200]
    advice = f"The local files are safe; upload them later with: {upload_command(store, run_dirs)}"
    with store_failures(store, advice):
        check_store(store)
        prepare(store)
        client = make_client(store)
        with exclusive(store):
            planned, parents = _plan(client, store, finished.values(), experiment, invocation)
        for run_id, run in planned.items():
            if store.tracking_uri.startswith("http"):
                # MLflow would retry a dead server for four minutes.
                check_store(store)
            _log(client, run_id, run)
        for parent in sorted(parents):
            _finish(client, parent)
    return TrackingReport(len(planned), len(run_dirs) - len(planned), tuple(planned))


def _read_run(folder: Path) -> _Finished:
    path = folder / RESULT
    result = read_result(path)
    files = [path]
    named = {"predictions": {"name": PREDICTIONS}, **result.files}
    for role, about in named.items():
        file = folder / Path(str(about.get("name", ""))).name
        if not file.is_file():
            continue
        if "sha256" in about and sha256_file(file) != about["sha256"]:
            fix = (
                f"score it again: empathy-bench score --predictions {file} --task {result.task}"
                if role == "predictions"
                else "repeat the command that made it"
            )
            raise TrackingError(f"{file} has changed since {path} was made from it; {fix}")
        files.append(file)
    return _Finished(result, sha256_file(path), tuple(files))


def _content_id(digests: Iterable[str]) -> str:
    """The same set of results is the same invocation, so a broken-off upload finds its parent."""
    return sha256_text("".join(sorted(digests)))[:12]


def _plan(
    client: Any,
    store: Store,
    finished: Iterable[_Finished],
    experiment: str | None,
    invocation: str,
) -> tuple[dict[str, _Finished], set[str]]:
    """An MLflow run, new or broken off, for each result not in the store yet; and our parents."""
    inherited = client.get_run(store.parent_run_id).info if store.parent_run_id else None
    shared = origin_tags() | {f"{TAG}invocation": invocation}
    planned: dict[str, _Finished] = {}
    parents: set[str] = set()
    for run in finished:
        if inherited is not None and experiment is None:
            place = inherited.experiment_id
        else:
            place = experiment_id(client, store, experiment or _experiment_name(run.result))
        known = _known_runs(client, place, run.result.id)
        same = [item for item in known if item.data.tags.get(f"{TAG}result_sha256") == run.digest]
        if any(item.info.status == "FINISHED" for item in same):
            continue
        parent = store.parent_run_id
        if parent is None:
            parent = _parent_id(client, place, invocation, shared)
            parents.add(parent)
        if same:
            planned[same[0].info.run_id] = run
            continue
        tags = shared | _identity_tags(run, known) | {"mlflow.parentRunId": parent}
        planned[_create(client, place, run, tags)] = run
    return planned, parents


def _experiment_name(result: Result) -> str:
    return f"empathy-bench/{result.task}/v{result.task_version}"


def _known_runs(client: Any, experiment_id: str, result_id: str) -> list[Any]:
    """Earlier runs of the same result, oldest first."""
    return list(
        client.search_runs(
            [experiment_id],
            f"tags.`{TAG}result_id` = '{result_id}'",
            order_by=["attributes.start_time ASC"],
        )
    )


def _parent_id(client: Any, experiment_id: str, invocation: str, tags: dict[str, str]) -> str:
    query = f"tags.`{TAG}kind` = 'invocation' AND tags.`{TAG}invocation` = '{invocation}'"
    found = client.search_runs([experiment_id], query, max_results=1)
    if found:
        return str(found[0].info.run_id)
    own = tags | {f"{TAG}kind": "invocation"}
    name = f"invocation {invocation}"
    return str(client.create_run(experiment_id, run_name=name, tags=own).info.run_id)


def _identity_tags(run: _Finished, known: Sequence[Any]) -> dict[str, str]:
    tags = {
        f"{TAG}kind": "result",
        f"{TAG}result_id": run.result.id,
        f"{TAG}result_sha256": run.digest,
        f"{TAG}revision": str(len(known) + 1),
    }
    return tags | ({f"{TAG}supersedes": known[-1].info.run_id} if known else {})


def _create(client: Any, experiment_id: str, run: _Finished, tags: dict[str, str]) -> str:
    # The run carries the time of its scoring: that is what a reader of the table looks for.
    created = client.create_run(
        experiment_id,
        start_time=record.created_ms(run.result) or None,
        tags=tags | record.result_tags(run.result),
        run_name=record.run_name(run.result),
    )
    return str(created.info.run_id)


def _log(client: Any, run_id: str, run: _Finished) -> None:
    """Everything of one result; saying it again changes nothing, so a torn upload is repeated."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    moment = record.created_ms(run.result)
    values = record.metric_values(run.result).items()
    metrics = [Metric(key, value, moment, 0) for key, value in values]
    params = [Param(key, value) for key, value in record.parameters(run.result).items()]
    log_batches(client, run_id, metrics, params)
    data = Dataset(**record.result_dataset(run.result))
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "eval")])])
    for path in run.files:
        client.log_artifact(run_id, str(path))
    _finish(client, run_id)


def _finish(client: Any, run_id: str) -> None:
    # Not set_terminated: with a server it prints a link to standard output.
    client.update_run(run_id, status="FINISHED")
