"""The words of a board: what tasks, example sets and metrics are called, in plain sentences.

A name that is not here is shown as it is, so that a third party's task or metric needs no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

_OVERLAP = "share of reply n-grams (n up to {n}) found in the human reply, with a penalty for short"
_METRICS: Mapping[str, MetricWords] = {
    "bleu_4": MetricWords(
        "BLEU-4", f"Overlap with the human reply: {_OVERLAP.format(n=4)} replies.", "0–100", True
    ),
    "bleu_1": MetricWords(
        "BLEU-1", f"Overlap with the human reply: {_OVERLAP.format(n=1)} replies.", "0–100", True
    ),
    "bleu_2": MetricWords(
        "BLEU-2", f"Overlap with the human reply: {_OVERLAP.format(n=2)} replies.", "0–100"
    ),
    "bleu_3": MetricWords(
        "BLEU-3", f"Overlap with the human reply: {_OVERLAP.format(n=3)} replies.", "0–100"
    ),
    "rouge_l": MetricWords(
        "ROUGE-L",
        "Longest common word sequence with the human reply, F1, mean over replies.",
        "0–100",
        True,
    ),
    "dist_1": MetricWords(
        "Dist-1",
        "Different words per hundred words of all replies. Falls as more replies are counted.",
        "0–100",
    ),
    "dist_2": MetricWords(
        "Dist-2",
        "Different word pairs per hundred pairs of all replies. Falls as more are counted.",
        "0–100",
        True,
    ),
    "unique_share": MetricWords(
        "Unique", "Replies that no other reply of this model repeats.", "0–100", True
    ),
    "commonest_share": MetricWords(
        "Commonest", "Share of all replies taken by the one given most often.", "0–100"
    ),
    "length": MetricWords(
        "Length", "Words in a reply, on average. Neither more nor fewer is better.", "0–∞", True
    ),
    "ppl_word": MetricWords(
        "PPL/word",
        "How much each word of the human reply surprises the model; fair between tokenizers.",
        "1–∞",
        True,
    ),
    "ppl_token": MetricWords(
        "PPL/token",
        "How much each token of the human reply surprises the model. "
        "Only comparable between models that share a tokenizer.",
        "1–∞",
    ),
    "bits_per_byte": MetricWords(
        "Bits/byte",
        "Bits the model needs per byte of the human reply; fair between tokenizers.",
        "0–∞",
    ),
    "emotion_accuracy": MetricWords(
        "Accuracy", "Share of the speaker's emotions named rightly, out of 32.", "0–100", True
    ),
    "emotion_macro_f1": MetricWords(
        "Macro F1", "F1 of each emotion, averaged with equal weight for rare ones.", "0–100", True
    ),
    "emotion_invalid_rate": MetricWords(
        "Invalid", "Answers that are none of the 32 emotions; they count as wrong.", "0–100", True
    ),
    "strategy_accuracy": MetricWords(
        "Accuracy", "Share of the supporter's strategies named rightly, out of 8.", "0–100", True
    ),
    "strategy_macro_f1": MetricWords(
        "Macro F1", "F1 of each strategy, averaged with equal weight for rare ones.", "0–100", True
    ),
    "strategy_invalid_rate": MetricWords(
        "Invalid", "Answers that are none of the 8 strategies; they count as wrong.", "0–100", True
    ),
    "failure_rate": MetricWords(
        "Failed", "Predictions that failed; they count as empty or wrong, never left out.", "0–100"
    ),
}
_ORDER = {name: position for position, name in enumerate(_METRICS)}

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
        "and a trained supporter (910 / 195 / 195 split, seed 13)."
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


def metric_words(name: str) -> MetricWords:
    """How a metric is called and explained; an unknown one keeps its own name."""
    return _METRICS.get(name) or MetricWords(name, "")


def profile_words(profile: str) -> str:
    """What a legacy profile means for comparison; empty for our own definitions."""
    if profile == "harness":
        return ""
    return (
        f"Scored with the {profile} profile: the definitions of an earlier evaluator, kept as they "
        "were, quirks included. Compare these numbers only with each other."
    )


def column_order(kind: str, name: str) -> tuple[int, int, str]:
    """Sorting key of a column: the task's own family first, unknown metrics last, by name."""
    labels = name.startswith(("emotion_", "strategy_"))
    own = name.startswith(f"{kind}_") or (kind == "response" and not labels)
    return (0 if own else 1, _ORDER.get(name, len(_ORDER)), name)
