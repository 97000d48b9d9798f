"""Results as records of Every Eval Ever, an interchange format for evaluation results.

Format: eval.schema.json 0.2.2 of github.com/evaleval/every_eval_ever (arXiv 2606.14516).
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from harness import __version__
from harness.errors import UnknownNameError
from harness.results import MetricResult, Result
from leaderboards.exports.sources import hub_dataset, hub_model, is_measured_model, safe_name
from leaderboards.words import metric_words, task_kind, task_words

__all__ = ["SCHEMA_VERSION", "render_every_eval_ever"]

SCHEMA_VERSION = "0.2.2"
_SPACE = uuid.UUID("3f1d6f0e-6f0a-5f0c-9a60-5d3f0e6b7c11")
_NAMESPACE = "empathy-bench"


def render_every_eval_ever(
    results: Iterable[Result], *, organization: str
) -> Iterator[tuple[str, str]]:
    """(path, JSON) of each measured model's result; equal results give equal records.

    Floors and people are no models and stand in the details of each score instead. Metric names
    are our own (`empathy-bench.bleu_4`), for so are their definitions: values do not join with
    those of other libraries. `organization` is who provides the data; how it relates to a model's
    makers is not for us to say ("other").
    """
    for result in results:
        if not is_measured_model(result):
            continue
        scores = [_score(result, m) for m in result.metrics if m.value is not None]
        if not scores:
            continue
        record = _record(result, scores, organization)
        name = uuid.uuid5(_SPACE, json.dumps(record, sort_keys=True))
        developer, _, model = record["model_info"]["id"].rpartition("/")
        place = f"data/{_NAMESPACE}/{safe_name(developer)}/{safe_name(model)}"
        yield f"{place}/{name}.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n"


def _record(result: Result, scores: list[dict[str, Any]], organization: str) -> dict[str, Any]:
    name = str(result.model["name"])
    organisation, bare = hub_model(result) or ("unknown", safe_name(name))
    stamp = _epoch(result.created)
    times = {"evaluation_timestamp": result.created} if result.created else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{_NAMESPACE}.{result.task}/{organisation}/{bare}/{result.id}",
        **times,
        "retrieved_timestamp": stamp,
        "source_metadata": {
            "source_name": _NAMESPACE,
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": "other",
            "additional_details": {"provenance": result.provenance},
        },
        "eval_library": {
            "name": _NAMESPACE,
            "version": str(result.protocol.get("scored_with") or __version__),
            "additional_details": _strings(result.environment),
        },
        "model_info": {
            "name": name,
            "id": f"{organisation}/{bare}",
            "developer": organisation,
            "additional_details": _strings({**result.model, "name": None}),
        },
        "evaluation_results": scores,
    }


def _score(result: Result, metric: MetricResult) -> dict[str, Any]:
    stated = {f"floor: {name}": f"{value:g}" for name, value in metric.floors.items()}
    if metric.human is not None:
        stated["human references"] = f"{metric.human:g}"
    if metric.note:
        stated["note"] = metric.note
    details: dict[str, Any] = {
        "score": metric.value,
        "details": {"n_failed": str(metric.n_failed), **stated},
    }
    if metric.low is not None and metric.high is not None:
        details["uncertainty"] = {
            "confidence_interval": {
                "lower": metric.low,
                "upper": metric.high,
                "confidence_level": 0.95,
                "method": "resampled dialogues",
            },
            "num_samples": metric.n,
        }
    return {
        "evaluation_result_id": f"{result.id}.{metric.name}",
        "evaluation_name": f"{_NAMESPACE}.{result.task}",
        "source_data": _source_data(result),
        "metric_config": _metric_config(result, metric),
        "score_details": details,
        "generation_config": _generation(result),
    }


def _metric_config(result: Result, metric: MetricResult) -> dict[str, Any]:
    kind = task_kind(result.task, frozenset(m.name for m in result.metrics))
    profile = str(result.protocol.get("profile") or "harness")
    words = metric_words(metric.name, kind=kind, profile=profile)
    config: dict[str, Any] = {
        "evaluation_description": f"{task_words(result.task)} {words.description}".strip(),
        "metric_id": f"{_NAMESPACE}.{metric.name}",
        "metric_name": words.label,
        "metric_unit": metric.unit or "points",
        "metric_parameters": {"signature": metric.signature, "profile": profile},
        "lower_is_better": metric.direction == "lower",
        "additional_details": {"direction": metric.direction},
    }
    bounds = _bounds(metric, profile)
    # "continuous" demands two finite bounds, which perplexity has not.
    if bounds is not None:
        config |= {"score_type": "continuous", "min_score": bounds[0], "max_score": bounds[1]}
    return config


def _bounds(metric: MetricResult, profile: str) -> tuple[float, float] | None:
    from harness.metrics import get_metric

    try:
        low, high = get_metric(metric.name, profile=profile).range
    except UnknownNameError:
        return None
    held = metric.value is not None and low <= metric.value <= high
    return (low, high) if held and math.isfinite(low) and math.isfinite(high) else None


def _source_data(result: Result) -> dict[str, Any]:
    protocol = result.protocol
    example_set = str(protocol.get("example_set") or "not stated")
    told = {"example_set": example_set, "fingerprint": protocol.get("fingerprint", "")}
    limit = {"limit": protocol["limit"]} if protocol.get("limit") is not None else {}
    repository = hub_dataset(result)
    if repository is None:
        return {
            "dataset_name": example_set,
            "source_type": "other",
            "source_version": str(protocol.get("fingerprint", "")),
            "additional_details": _strings(limit),
        }
    size = protocol.get("size")
    counted = {"samples_number": size} if isinstance(size, int) else {}
    return {
        "dataset_name": example_set.partition("/")[0],
        "source_type": "hf_dataset",
        "hf_repo": repository,
        "hf_split": "test",
        **counted,
        "additional_details": _strings({**told, **limit}),
    }


def _generation(result: Result) -> dict[str, Any]:
    stated = result.protocol.get("generation")
    generation = dict(stated) if isinstance(stated, Mapping) else {}
    known = {"temperature": float, "top_p": float, "top_k": float, "max_gen_toks": int}
    arguments = {}
    for name, kind in known.items():
        value = generation.get(name)
        if isinstance(value, int if kind is int else int | float) and not isinstance(value, bool):
            arguments["max_tokens" if kind is int else name] = value
            del generation[name]
    rest = {**generation, "seed": result.protocol.get("seed")}
    prompt = {"prompt": result.protocol["prompt"]} if "prompt" in result.protocol else {}
    return {"generation_args": arguments, "additional_details": _strings({**rest, **prompt})}


def _strings(values: Mapping[str, Any]) -> dict[str, str]:
    """Details may hold texts only: other values are written as JSON."""
    return {
        str(name): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
        if value is not None
    }


def _epoch(created: str) -> str:
    """Seconds since 1970; "0" for an undated result, so that equal results give equal records."""
    try:
        return str(int(datetime.fromisoformat(created).timestamp()))
    except ValueError:
        return "0"
