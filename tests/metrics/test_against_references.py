"""The same numbers as sacreBLEU, rouge_score and scikit-learn, on real and on made-up text."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sklearn.metrics import accuracy_score, f1_score

from harness.dialogue import ED_EMOTIONS, ESCONV_STRATEGIES
from harness.metrics import example_values, get_metric
from harness.metrics.rouge import lcs_length
from harness.metrics.tokens import tokens_13a
from tests.metrics.build import scored, value
from tests.metrics.published import replies

WORDS = [
    "i",
    "am",
    "so",
    "sorry",
    "SORRY",
    "that's",
    "great",
    "!",
    "?",
    "1,000",
    "3.5-inch",
    "&amp;",
    "ça",
    "🙂",
]
texts = st.one_of(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), st.text(max_size=30))
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)


def sacrebleu_of(said: list[str], meant: list[str], order: int) -> float:
    metric = sacrebleu.BLEU(lowercase=True, max_ngram_order=order)
    return float(metric.corpus_score(said, [meant]).score)


@given(pairs, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_bleu_is_sacrebleus(couples: list[tuple[str, str]], order: int) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    expected = sacrebleu_of(said, meant, order)
    assert value(f"bleu_{order}", scored(said, meant)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_is_sacrebleus_on_real_replies(real_data: Path, order: int) -> None:
    examples = replies(real_data, "MoEL")
    expected = sacrebleu_of(
        [item.response or "" for item in examples], [item.reference for item in examples], order
    )
    assert value(f"bleu_{order}", examples) == pytest.approx(expected, abs=1e-9)


def sentence_bleu_of(said: list[str], meant: list[str]) -> float:
    metric = sacrebleu.BLEU(lowercase=True, effective_order=True)
    found = [metric.sentence_score(s, [m]).score for s, m in zip(said, meant, strict=True)]
    return sum(found) / len(found)


@given(pairs)
@settings(max_examples=150, deadline=None)
def test_sentence_bleu_is_sacrebleus(couples: list[tuple[str, str]]) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    expected = sentence_bleu_of(said, meant)
    assert value("bleu_4_sentence", scored(said, meant)) == pytest.approx(expected, abs=1e-9)


def chrf_of(said: list[str], meant: list[str]) -> float:
    return float(sacrebleu.CHRF(lowercase=True).corpus_score(said, [meant]).score)


@given(pairs)
@settings(max_examples=150, deadline=None)
def test_chrf_is_sacrebleus(couples: list[tuple[str, str]]) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    assert value("chrf", scored(said, meant)) == pytest.approx(chrf_of(said, meant), abs=1e-9)


def test_sentence_scores_are_sacrebleus_on_real_replies(real_data: Path) -> None:
    examples = replies(real_data, "MIME top-k")
    said, meant = [item.response or "" for item in examples], [i.reference for i in examples]
    found = value("bleu_4_sentence", examples)
    assert found == pytest.approx(sentence_bleu_of(said, meant), abs=1e-9)
    assert value("chrf", examples) == pytest.approx(chrf_of(said, meant), abs=1e-9)


ROUGE = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL"}


def rouge_of(said: list[str], meant: list[str], kind: str) -> list[float]:
    scorer = RougeScorer([kind], use_stemmer=False)
    return [100 * scorer.score(m, s)[kind].fmeasure for s, m in zip(said, meant, strict=True)]


@pytest.mark.parametrize("name", ROUGE)
@given(pairs)
@settings(max_examples=100, deadline=None)
def test_rouge_is_rouge_scores(name: str, couples: list[tuple[str, str]]) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    found = example_values(get_metric(name), scored(said, meant))
    assert found == pytest.approx(rouge_of(said, meant, ROUGE[name]), abs=1e-12)


@pytest.mark.parametrize("name", ROUGE)
def test_rouge_is_rouge_scores_on_real_replies(real_data: Path, name: str) -> None:
    examples = replies(real_data, "MIME top-k")[:1500]
    said, meant = [item.response or "" for item in examples], [i.reference for i in examples]
    expected = rouge_of(said, meant, ROUGE[name])
    assert example_values(get_metric(name), examples) == pytest.approx(expected, abs=1e-12)
    assert value(name, examples) == pytest.approx(sum(expected) / len(expected), abs=1e-12)


def naive_lcs(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
            )
    return table[-1][-1]


sequences = st.lists(st.integers(0, 3), max_size=90).map(tuple)


@given(sequences, sequences)
@settings(deadline=None)
def test_bit_parallel_lcs_is_the_table_of_the_textbook(
    a: tuple[int, ...], b: tuple[int, ...]
) -> None:
    assert lcs_length(a, b) == naive_lcs(a, b)


@pytest.mark.parametrize(
    ("field", "labels"), [("emotion", ED_EMOTIONS), ("strategy", ESCONV_STRATEGIES)]
)
@pytest.mark.parametrize("count", [4, 500])
def test_label_metrics_are_scikit_learns(field: str, labels: tuple[str, ...], count: int) -> None:
    rng = random.Random(count)
    gold = rng.choices(labels, k=count)
    answers = [label if rng.random() < 0.4 else rng.choice(labels) for label in gold]
    fields: dict[str, Any] = {field: answers, f"gold_{field}": gold}
    examples = scored([None] * count, **fields)
    assert value(f"{field}_accuracy", examples) == pytest.approx(
        100 * accuracy_score(gold, answers)
    )
    expected = 100 * f1_score(gold, answers, average="macro", zero_division=0)
    assert value(f"{field}_macro_f1", examples) == pytest.approx(expected, abs=1e-9)
    assert value(f"{field}_invalid_rate", examples) == 0.0


def test_an_invalid_label_is_wrong_and_no_class_of_its_own() -> None:
    gold = ["sad", "sad", "joyful", "joyful"]
    answers = ["sad", "melancholic", "joyful", None]
    examples = scored([None] * 4, emotion=answers, gold_emotion=gold)
    known = [answer if answer in ED_EMOTIONS else "invalid" for answer in answers]
    expected = f1_score(gold, known, labels=["joyful", "sad"], average="macro")
    assert value("emotion_accuracy", examples) == 50.0
    assert value("emotion_macro_f1", examples) == pytest.approx(100 * expected)
    assert value("emotion_invalid_rate", examples) == 50.0


marks = st.text(
    alphabet=st.sampled_from("aZé'-.,!?;:()[]{}|~`^_/\\@#$%*+=<>&\" 01\n\t\x1c\u2028İΣ🙂")
)


@given(st.one_of(marks, st.text()))
@settings(max_examples=1500, deadline=None)
def test_tokens_are_sacrebleus(text: str) -> None:
    expected = Tokenizer13a()(text.lower().rstrip()).split()
    assert list(tokens_13a(text)) == expected


def test_tokens_are_sacrebleus_on_real_replies(real_data: Path) -> None:
    examples = (*replies(real_data, "MoEL"), *replies(real_data, "EmpDG"))
    for text in {text for item in examples for text in (item.text, item.reference)}:
        assert list(tokens_13a(text)) == Tokenizer13a()(text.lower().rstrip()).split()
