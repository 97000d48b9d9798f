"""Results for a model's page on the hub: `.eval_results/*.yaml` of its repository.

Format: huggingface.co/docs/hub/eval-results, through `huggingface_hub.EvalResultEntry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.results import MetricResult, Result
from leaderboards.exports.sources import (
    hub_dataset,
    hub_model,
    is_measured_model,
    is_whole,
    safe_name,
)

__all__ = ["render_hub"]


def render_hub(results: Iterable[Result]) -> Iterator[tuple[str, str]]:
    """(path, YAML) of each measured model's result on a whole benchmark, an entry each metric.

    A number on a part of the examples or on sample data does not go to a public page. A path is
    `<organisation>__<model>/.eval_results/<task>-<result>.yaml`; copy the hidden folder into the
    model's repository.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    for result in results:
        repository = hub_dataset(result)
        if repository is None or not is_measured_model(result) or not is_whole(result):
            continue
        entries = [
            EvalResultEntry(
                dataset_id=repository,
                task_id=f"{result.task}.{metric.name}",
                value=metric.value,
                date=result.created or None,
                notes=_notes(result, metric),
            )
            for metric in result.metrics
            if metric.value is not None
        ]
        if entries:
            text = yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, width=1000)
            yield f"{_folder(result)}/.eval_results/{result.task}-{result.id}.yaml", text


def _folder(result: Result) -> str:
    owned = hub_model(result)
    return f"{owned[0]}__{owned[1]}" if owned else safe_name(str(result.model["name"]))


def _notes(result: Result, metric: MetricResult) -> str:
    parts = [f"empathy-bench {result.protocol.get('scored_with', '')}".strip()]
    if metric.low is not None and metric.high is not None:
        parts.append(f"95 % interval over dialogues {metric.low:.4g} to {metric.high:.4g}")
    parts += [
        f"{metric.n} examples of {result.protocol['example_set']}, {metric.n_failed} failed",
        metric.signature,
        result.provenance,
    ]
    return "; ".join(parts)
