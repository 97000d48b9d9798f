"""A result in MLflow's terms: metrics, params, tags and the data-set input, within its limits."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness.files import canonical_json
from harness.results import SCHEMA, Result

__all__ = [
    "TAG",
    "created_ms",
    "cut_tag",
    "dataset_fields",
    "flat_parameters",
    "metric_key",
    "metric_values",
    "parameters",
    "result_dataset",
    "result_tags",
    "run_name",
]

TAG = "empathy_bench."
# Limits of the oldest servers in use, so that nothing depends on the server's version.
_PARAM_CHARS = 500
_TAG_CHARS = 5000
_KEY_CHARS = 250
_DIGEST_CHARS = 36


def metric_values(result: Result) -> dict[str, float]:
    """`name`, `name.low`, `name.high` for every number there is, and the largest n and n_failed."""
    values: dict[str, float] = {}
    for metric in result.metrics:
        for suffix, value in (("", metric.value), (".low", metric.low), (".high", metric.high)):
            if value is not None:
                values[_free(metric_key(metric.name, suffix), values)] = float(value)
    for name in ("n", "n_failed"):
        counts = [getattr(metric, name) for metric in result.metrics]
        values[_free(name, values)] = float(max(counts, default=0))
    return values


def metric_key(name: str, suffix: str = "") -> str:
    """The nearest name that MLflow takes: letters, digits, `_ - . : /` and spaces."""
    key = re.sub(r"[^\w.\- :/]", "_", name)[: _KEY_CHARS - len(suffix) - 4] + suffix
    unique = key and posixpath.normpath(key) == key and key[0] not in "/."
    return key if unique else "_" + key.replace("/", "_")


def _free(key: str, taken: Mapping[str, object]) -> str:
    candidates = (f"{key}_{number}" for number in range(2, len(taken) + 3))
    return key if key not in taken else next(c for c in candidates if c not in taken)


def parameters(result: Result) -> dict[str, str]:
    """What the table of runs is sorted and filtered by: model, task, and the protocol card."""
    card = {key: value for key, value in result.protocol.items() if key != "fingerprint"}
    model = {key: value for key, value in result.model.items() if key != "name"}
    nested = {"task": result.task, "task_version": result.task_version, **card}
    flat: dict[str, str] = {"model": _cut(str(result.model["name"]), _PARAM_CHARS)}
    for key, value in [*_flatten(nested), *_flatten({"model": model})]:
        flat.setdefault(metric_key(key), _cut(value, _PARAM_CHARS))
    return flat


def flat_parameters(settings: Mapping[str, Any]) -> dict[str, str]:
    """Nested settings as MLflow params: names joined by dots, long values cut."""
    return {metric_key(key): _cut(value, _PARAM_CHARS) for key, value in _flatten(settings)}


def _flatten(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """`{"a": {"b": 1}}` as `[("a.b", "1")]`; what is unknown (None) is left out, lists are JSON."""
    pairs: list[tuple[str, str]] = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            pairs += _flatten(item, f"{prefix}{key}.")
        elif item is not None:
            pairs.append(
                (f"{prefix}{key}", item if isinstance(item, str) else canonical_json(item))
            )
    return pairs


def result_tags(result: Result) -> dict[str, str]:
    """What identifies and explains the numbers."""
    tags = {
        "schema": SCHEMA,
        "created": result.created,
        "provenance": result.provenance,
        "fingerprint": str(result.protocol.get("fingerprint", "")),
        "protocol": canonical_json(result.protocol),
        "model": canonical_json(result.model),
        "signatures": canonical_json({m.name: m.signature for m in result.metrics}),
        "environment": canonical_json(result.environment),
    }
    return {f"{TAG}{key}": _cut(value, _TAG_CHARS) for key, value in tags.items() if value}


def run_name(result: Result) -> str:
    """The model's name, with the profile where it is not ours."""
    profile = str(result.protocol.get("profile", "harness"))
    name = str(result.model["name"])
    return _cut(name if profile == "harness" else f"{name} @{profile}", _KEY_CHARS)


def dataset_fields(
    name: str, digest: str, source: Mapping[str, Any], *, rows: object = None
) -> dict[str, str]:
    """The fields of an MLflow `Dataset`; `digest` is a fingerprint or a hash."""
    return {
        "name": _cut(name, _KEY_CHARS),
        "digest": digest.removeprefix("sha256:")[:_DIGEST_CHARS] or "unknown",
        "source_type": "empathy-bench",
        "source": canonical_json(dict(source)),
        **({} if rows is None else {"profile": canonical_json({"num_rows": rows})}),
    }


def result_dataset(result: Result) -> dict[str, str]:
    """The same for a result's example set."""
    fingerprint = str(result.protocol.get("fingerprint", ""))
    name = str(result.protocol.get("example_set") or result.task)
    source = {"example_set": name, "fingerprint": fingerprint}
    return dataset_fields(name, fingerprint, source, rows=result.protocol.get("size"))


def created_ms(result: Result) -> int:
    """When the result was scored, in ms since 1970; 0 where it does not say."""
    try:
        moment = datetime.fromisoformat(result.created)
    except ValueError:
        return 0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, int(moment.timestamp() * 1000))


def cut_tag(text: str) -> str:
    """A tag's value at the length that every server takes."""
    return _cut(text, _TAG_CHARS)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
