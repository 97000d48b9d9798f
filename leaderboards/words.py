"""The words of a board: what tasks, example sets and metrics are called, in plain sentences.

What a metric or profile means is told by `harness.metrics`; here are headings and their order.

A name that is not here is shown as it is, so that a third party's task or metric needs no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import UnknownNameError
from harness.tasks import TASKS

__all__ = [
    "PROVENANCE",
    "ExampleSetWords",
    "MetricWords",
    "column_order",
    "example_set_words",
    "metric_words",
    "profile_words",
    "task_kind",
    "task_title",
    "task_words",
]


@dataclass(frozen=True, slots=True)
class MetricWords:
    """How a metric is shown. `decisive` columns stand in the compact view of its table."""

    label: str
    description: str
    range: str = ""
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class ExampleSetWords:
    """What an example set holds; `size` is its full number of examples, None if not known."""

    sentence: str
    size: int | None = None
    sample: bool = False


PROVENANCE: Mapping[str, str] = {
    "reported": "Printed by a paper; nothing was run here, and its definitions may differ.",
    "re-scored": "Our metrics on replies that somebody else generated.",
    "re-measured": "Replies generated and scored with this harness.",
}

# What each known metric is headed with, in the order of columns.
_LABELS: Mapping[str, str] = {
    "bleu_4": "BLEU-4",
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "p_1": "P1",
    "p_2": "P2",
    "p_3": "P3",
    "p_4": "P4",
    "bleu_4_sentence": "BLEU-4 sentence",
    "chrf": "chrF",
    "rouge_l": "ROUGE-L",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "meteor": "METEOR",
    "bertscore_f1": "BERTScore F1",
    "bertscore_precision": "BERTScore P",
    "bertscore_recall": "BERTScore R",
    "embedding_similarity": "Similarity",
    "context_relevance": "Relevance",
    "relevance_gap": "Relevance gap",
    "dist_1": "Dist-1",
    "dist_2": "Dist-2",
    "dist_1_at_1000": "Dist-1 @1000",
    "dist_2_at_1000": "Dist-2 @1000",
    "ead_1": "EAD-1",
    "unique_share": "Unique",
    "commonest_share": "Commonest",
    "repetition_4": "Repeats",
    "copy_4": "Copies",
    "length": "Length",
    "ppl": "PPL as printed",
    "ppl_word": "PPL/word",
    "ppl_token": "PPL/token",
    "ppl_closed": "PPL/token, closed vocabulary",
    "bits_per_byte": "Bits/byte",
    "emotion_accuracy": "Accuracy",
    "emotion_macro_f1": "Macro F1",
    "emotion_invalid_rate": "Invalid",
    "strategy_accuracy": "Accuracy",
    "strategy_macro_f1": "Macro F1",
    "strategy_invalid_rate": "Invalid",
    "failure_rate": "Failed",
}
_ORDER = {name: position for position, name in enumerate(_LABELS)}

# What the compact view of a wide table keeps.
_DECISIVE = frozenset(
    {"bleu_4", "bleu_1", "rouge_l", "dist_2", "unique_share", "length", "ppl_word", "chrf"}
)

_TITLES: Mapping[str, str] = {
    "ed_response": "Replies in EmpatheticDialogues",
    "ed_emotion": "Emotions in EmpatheticDialogues",
    "ed_emotion_generate": "Emotions in EmpatheticDialogues, in the model's own words",
    "esconv_response": "Replies in ESConv",
    "esconv_strategy": "Strategies in ESConv",
    "esconv_strategy_generate": "Strategies in ESConv, in the model's own words",
}

_EXAMPLE_SETS: Mapping[str, ExampleSetWords] = {
    "ed/test": ExampleSetWords(
        "Every listener turn of the EmpatheticDialogues test split: 5,255 replies to people who "
        "told of a moment they lived through.",
        5255,
    ),
    "ed/test-empdg": ExampleSetWords(
        "The 2,713 EmpatheticDialogues test turns that EmpDG kept, those with longer contexts. "
        "Numbers on it do not compare with those on all 5,255.",
        2713,
    ),
    "ed/test-empo": ExampleSetWords(
        "The last listener turn of 2,540 EmpatheticDialogues test conversations, as EmPO took "
        "them. Numbers on it do not compare with those on all 5,255.",
        2540,
    ),
    "esconv/test-910-195-195": ExampleSetWords(
        "Every supporter turn of 195 held-out ESConv conversations between a person in distress "
        "and a trained supporter (910 / 195 / 195 split, seed 13).",
        2801,
    ),
    "esconv/test-joined": ExampleSetWords(
        "The supporter turns of the same 195 ESConv conversations, a person's consecutive turns "
        "read as one.",
        2295,
    ),
    "esconv/test-original": ExampleSetWords(
        "The 2,775 supporter turns of the test file that ESConv's first code release came with.",
        2775,
    ),
}


def task_kind(task: str, metrics: frozenset[str]) -> str:
    """response, emotion or strategy; of an unknown task, guessed from its metrics."""
    if task in TASKS:
        return TASKS[task].kind
    kinds = {name.split("_")[0] for name in metrics} & {"emotion", "strategy"}
    return kinds.pop() if len(kinds) == 1 and "bleu_4" not in metrics else "response"


def task_title(task: str) -> str:
    """A short heading for the task."""
    return _TITLES.get(task, task)


def task_words(task: str) -> str:
    """One sentence on what is asked; empty for an unknown task."""
    return TASKS[task].description if task in TASKS else ""


def example_set_words(name: str) -> ExampleSetWords:
    """What the named examples are."""
    if name in _EXAMPLE_SETS:
        return _EXAMPLE_SETS[name]
    if "sample" in name:
        return ExampleSetWords(
            "A few dialogues written for this project to try it out, not a benchmark.", sample=True
        )
    return ExampleSetWords(f"Example set {name}." if name else "Example set not stated.")


def metric_words(name: str, *, kind: str, profile: str) -> MetricWords:
    """How a metric is called and explained; an unknown one keeps its own name.

    A label metric in a table of another `kind` says of which label it speaks.
    """
    from harness.metrics import get_metric

    label, decisive = _LABELS.get(name, name), name in _DECISIVE
    family = name.split("_")[0]
    if name in _LABELS and family in ("emotion", "strategy") and family != kind:
        label = f"{family.capitalize()} {label[0].lower()}{label[1:]}"
    try:
        metric = get_metric(name, profile=profile)
    except UnknownNameError:
        return MetricWords(label, "", decisive=decisive)
    low, high = metric.range
    bounds = f"{low:g}–{'∞' if high == float('inf') else f'{high:g}'}"
    return MetricWords(label, metric.description, bounds, decisive)


def profile_words(profile: str) -> str:
    """What a legacy profile means for comparison; empty for our own definitions."""
    if profile == "harness":
        return ""
    from harness.metrics.profiles import PROFILES

    known = PROFILES.get(profile)
    said = f" {known.description} {known.caveat}" if known else ""
    return f"Legacy definitions ({profile}).{said} Compare these numbers only with each other."


def column_order(kind: str, name: str) -> tuple[int, int, str]:
    """Sorting key of a column: the task's own family first, unknown metrics last, by name."""
    labels = name.startswith(("emotion_", "strategy_"))
    own = name.startswith(f"{kind}_") or (kind == "response" and not labels)
    return (0 if own else 1, _ORDER.get(name, len(_ORDER)), name)
