"""The result record: one model × one task × one metric set, with everything the numbers depend on.

result.json is the hand-over from scoring to tracking and to the board; nothing later needs the
predictions again to show a number, its interval, or its definition.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from harness.errors import InputError, located
from harness.files import canonical_json, sha256_text, write_atomic

__all__ = [
    "SCHEMA",
    "MetricResult",
    "Provenance",
    "Result",
    "read_result",
    "result_files",
    "write_result",
]

SCHEMA = "empathy-bench/result/1"
FILE_NAME = "result.json"
# Where a SQLite store of ours keeps MLflow's copies of run folders.
ARTIFACTS = "mlartifacts"

Provenance = Literal["reported", "re-scored", "re-measured"]
Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """One number with its definition.

    `value`, `low`, `high` are in `unit` ("percent" runs 0–100). `low`/`high` bound the 95 %
    interval; None where the metric has none. `n` examples entered, `n_failed` of them as failures.
    `floors` are the values of answers that take no model (see `harness.floors`) on the same
    examples, `human` that of the references themselves.
    """

    name: str
    value: float | None
    signature: str
    direction: Direction
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int = 0
    n_failed: int = 0
    note: str = ""
    floors: Mapping[str, float] = field(default_factory=dict)
    human: float | None = None

    @property
    def beaten_by(self) -> tuple[str, ...]:
        """The floors that score higher than this, where higher is better, highest first.

        Where lower is better (repetition, failures), saying nothing of interest is easily best,
        and a floor is no height to reach.
        """
        value = self.value
        if value is None or self.direction != "higher":
            return ()
        above = [name for name, floor in self.floors.items() if floor > value]
        return tuple(sorted(above, key=lambda name: (-self.floors[name], name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What `score` says of one predictions file.

    `protocol` is the protocol card: task and version, example set, fingerprint, size, prompt,
    generation settings, seed, profile. `model` is the model card (`name` is always there).
    `files` maps a role ("predictions") to {"name", "sha256"}. `created` is ISO 8601, UTC.
    `tables` holds confusion matrices by label (see `harness.metrics.tables`).
    """

    task: str
    task_version: int
    model: Mapping[str, Any]
    protocol: Mapping[str, Any]
    metrics: Sequence[MetricResult]
    provenance: Provenance
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    created: str = ""

    @property
    def id(self) -> str:
        """Names what was measured: equal for a repeated scoring of the same predictions."""
        identity = [self.task, self.task_version, self.model, self.protocol, self.files]
        return sha256_text(canonical_json(identity))[:16]

    @property
    def comparable_key(self) -> tuple[str, int, str, str]:
        """Results are compared and ranked only where task, version, examples, profile agree."""
        return (
            self.task,
            self.task_version,
            str(self.protocol.get("fingerprint", "")),
            str(self.protocol.get("profile", "harness")),
        )

    def metric(self, name: str) -> MetricResult | None:
        return next((m for m in self.metrics if m.name == name), None)

    def to_json(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "id": self.id, **dataclasses.asdict(self)}


def write_result(path: Path, result: Result) -> None:
    """Write result.json atomically.

    Raises:
        StorageError: the disk refuses.
    """
    text = json.dumps(result.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text + "\n")


def result_files(folder: Path) -> list[Path]:
    """Every result.json below `folder`, sorted, but not MLflow's copies of them."""
    found = folder.rglob(FILE_NAME)
    return sorted(path for path in found if ARTIFACTS not in path.relative_to(folder).parts)


def read_result(path: Path) -> Result:
    """Read and check a result.json.

    Raises:
        InputError: missing, not JSON, another schema, or a field of the wrong kind.
    """
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such result file") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not a readable result file ({error})") from error
    return parse_result(value, str(path))


def parse_result(value: object, place: str) -> Result:
    """Check a decoded result record; see `read_result`."""
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        found = value.get("schema") if isinstance(value, dict) else type(value).__name__
        raise InputError(located(place, None, f"schema {found!r} is not {SCHEMA!r}"))
    try:
        result = Result(
            task=_text(value["task"]),
            task_version=int(value["task_version"]),
            model=_mapping(value["model"]),
            protocol=_mapping(value["protocol"]),
            metrics=tuple(_metric(item) for item in value["metrics"]),
            provenance=value["provenance"],
            environment=_mapping(value.get("environment", {})),
            files=_mapping(value.get("files", {})),
            tables=_mapping(value.get("tables", {})),
            created=_text(value.get("created", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(located(place, None, f"damaged result record: {error!r}")) from error
    if result.provenance not in get_args(Provenance):
        raise InputError(located(place, None, f"unknown provenance {result.provenance!r}"))
    if not isinstance(result.model.get("name"), str):
        raise InputError(located(place, None, "the model card has no name"))
    try:
        canonical_json(result.to_json()).encode()
    except (TypeError, ValueError) as error:  # NaN, or half a surrogate pair
        raise InputError(located(place, None, f"damaged result record: {error}")) from error
    return result


def _metric(value: Mapping[str, Any]) -> MetricResult:
    known = {f.name for f in dataclasses.fields(MetricResult)}
    metric = MetricResult(**{key: item for key, item in value.items() if key in known})
    floors = _mapping(metric.floors)
    for number in (metric.value, metric.low, metric.high, metric.human, *floors.values()):
        if number is not None and not math.isfinite(float(number)):
            raise ValueError(f"{metric.name}: {number} is not finite")
    if metric.direction not in get_args(Direction):
        raise ValueError(f"{metric.name}: direction {metric.direction!r}")
    for text in (metric.name, metric.signature, metric.unit, metric.note):
        _text(text)
    for count in (metric.n, metric.n_failed):
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"{metric.name}: {count!r} is not a count")
    return metric


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not an object")
    return value
