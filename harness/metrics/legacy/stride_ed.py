"""STRIDE-ED (Ji et al. 2026): its released evaluate/ code, defects included.

The metric file is that of DCKS. What differs is how texts reach it: the reply is cut out of
`<thinking>…</thinking><answer>listener: (Strategy) response</answer>`, every "(…)" is removed from
it but not from the reference, and an output that cannot be cut becomes an empty reply. Emotions are
compared by substring both ways, and a strategy accuracy is printed that nothing ever adds to.

An unparsed output without any of these four tags is no STRIDE-ED output; its reply is scored. A
failed prediction is empty and wrong, also where the released code might have found a reply in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.metrics import failures, labels
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.dcks import DIFFERENCES, family, readings
from harness.metrics.legacy.reading import printed_reference
from harness.metrics.profile import Profile

__all__ = ["PROFILE", "cut", "emotion_counts_as_right"]

_TAGS = ("<thinking>", "</thinking>", "<answer>", "</answer>")
_PARENTHESES = re.compile(r"\(.*?\)")
_EMOTION = re.compile(r"<Emotion>\s*([^\n<]+)", re.IGNORECASE)


def cut(output: str) -> tuple[str, str]:
    """(reasoning, reply) of an output, both empty where a tag is missing.

    The reply lies between the first `<answer>` after the first `</thinking>` and what ends it.
    """
    reasoning, found, rest = output.partition("</thinking>")
    _, opened, answer = rest.partition("</thinking>")[0].partition("<answer>")
    if not (found and opened):
        return "", ""
    answer = answer.partition("<answer>")[0].partition("</answer>")[0]
    return reasoning.rpartition("<thinking>")[2], _cleaned(answer)


def _cleaned(reply: str) -> str:
    return _without_role(_PARENTHESES.sub("", reply).strip())


def _without_role(text: str) -> str:
    return text.replace("listener:", "").strip()


def _is_output(item: Scored) -> bool:
    return item.raw is not None and any(tag in item.raw for tag in _TAGS)


def _said(item: Scored) -> str:
    if item.failed:
        return ""
    return cut(item.raw or "")[1] if _is_output(item) else _cleaned(item.text)


def _meant(item: Scored) -> str:
    return _without_role(printed_reference(item))


def _predicted_emotion(item: Scored) -> str | None:
    """What stands behind `<Emotion>` in the reasoning; without reasoning, the parsed label."""
    if item.failed:
        return None
    if not _is_output(item):
        return item.emotion
    found = _EMOTION.search(cut(item.raw or "")[0])
    return found[1] if found else None


def emotion_counts_as_right(predicted: str | None, gold: str) -> bool:
    """Whether one contains the other; an empty prediction is contained in every label."""
    if predicted is None:
        return False
    answer = predicted.strip().lower().strip(".").strip()
    label = gold.strip().lower().strip(".").strip("]").strip("[").strip()
    return label in answer or answer in label


def _emotion_rows(scored: Sequence[Scored]) -> Statistics:
    """n × 2: hit (0 or 100), 1."""
    from harness.metrics.arrays import additive

    return additive(
        (
            (100.0 * emotion_counts_as_right(_predicted_emotion(item), _gold(item)), 1)
            for item in scored
        ),
        2,
    )


def _gold(item: Scored) -> str:
    return item.file_emotion or item.gold_emotion or ""


def _nothing_rows(scored: Sequence[Scored]) -> Statistics:
    """n × 2: the hits that were never counted, and 1."""
    from harness.metrics.arrays import additive

    return additive(((0.0, 1) for _ in scored), 2)


def _accuracies() -> tuple[Metric, Metric]:
    own = {metric.name: metric for metric in labels.METRICS}
    return (
        replace(
            own["emotion_accuracy"],
            description="Share of examples whose emotion contains, or is contained in, the label.",
            statistics=_emotion_rows,
            signature=signature(
                "accuracy", label="emotion", match="substring-both-ways", empty="right",
                gold="file",
            ),
        ),
        replace(
            own["strategy_accuracy"],
            description="Printed as 0 whatever the strategies: the released code counts no hit.",
            statistics=_nothing_rows,
            signature=signature("accuracy", label="strategy", match="never"),
            needs=(),
            kinds=frozenset({"response", "strategy"}),
        ),
    )  # fmt: skip


_WORDS, _CONTENT = readings(_said, _meant, hyps="no-parentheses")

PROFILE = Profile(
    name="stride-ed",
    description="As STRIDE-ED's released evaluation code computes, defects included.",
    differences=(
        *DIFFERENCES,
        'Replies lose every "(…)", references keep theirs.',
        "An output that lacks a tag of its format becomes an empty reply, uncounted as a failure.",
        "An emotion is right if it contains the label or the label contains it: an empty one is "
        "right, and so is a list of several.",
        "Gold emotions are the data set's labels; the released code cuts them out of annotated "
        "reasoning that is not public.",
        "Strategy accuracy is 0 whatever the strategies, since no hit is ever counted.",
        "The released PPL also skips the first token and pads source and target to different "
        "lengths; which scorer made the printed PPL is not known.",
        "An earlier revision ended replies and references with a full stop; this is the last one.",
    ),
    caveat="The reply is cleaned otherwise than the reference and wrong emotions count as right, "
    "so neither BLEU nor accuracy compares with another evaluator's.",
    metrics=(
        *family(_WORDS, _CONTENT),
        common.ppl("example-ppl"),
        *_accuracies(),
        *failures.METRICS,
    ),
)
