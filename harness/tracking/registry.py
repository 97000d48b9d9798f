"""A finished training as a version of a registered model: its files, its name, its tags.

The files go below `model/<weights hash>` of the training's run, where a longer training of the same
folder cannot replace what an earlier version points to. A version is registered once per hash.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.checkpoint import BEST, LAST
from harness.files import canonical_json, sha256_file
from harness.results import ARTIFACTS
from harness.tracking.layout import exclusive
from harness.tracking.record import TAG, cut_tag, metric_key
from harness.tracking.store import Store
from harness.training_log import CURVE, PICTURE

__all__ = ["model_files", "register", "registered_name", "weights_hash"]

_PREFIX = "empathy-bench-"
_NOT_THE_MODEL = {LAST, CURVE, PICTURE}
_NAME_CHARS = 200


def registered_name(name: str) -> str:
    """`MoEL (seed 0)` → `empathy-bench-moel`; MLflow takes no slash and no colon."""
    plain = re.sub(r"\(seed \d+\)", "", name).strip().lower()
    return _PREFIX + (re.sub(r"[^\w.-]+", "-", plain).strip("-.")[:_NAME_CHARS] or "model")


def weights_hash(folder: Path, card: Mapping[str, Any]) -> str | None:
    """The first 16 hex digits of the weights' SHA-256; None where there are no weights."""
    named = card.get("weights")
    if isinstance(named, str) and named:
        return re.sub(r"\W", "", named.removeprefix("sha256:"))[:16]
    path = folder / BEST
    return sha256_file(path)[:16] if path.is_file() else None


def model_files(folder: Path) -> Iterator[Path]:
    """What an answer needs: weights, vocabulary, card; no optimizer, lock, tracking or drafts."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith((".", "checkpoint")) and name != ARTIFACTS
        )
        for name in sorted(names):
            if not name.startswith((".", "mlflow.")) and name not in _NOT_THE_MODEL:
                yield Path(place) / name


def register(client: Any, store: Store, run_id: str, folder: Path, card: Mapping[str, Any]) -> bool:
    """Upload the model's files and register them; False where equal weights are there already."""
    digest = weights_hash(folder, card)
    if digest is None:
        return False
    name = registered_name(str(card.get("name") or folder.name))
    _ensure(client, name)
    if digest in _known_weights(client, name):
        return False
    place = f"model/{digest}"
    for path in model_files(folder):
        below = path.relative_to(folder).parent.as_posix()
        client.log_artifact(run_id, str(path), place if below == "." else f"{place}/{below}")
    source = f"{client.get_run(run_id).info.artifact_uri.rstrip('/')}/{place}"
    with exclusive(store):
        if digest in _known_weights(client, name):
            return False
        # No waiting: MLflow would say so on standard error.
        client.create_model_version(
            name, source, run_id, tags=_tags(card, digest), await_creation_for=0
        )
    return True


def _ensure(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        try:
            client.create_registered_model(name)
        except MlflowException as late:
            # Another process may have been quicker.
            if late.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _known_weights(client: Any, name: str) -> set[str | None]:
    found: set[str | None] = set()
    token: str | None = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found |= {version.tags.get(f"{TAG}weights") for version in page}
        token = page.token
        if not token:
            return found


def _tags(card: Mapping[str, Any], digest: str) -> dict[str, str]:
    tags = {"weights": digest}
    for key in ("name", "seed", "task", "trained_on", "parameters", "harness_version"):
        if card.get(key) is not None:
            tags[key] = str(card[key])
    validation = card.get("validation")
    if isinstance(validation, Mapping):
        for key, value in validation.items():
            text = value if isinstance(value, str) else canonical_json(value)
            tags[f"validation.{key}"] = text
    return {metric_key(f"{TAG}{key}"): cut_tag(value) for key, value in tags.items()}
