"""What every legacy profile owes: its words, its signatures, no crash, no gain from failing."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import score_metric
from harness.metrics.contract import Metric, Scored, signed
from harness.metrics.profiles import PROFILES, get_profile
from tests.metrics.build import value
from tests.metrics.published import replies

LEGACY = [name for name in PROFILES if name != "harness"]
PUBLISHED = {
    "moel": {"bleu_1", "bleu_4", "dist_2", "ppl", "emotion_accuracy"},
    "mime": {"bleu_1", "bleu_4", "dist_2", "ppl", "emotion_accuracy"},
    "empdg": {"p_1", "p_4", "bleu_4_sentence", "dist_1", "dist_2", "ppl", "emotion_accuracy"},
    "kemp": {"bleu_1", "bleu_2", "bleu_4", "dist_1", "dist_2", "ppl", "emotion_accuracy"},
    "cem": {"dist_1", "dist_2", "ppl", "emotion_accuracy"},
    "cab": {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "dist_1", "dist_2"},
    "dcks": {"bleu_1", "bleu_4", "dist_1", "dist_2", "rouge_l", "ppl", "emotion_accuracy"},
    "stride-ed": {"bleu_4", "dist_2", "rouge_l", "ppl", "emotion_accuracy", "strategy_accuracy"},
    "esconv": {"bleu_1", "bleu_4", "dist_1", "dist_3", "rouge_l", "ppl", "strategy_accuracy"},
    "nlg-eval": {"bleu_1", "bleu_4", "rouge_l", "cider"},
    "empgpt3": {"dist_1", "dist_2", "dist_3"},
}
TEXTS = [
    "",
    "   \n\t",
    "🙂🙂 🙂",
    "word " * 10_000,
    "¿qué te pasó? 你好吗",
    "(",
    "((a) b)",
    "\ud800",
    "a\x00b",
    ":::Greedy:Pred:Ref:",
    "<thinking></answer>",
    ".",
    "I'm SORRY!!!",
]


def example(
    response: str | None, reference: str, *, failed: bool = False, number: int = 0
) -> Scored:
    return Scored(
        id=str(number),
        cluster=str(number),
        response=response,
        reference=reference,
        raw=response,
        emotion=response,
        gold_emotion="sad",
        strategy=response,
        gold_strategy="Question",
        reference_nll=3.0,
        reference_tokens=2,
        failed=failed,
    )


def test_all_published_names_are_there() -> None:
    assert set(LEGACY) == set(PUBLISHED)
    for name, names in PUBLISHED.items():
        assert names <= {metric.name for metric in get_profile(name).metrics}, name


@pytest.mark.parametrize("name", LEGACY)
def test_profiles_say_what_they_do_otherwise(name: str) -> None:
    profile = get_profile(name)
    assert profile.differences
    for sentence in (profile.description, profile.caveat, *profile.differences):
        assert sentence.endswith(".") and sentence == sentence.strip()
    assert not get_profile("harness").differences


@pytest.mark.parametrize("name", LEGACY)
def test_names_and_signatures_are_unique_and_name_the_references(name: str) -> None:
    metrics = get_profile(name).metrics
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert len({metric.signature for metric in metrics}) == len(metrics)
    canonical = [example("a", "a")]
    for metric in metrics:
        assert " " not in metric.signature
        if metric.name.startswith(("bleu", "rouge", "cider", "f1", "p_")):
            assert "|refs:canonical|" in signed(metric, canonical)


def test_equal_names_with_other_definitions_have_other_signatures() -> None:
    by_signature: dict[str, list[str]] = {}
    for name in ("moel", "kemp", "cab", "dcks", "stride-ed", "esconv", "nlg-eval", "harness"):
        for metric in get_profile(name).metrics:
            if metric.name == "bleu_4":
                by_signature.setdefault(metric.signature, []).append(name)
    assert all(len(names) == 1 for names in by_signature.values()), by_signature


@pytest.mark.parametrize("name", LEGACY)
def test_no_text_breaks_a_profile(name: str) -> None:
    examples = [
        example(text, TEXTS[(i * 5 + 3) % len(TEXTS)], number=i) for i, text in enumerate(TEXTS)
    ]
    for metric in get_profile(name).metrics:
        result = score_metric(metric, examples, resamples=20)
        assert result.value is not None, (metric.name, result.note)
        assert metric.range[0] <= result.value <= metric.range[1] + 1e-9, metric.name


@pytest.mark.parametrize("name", LEGACY)
@given(
    texts=st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=4)
)
@settings(max_examples=25, deadline=None)
def test_values_stay_in_range(name: str, texts: list[tuple[str, str]]) -> None:
    examples = [example(a, b, number=i) for i, (a, b) in enumerate(texts)]
    for metric in get_profile(name).metrics:
        found = value(metric, examples)
        within = metric.range[0] <= found <= metric.range[1] + 1e-9
        assert within or (name == "empgpt3" and math.isnan(found)), metric.name


def rising(metric: Metric) -> bool:
    return metric.direction == "higher"


@pytest.mark.parametrize("name", LEGACY)
@pytest.mark.parametrize("reference", ["", "!", "so sorry"])
def test_failures_never_count_as_good(name: str, reference: str) -> None:
    left = "<thinking><Emotion> sad</thinking><answer>so sorry</answer>"
    examples = [example(left, reference, failed=True, number=i) for i in range(3)]
    for metric in filter(rising, get_profile(name).metrics):
        found = value(metric, examples)
        assert math.isnan(found) or found < 1e-3, metric.name


@pytest.mark.parametrize("name", LEGACY)
def test_a_profile_takes_seconds_on_the_whole_test_set(real_data: Path, name: str) -> None:
    examples = list(replies(real_data, "MIME top-k"))
    started = time.process_time()
    for metric in get_profile(name).metrics:
        if not metric.needs:
            value(metric, examples)
    assert time.process_time() - started < 30


def test_profiles_load_nothing_slow() -> None:
    code = (
        "import sys, harness.metrics.profiles as p\n"
        "assert len(p.PROFILES) > 10\n"
        "print(sorted({'numpy', 'nltk', 'punkt', 'sacrebleu', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
