"""score_predictions: which metrics, on what, and what becomes of odd or failed predictions."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.metrics as metrics
from harness.errors import InputError, PredictionsError, UnknownNameError
from harness.metrics import (
    describe_metrics,
    example_values,
    get_metric,
    metric_names,
    pair,
    score_metric,
    score_predictions,
)
from harness.metrics.profiles import PROFILES, get_profile
from harness.predictions import Prediction
from harness.results import MetricResult
from tests.metrics.build import example_set, scored, value, values
from tests.metrics.published import replies

REFERENCES = [
    "oh no , what happened ?",
    "that is great !",
    "i am so sorry .",
    "how old is he ?",
] * 3
EXAMPLES = example_set(REFERENCES, ["sad", "joyful", "lonely", "proud"] * 3)
TEXT = ("bleu_1", "bleu_4", "rouge_l", "dist_1", "dist_2", "unique_share", "commonest_share")


def predictions(responses: list[str]) -> list[Prediction]:
    return [Prediction(id=e.id, response=r) for e, r in zip(EXAMPLES, responses, strict=True)]


def by_name(results: tuple[MetricResult, ...]) -> dict[str, MetricResult]:
    return {result.name: result for result in results}


HUMAN = predictions(REFERENCES)


def test_a_reply_task_shows_text_diversity_likelihood_and_failures() -> None:
    found = by_name(score_predictions(EXAMPLES, HUMAN, kind="response", resamples=100))
    assert list(found) == [
        *("bleu_1", "bleu_2", "bleu_3", "bleu_4", "bleu_4_sentence", "chrf"),
        *("rouge_1", "rouge_2", "rouge_l"),
        *("dist_1", "dist_1_at_1000", "dist_2", "dist_2_at_1000", "ead_1"),
        *("unique_share", "commonest_share", "length", "repetition_4", "copy_4"),
        *("ppl_word", "ppl_token", "bits_per_byte", "failure_rate"),
    ]
    assert found["bleu_4"].value == pytest.approx(100)
    assert found["rouge_l"].value == pytest.approx(100)
    assert found["unique_share"].value == pytest.approx(100 * 4 / 12)
    for result in found.values():
        assert result.n == 12
        if result.value is not None:
            assert result.low is not None and result.high is not None
            assert result.low - 1e-9 <= result.value <= result.high + 1e-9 or "dist" in result.name


def test_labels_that_replies_carry_are_scored_too() -> None:
    labelled = [
        replace(p, emotion=e.emotion) for p, e in zip(HUMAN, EXAMPLES.examples, strict=True)
    ]
    found = by_name(score_predictions(EXAMPLES, labelled, kind="response", resamples=100))
    assert found["emotion_accuracy"].value == 100.0
    assert "strategy_accuracy" not in found


def test_a_label_task_shows_its_labels_and_failures_only() -> None:
    answers = [Prediction(id=e.id, emotion="sad") for e in EXAMPLES]
    found = by_name(score_predictions(EXAMPLES, answers, kind="emotion", resamples=100))
    assert list(found) == [
        *("emotion_accuracy", "emotion_macro_f1", "emotion_weighted_f1"),
        *("emotion_top5_accuracy", "emotion_ece", "emotion_invalid_rate", "failure_rate"),
    ]
    assert found["emotion_accuracy"].value == 25.0
    assert found["emotion_macro_f1"].value == pytest.approx(100 * 0.4 / 4)


def test_names_choose_metrics_in_that_order() -> None:
    found = score_predictions(
        EXAMPLES, HUMAN, kind="response", names=["length", "bleu_2", "length"], resamples=100
    )
    assert [result.name for result in found] == ["length", "bleu_2"]


def test_unknown_names_propose_what_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="bleu_4"):
        score_predictions(EXAMPLES, HUMAN, kind="response", names=["blue_4"])
    with pytest.raises(UnknownNameError, match="moel"):
        score_predictions(EXAMPLES, HUMAN, kind="response", profile="moell")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (HUMAN[:-2], r"2 examples have no prediction \(ed/test/c10/1, ed/test/c11/1\)"),
        (HUMAN[:5], r"7 examples .*c5/1, ed/test/c6/1, ed/test/c7/1, …"),
        ([*HUMAN, Prediction(id="ed/test/x", response="")], r"1 ids are not of .*ed/test/x"),
        ([*HUMAN, HUMAN[3]], r"1 ids come more than once .*ed/test/c3/1"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(rows: list[Prediction], words: str) -> None:
    with pytest.raises(PredictionsError, match=words):
        pair(EXAMPLES, rows)


@given(st.permutations(range(len(HUMAN))))
@settings(max_examples=10, deadline=None)
def test_the_order_of_predictions_changes_nothing(order: list[int]) -> None:
    varied = [replace(p, response=f"{p.response} {i}") for i, p in enumerate(HUMAN)]
    names = ["bleu_2", "dist_2", "unique_share"]

    def run(rows: list[Prediction]) -> tuple[MetricResult, ...]:
        return score_predictions(EXAMPLES, rows, kind="response", names=names, resamples=50)

    assert run([varied[i] for i in order]) == run(varied)


@given(st.lists(st.text(max_size=20), min_size=2, max_size=8), st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_of_examples_changes_no_value(texts: list[str], rng: random.Random) -> None:
    examples = scored(texts, REFERENCES[: len(texts)])
    shuffled = rng.sample(examples, len(examples))
    for name, found in values(TEXT, shuffled).items():
        assert found == pytest.approx(value(name, examples), abs=1e-9)


@pytest.mark.parametrize("profile", PROFILES)
def test_odd_replies_do_not_crash_and_stay_in_range(profile: str) -> None:
    odd = ["", "   ", "\n\t", "🙂🙂", "?!", "\u202eabc", "word " * 10_000, "a\x00b", "ＡＢ １", "é"]
    examples = scored(odd, [*REFERENCES[:9], ""], emotion=odd, gold_emotion=["sad"] * 10)
    for name in metric_names(profile):
        metric = get_metric(name, profile=profile)
        result = score_metric(metric, examples, resamples=50)
        if result.value is None:
            assert "lack" in result.note or "needs 1,000 examples" in result.note
        else:
            assert metric.range[0] <= result.value <= metric.range[1]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_system_that_says_nothing_gets_the_worst_of_everything(profile: str) -> None:
    nothing = scored([None] * 6, failed=[True] * 6, emotion=[None] * 6, gold_emotion=["sad"] * 6)
    for name in metric_names(profile):
        metric = get_metric(name, profile=profile)
        result = score_metric(metric, nothing, resamples=50)
        if result.value is not None and metric.direction != "none":
            worst = metric.range[0 if metric.direction == "higher" else 1]
            assert (name, result.value) == (name, worst)


replies_and_one = st.lists(
    st.lists(st.sampled_from(["i", "am", "sorry", "what", "happened", "?"]), max_size=7).map(
        " ".join
    ),
    min_size=3,
    max_size=6,
).flatmap(lambda said: st.tuples(st.just(said), st.integers(0, len(said) - 1)))


@given(replies_and_one)
@settings(max_examples=100, deadline=None)
def test_failing_never_raises_a_mean_or_the_share_of_different_replies(
    case: tuple[list[str], int],
) -> None:
    said, failing = case
    before = scored(said, REFERENCES[: len(said)])
    after = [replace(x, failed=x.failed or i == failing) for i, x in enumerate(before)]
    for name in ("rouge_l", "unique_share"):
        assert value(name, after) <= value(name, before) + 1e-9
    assert value("failure_rate", after) > value("failure_rate", before)


@given(st.lists(st.booleans(), min_size=2, max_size=8), st.data())
@settings(max_examples=100, deadline=None)
def test_failing_where_the_answer_was_right_never_raises_bleu_or_f1(
    right: list[bool], data: st.DataObject
) -> None:
    gold = ["sad", "joyful", "lonely", "proud"] * 2
    said = [REFERENCES[i] if ok else "i like cats so much !" for i, ok in enumerate(right)]
    guesses = [gold[i] if ok else "angry" for i, ok in enumerate(right)]
    n = len(right)
    before = scored(said, REFERENCES[:n], emotion=guesses, gold_emotion=gold[:n])
    failing = data.draw(st.integers(0, n - 1))
    after = [replace(x, failed=i == failing) for i, x in enumerate(before)]
    assert value("emotion_accuracy", after) <= value("emotion_accuracy", before)
    if right[failing]:
        for name in ("bleu_1", "bleu_2", "bleu_4", "emotion_macro_f1"):
            assert value(name, after) <= value(name, before) + 1e-9


def test_a_failed_reply_is_empty_whatever_it_left_behind() -> None:
    said = scored(["what happened ?"] * 4, ["what happened ?"] * 4)
    failed = [replace(x, failed=i < 2) for i, x in enumerate(said)]
    empty = [replace(x, response="") if i < 2 else x for i, x in enumerate(said)]
    assert values(TEXT, failed) == values(TEXT, empty)
    assert score_metric(get_metric("bleu_4"), failed, resamples=50).n_failed == 2


def test_a_failed_label_is_wrong_whatever_it_left_behind() -> None:
    gold = ["sad"] * 4
    examples = scored([None] * 4, emotion=gold, gold_emotion=gold, failed=[True, *[False] * 3])
    assert value("emotion_accuracy", examples) == 75.0
    assert value("emotion_invalid_rate", examples) == 25.0


def test_likelihood_is_spread_over_the_whole_corpus() -> None:
    examples = scored(
        ["x"] * 2,
        ["aé", "abc def"],  # 3 and 7 bytes of UTF-8
        reference_nll=[2.0, 8.0],
        reference_tokens=[1, 4],
        reference_words=[1, 2],
    )
    assert value("ppl_token", examples) == pytest.approx(math.exp(10 / 5))
    assert value("ppl_word", examples) == pytest.approx(math.exp(10 / 3))
    assert value("bits_per_byte", examples) == pytest.approx(10 / math.log(2) / 10)


def test_a_closed_vocabulary_also_gets_what_papers_print() -> None:
    losses = {"reference_nll": [2.0, 28.0], "reference_tokens": [1, 4], "reference_words": [1, 2]}
    charged = scored(["x"] * 2, ["a", "b c"], **losses, reference_surcharge=[0.0, 20.0])
    assert value("ppl_closed", charged) == pytest.approx(math.exp(10 / 5))
    assert value("ppl_word", charged) == pytest.approx(math.exp(30 / 3))
    result = score_metric(get_metric("ppl_closed"), scored(["x"] * 2, ["a", "b c"], **losses))
    assert result.value is None


def test_likelihood_of_some_examples_only_is_no_value() -> None:
    examples = scored(["x"] * 6, reference_nll=[1.0] * 4 + [None] * 2, reference_tokens=[1] * 6)
    result = score_metric(get_metric("ppl_token"), examples)
    assert result.value is None and result.low is None
    assert result.note == "2 of 6 examples lack reference_nll"


def test_a_perplexity_beyond_all_numbers_is_no_value() -> None:
    examples = scored(["x"] * 6, reference_nll=[1e6] * 6, reference_tokens=[1] * 6)
    result = score_metric(get_metric("ppl_token"), examples)
    assert result.value is None
    assert "finite" in result.note


def test_too_few_dialogues_have_a_value_but_no_interval() -> None:
    result = score_metric(get_metric("length"), scored(["a b"] * 4))
    assert (result.value, result.low, result.high) == (2.0, None, None)
    assert "fewer than 5 dialogues" in result.note


def test_values_of_single_examples() -> None:
    examples = scored(["what happened ?", "", "a a b"], ["what happened ?"] * 3)
    rouge = example_values(get_metric("rouge_l"), examples)
    dist = example_values(get_metric("dist_1"), examples)
    assert rouge is not None and dist is not None
    assert rouge == pytest.approx([100, 0, 0])
    assert dist == pytest.approx([100, 0, 200 / 3])
    assert rouge.mean() == pytest.approx(value("rouge_l", examples))
    assert example_values(get_metric("commonest_share"), examples) is None
    many = example_values(get_metric("length"), scored(["a " * i for i in range(600)]))
    assert many is not None and np.array_equal(many, np.arange(600))


def test_signatures_say_what_the_number_depends_on() -> None:
    import sacrebleu

    assert get_metric("bleu_4").signature == (
        f"bleu|n:4|tok:13a|case:lower|smooth:exp|refs:canonical|lib:sacrebleu-{sacrebleu.__version__}|v1"
    )
    for profile in PROFILES:
        names = metric_names(profile)
        assert len({get_metric(n, profile=profile).signature for n in names}) == len(names)


def test_legacy_profiles_say_which_references_they_met() -> None:
    bleu = get_metric("bleu_4", profile="moel")
    canonical = scored(["can not"] * 2, ["Can't"] * 2)
    filed = [replace(item, file_reference="can not") for item in canonical]
    assert "|refs:canonical|" in score_metric(bleu, canonical).signature
    assert "|refs:file|" in score_metric(bleu, filed).signature
    assert "|refs:mixed|" in score_metric(bleu, [canonical[0], filed[1]]).signature
    assert (value("bleu_1", canonical, "moel"), value("bleu_1", filed, "moel")) == (0.0, 100.0)
    assert value("bleu_1", filed) == 0.0, "the harness profile keeps to canonical references"


def test_every_metric_has_a_sentence_and_profiles_explain_themselves() -> None:
    described = describe_metrics()
    assert set(metric_names()) <= set(described)
    assert "--profile empdg" in described["p_4"]
    for name in PROFILES:
        assert get_profile(name).description.endswith(".")
        assert name == "harness" or get_profile(name).caveat.endswith(".")


def test_listing_metrics_imports_nothing_slow() -> None:
    code = (
        "import sys, harness.metrics, harness.metrics.profiles as p\n"
        "harness.metrics.describe_metrics(); p.get_profile('moel')\n"
        "print(sorted({'numpy', 'scipy', 'sacrebleu', 'nltk', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def install(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    point = EntryPoint(name="theirs", value=target, group=metrics.GROUP)
    monkeypatch.setattr(metrics, "entry_points", lambda group: [point])
    metrics._third_party.cache_clear()


@pytest.fixture
def clean_registry() -> object:
    yield
    metrics._third_party.cache_clear()


THEIRS = replace(get_metric("length"), name="theirs")


@pytest.mark.usefixtures("clean_registry")
def test_a_metric_of_another_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, f"{__name__}:THEIRS")
    found = by_name(score_predictions(EXAMPLES, HUMAN, kind="response", resamples=50))
    assert found["theirs"].value == found["length"].value
    assert "theirs" in describe_metrics()
    assert "theirs" not in metric_names("moel")


@pytest.mark.usefixtures("clean_registry")
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_package:METRIC", "cannot be loaded"),
        (f"{__name__}:REFERENCES", "is a list, expected a Metric"),
        ("harness.metrics.failures:METRICS", "'failure_rate', a name that is taken"),
        (f"{__name__}:TAKEN", "'bleu_4', a name that is taken"),
    ],
)
def test_a_broken_metric_of_another_package_is_named(
    monkeypatch: pytest.MonkeyPatch, target: str, words: str
) -> None:
    install(monkeypatch, target)
    with pytest.raises(InputError, match=words):
        metric_names()


TAKEN = get_metric("bleu_4")


def test_progress_counts_metrics() -> None:
    heard: list[tuple[int, int]] = []
    score_predictions(
        EXAMPLES,
        HUMAN,
        kind="response",
        names=["length", "bleu_1"],
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(0, 2), (1, 2), (2, 2)]


def test_a_whole_test_set_with_intervals_takes_seconds(real_data: Path) -> None:
    examples = replies(real_data, "EmoPrepend") + tuple(
        replace(x, id=f"b{x.id}", cluster=f"b{x.cluster}") for x in replies(real_data, "EmpDG")
    )
    started = time.perf_counter()
    for name in metric_names():
        score_metric(get_metric(name), examples)
    assert time.perf_counter() - started < 20
