"""The same numbers as NLTK's own BLEU, on real and on made-up text."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import word_tokenize
from nltk.translate.bleu_score import SmoothingFunction, corpus_bleu, sentence_bleu

from harness.metrics import example_values, get_metric
from harness.metrics.contract import Scored
from harness.metrics.legacy.words import label_stripped, lowered_nltk_words, nltk_words
from tests.metrics.build import scored, value
from tests.metrics.published import replies

WORDS = ["i", "am", "so", "sorry", "that", "!", "?", ".", "can't", "(ok)", "🙂"]
texts = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)
SMOOTH = {
    "dcks": SmoothingFunction(epsilon=1e-12).method1,
    "stride-ed": SmoothingFunction(epsilon=1e-12).method1,
    "esconv": SmoothingFunction().method3,
}


def words(text: str) -> list[str]:
    return list(lowered_nltk_words(text))


def corpus_of(said: list[str], meant: list[str], order: int, profile: str) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return 100 * float(
            corpus_bleu(
                [[words(text)] for text in meant],
                [words(text) for text in said],
                weights=[1 / order] * order,
                smoothing_function=SMOOTH[profile],
            )
        )


@pytest.mark.parametrize("profile", ["dcks", "esconv"])
@given(pairs, st.integers(1, 4))
@settings(max_examples=120, deadline=None)
def test_corpus_bleu_is_nltks(profile: str, couples: list[tuple[str, str]], order: int) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    expected = corpus_of(said, meant, order, profile)
    assert value(f"bleu_{order}", scored(said, meant), profile) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("profile", SMOOTH)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_corpus_bleu_is_nltks_on_real_replies(real_data: Path, profile: str, order: int) -> None:
    examples = [item for item in replies(real_data, "MoEL")[:1200] if "(" not in item.text]
    expected = corpus_of(
        [item.text for item in examples], [item.reference for item in examples], order, profile
    )
    assert value(f"bleu_{order}", examples, profile) == pytest.approx(expected, abs=1e-6)


def test_corpus_bleu_with_zero_weights_is_esconvs_call() -> None:
    # ESConv always passes four weights, zero beyond the order asked for.
    said, meant = ["so am i sorry"], ["i am so sorry that"]
    with_zeros = corpus_bleu(
        [[words(meant[0])]],
        [words(said[0])],
        weights=[0.5, 0.5, 0, 0],
        smoothing_function=SmoothingFunction().method3,
    )
    assert value("bleu_2", scored(said, meant), "esconv") == pytest.approx(100 * with_zeros)


WEIGHTS = {1: [1, 0, 0, 0], 2: [0.5, 0.5, 0, 0], 3: [0.34, 0.33, 0.33, 0]}


def sentences_of(said: list[str], meant: list[str], order: int) -> list[float]:
    method = SmoothingFunction().method7
    return [
        100 * sentence_bleu([words(m)], words(s), WEIGHTS[order], smoothing_function=method)
        for s, m in zip(said, meant, strict=True)
    ]


@given(pairs, st.sampled_from([1, 2, 3]))
@settings(max_examples=150, deadline=None)
def test_sentence_bleu_is_nltks_method_7(couples: list[tuple[str, str]], order: int) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    found = example_values(
        get_metric(f"bleu_{order}_sentence", profile="dcks"), scored(said, meant)
    )
    assert found == pytest.approx(sentences_of(said, meant, order), abs=1e-6)


def test_sentence_bleu_is_nltks_on_real_replies(real_data: Path) -> None:
    examples = replies(real_data, "MIME top-k")[:800]
    expected = sentences_of([i.text for i in examples], [i.reference for i in examples], 2)
    found = value("bleu_2_sentence", examples, "dcks")
    assert found == pytest.approx(sum(expected) / len(expected), abs=1e-6)


def test_method_7_lifts_a_perfect_reply_above_100() -> None:
    # (p0 + p1 + p2) / 3 with p0 = p1 + 1: (2 + 1 + 1) / 3.
    examples = scored(["i am so very sorry"], ["i am so very sorry"])
    assert value("bleu_1_sentence", examples, "dcks") == pytest.approx(400 / 3)


def test_a_reply_too_short_for_an_n_gram_counts_one_in_nltks_denominator() -> None:
    examples = scored(["so sorry", "yes"], ["so sorry", "no"])
    # Bigrams: 1 match of 1, and 1 for the reply of one word: 1/2; unigrams 2/3.
    assert value("bleu_2", examples, "dcks") == pytest.approx(100 * (2 / 3 * 1 / 2) ** 0.5)
    assert value("bleu_2", examples, "moel") == pytest.approx(100 * (2 / 3 * 1 / 1) ** 0.5)


@given(st.text(alphabet="abc ',!?()\"-:;&%$12", max_size=40))
@settings(max_examples=300, deadline=None)
def test_words_of_one_sentence_are_nltks(text: str) -> None:
    single = text.replace("?", "").replace("!", "")
    assert list(nltk_words(single)) == word_tokenize(single, preserve_line=True)


def test_sentences_are_cut_before_words() -> None:
    text = "I'm sorry. Dr. Smith can't come."
    assert nltk_words(text) == (
        "I", "'m", "sorry", ".", "Dr.", "Smith", "ca", "n't", "come", ".",
    )  # fmt: skip


@pytest.mark.parametrize("label", ["Greedy:", "Pred:", "Ref:"])
@given(text=st.text(alphabet="GreedyPf: io.", max_size=12))
@settings(max_examples=200, deadline=None)
def test_labels_are_stripped_as_str_strip_does_it(label: str, text: str) -> None:
    line = f"{label}{text.strip()}\n"
    assert label_stripped(text, label) == line.strip(label).strip("\n")


def fado(data: Path) -> list[Scored]:
    import json

    file = data / "outputs" / "esconv" / "fado" / "predsInfer_gen.json"
    rows = json.loads(file.read_text(encoding="utf-8"))
    return scored(
        [row["generation"] for row in rows],
        [row["response"] for row in rows],
        reference_nll=[row["loss"] * row["token_num"] for row in rows],
        reference_tokens=[int(row["token_num"]) for row in rows],
    )


# What FADO's repository prints for this file. Its NLTK found two words more among 45,247.
FADO = {
    "bleu_1": 18.76172206284962,
    "bleu_2": 7.291650919057753,
    "bleu_3": 3.6231993759469163,
    "bleu_4": 2.0545765393356423,
    "dist_1": 3.9577222144619824,
    "dist_2": 24.085688285496445,
    "dist_3": 49.804504222708786,
    "f1": 20.97439264560201,
    "length": 19.716339869281047,
    "rouge_l": 17.054401276076373,
    "ppl": 16.67605972290039,
}


def test_esconv_profile_prints_fados_own_figures(real_data: Path) -> None:
    examples = fado(real_data)
    assert len(examples) == 2295
    for name, printed in FADO.items():
        assert value(name, examples, "esconv") == pytest.approx(printed, abs=3e-3), name
