"""The same metrics for users of Hugging Face's `evaluate`; nothing else in harness imports it.

    EvaluateMetric("bleu_4").compute(predictions=replies, references=human_replies)
    evaluate.load(empathy_bench_module_path(), "moel/bleu_4")

What counts as prediction and reference follows from the metric: labels for metrics of labels,
replies for all others. Everything else that a metric may look at is a column named as in `Scored`
("cluster", "context", "emotion", …): given to `compute` at any time, or declared beforehand with
`columns`, since `add` and `add_batch` take only declared ones. Columns that a metric cannot do
without are declared of themselves. Values and intervals are those of `score_metric`.

`import evaluate` takes 10 seconds and more: this module is imported by those who ask for it alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import evaluate

from harness.errors import InputError, UnknownNameError
from harness.metrics import get_metric, metric_names, score_metric
from harness.metrics.classification import LABELS, Field
from harness.metrics.contract import Metric, Scored
from harness.metrics.families import FAMILIES
from harness.metrics.profiles import PROFILES

__all__ = ["EvaluateMetric", "empathy_bench_module_path", "evaluate_names"]

_TEXT = datasets.Value("string")
_NUMBER = datasets.Value("float64")
_COUNT = datasets.Value("int64")
# Everything of `Scored` that may be given beside the predictions and references.
_COLUMNS: Mapping[str, Any] = {
    **dict.fromkeys(("id", "cluster", "raw", "file_reference", "file_emotion"), _TEXT),
    **dict.fromkeys(("emotion", "gold_emotion", "strategy", "gold_strategy"), _TEXT),
    "context": datasets.Sequence(_TEXT),
    "emotion_scores": datasets.Sequence(_NUMBER),
    "strategy_scores": datasets.Sequence(_NUMBER),
    **dict.fromkeys(("reference_nll", "reference_surcharge"), _NUMBER),
    **dict.fromkeys(("reference_tokens", "reference_words"), _COUNT),
    "failed": datasets.Value("bool"),
}


def empathy_bench_module_path() -> str:
    """What `evaluate.load` wants as its first argument: the folder of the loading script."""
    return str(Path(__file__).parent / "evaluate_module")


def evaluate_names() -> tuple[str, ...]:
    """Every name that `EvaluateMetric` takes: NAME, PROFILE/NAME, and families."""
    legacy = (
        f"{profile}/{name}"
        for profile in PROFILES
        if profile != "harness"
        for name in metric_names(profile)
    )
    return (*metric_names(), *legacy, *FAMILIES)


class EvaluateMetric(evaluate.Metric):
    """One metric, or one family of them, as an `evaluate.Metric`.

    `config_name` is NAME, PROFILE/NAME, FAMILY or FAMILY:ARGUMENT; `columns` declares what `add`
    and `add_batch` will be given beside predictions and references. Other options are those of
    `evaluate.Metric`.

    Raises:
        UnknownNameError: no such metric, profile or column.
        InputError: there is no name, or the family cannot be made with its argument.
    """

    def __init__(
        self, config_name: str | None = None, *, columns: Sequence[str] = (), **options: Any
    ) -> None:
        self._metrics = _metrics_of(config_name)
        self._label = _label_of(self._metrics)
        unknown = next((name for name in columns if name not in _COLUMNS), None)
        if unknown is not None:
            raise UnknownNameError("column", unknown, _COLUMNS)
        needed = [name for metric in self._metrics for name in metric.needs]
        own = (self._label, f"gold_{self._label}")
        self._declared = tuple(
            dict.fromkeys([*(name for name in needed if name not in own), *columns])
        )
        # `evaluate` makes a folder of this name.
        super().__init__(config_name=re.sub(r"[^\w.-]+", "_", str(config_name)), **options)
        # Two modules of one name would be told apart by numbers in `evaluate.combine`.
        self.info.module_name = str(config_name)
        self.info.config_name = self.config_name = str(config_name)

    def _info(self) -> evaluate.MetricInfo:
        what = f"{self._label} labels" if self._label else "replies, as text"
        declared = "".join(f"\n    {name}: one value per example" for name in self._declared)
        return evaluate.MetricInfo(
            description=" ".join(metric.description for metric in self._metrics),
            citation="",
            inputs_description=f"\nArgs:\n    predictions: {what}\n    references: {what}{declared}"
            "\n    seed, resamples: of the 95 % interval over clusters",
            features=datasets.Features(
                predictions=_TEXT,
                references=_TEXT,
                **{name: _COLUMNS[name] for name in self._declared},
            ),
        )

    def _compute(
        self,
        *,
        predictions: Sequence[str],
        references: Sequence[str],
        seed: int = 0,
        resamples: int = 1000,
        **columns: Any,
    ) -> dict[str, Any]:
        scored = _scored(self._label, predictions, references, columns)
        found: dict[str, Any] = {}
        for metric in self._metrics:
            result = score_metric(metric, scored, seed=seed, resamples=resamples)
            found[metric.name] = result.value
            found[f"{metric.name}_low"] = result.low
            found[f"{metric.name}_high"] = result.high
            prefix = "" if len(self._metrics) == 1 else f"{metric.name}_"
            for name in ("signature", "n", "n_failed", "note"):
                found[f"{prefix}{name}"] = getattr(result, name)
        return found


def _metrics_of(name: str | None) -> tuple[Metric, ...]:
    if not name or name == "default":
        raise InputError(
            "which metric? give its name, such as EvaluateMetric('bleu_4') or "
            "evaluate.load(path, 'moel/bleu_4')"
        )
    family, _, argument = name.partition(":")
    if family in FAMILIES:
        return FAMILIES[family].make(argument)
    profile, slash, metric = name.partition("/")
    return (get_metric(metric, profile=profile) if slash else get_metric(name),)


def _label_of(metrics: Sequence[Metric]) -> Field | None:
    """The label that predictions and references are, where the metric is of labels alone."""
    fields: tuple[Field, ...] = ("emotion", "strategy")
    for field in fields:
        if all(metric.kinds == {field} for metric in metrics):
            return field
    return None


def _scored(
    label: Field | None,
    predictions: Sequence[str],
    references: Sequence[str],
    columns: Mapping[str, Any],
) -> list[Scored]:
    """The examples; without a column "cluster", each is a dialogue of its own."""
    count = len(predictions)
    for name, values in columns.items():
        if name not in _COLUMNS:
            raise UnknownNameError("column", name, _COLUMNS)
        if len(values) != count:
            raise InputError(
                f"column {name!r} has {len(values)} values for {count} predictions; "
                "give one for each"
            )
    if label in columns or f"gold_{label}" in columns:
        label = None
    rows = [
        {name: _cell(name, values[i]) for name, values in columns.items() if values[i] is not None}
        for i in range(count)
    ]
    return [
        _example(label, str(i), said, meant, row)
        for i, (said, meant, row) in enumerate(zip(predictions, references, rows, strict=True))
    ]


def _example(
    label: Field | None, number: str, said: str, meant: str, row: dict[str, Any]
) -> Scored:
    fields: dict[str, Any] = {"id": number, "cluster": number, "response": None, "reference": ""}
    if label is None:
        fields |= {"response": said, "reference": meant}
    else:
        fields |= {label: said, f"gold_{label}": meant}
    return Scored(**fields | row)


def _cell(name: str, value: Any) -> Any:
    """A column's value as `Scored` holds it; scores come in the order of the label set."""
    if name == "context":
        return tuple(value)
    if name not in ("emotion_scores", "strategy_scores") or isinstance(value, Mapping):
        return value
    labels = LABELS["emotion" if name == "emotion_scores" else "strategy"]
    if len(value) != len(labels):
        raise InputError(
            f"column {name!r} has a row of {len(value)} scores; give {len(labels)}, "
            "in the order of the label set"
        )
    return dict(zip(labels, value, strict=True))
