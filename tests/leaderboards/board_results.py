"""Results made by hand, for the board's tests."""

from __future__ import annotations

from typing import Any

from harness.results import MetricResult, Provenance, Result

FINGERPRINT = "sha256:" + "4f" * 32


def metric(
    name: str,
    value: float | None,
    half: float | None = None,
    *,
    direction: str = "higher",
    signature: str = "",
    unit: str = "percent",
    n: int = 5255,
    n_failed: int = 0,
    note: str = "",
) -> MetricResult:
    has = value is not None and half is not None
    return MetricResult(
        name=name,
        value=value,
        signature=signature or f"{name}|v1",
        direction=direction,  # type: ignore[arg-type]
        unit=unit,
        low=value - half if has else None,  # type: ignore[operator]
        high=value + half if has else None,  # type: ignore[operator]
        n=n,
        n_failed=n_failed,
        note=note,
    )


def result(
    name: str,
    *metrics: MetricResult,
    kind: str = "model",
    task: str = "ed_response",
    example_set: str = "ed/test",
    fingerprint: str = FINGERPRINT,
    size: int | None = 5255,
    profile: str = "harness",
    provenance: Provenance = "re-measured",
    created: str = "2026-11-20T10:00:00+00:00",
    model: dict[str, Any] | None = None,
    **protocol: Any,
) -> Result:
    return Result(
        task=task,
        task_version=1,
        model={"name": name, "kind": kind, **(model or {})},
        protocol={
            "task": task,
            "example_set": example_set,
            "fingerprint": fingerprint,
            "size": size,
            "limit": None,
            "profile": profile,
            **protocol,
        },
        metrics=metrics,
        provenance=provenance,
        environment={"python": "3.11.9"},
        files={"predictions": {"name": "predictions.jsonl", "sha256": "ab" * 32}},
        created=created,
    )
