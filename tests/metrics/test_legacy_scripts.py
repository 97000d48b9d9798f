"""Every legacy definition against the loops of the script that it stands for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.legacy.words import lowered_nltk_words
from tests.metrics import naive_coco, naive_scripts
from tests.metrics.build import scored, value
from tests.metrics.published import replies

# No word begins with a letter of a label that CAB and KEMP strip, except in the tests of that.
WORDS = ["a", "b", "ab", "i", "am", "sorry", "that", "!", "it", "the", "."]
texts = st.lists(st.sampled_from(WORDS), max_size=10).map(" ".join)
pairs = st.lists(st.tuples(texts, texts), min_size=1, max_size=8)
Couples = list[tuple[str, str]]


def columns(couples: Couples) -> tuple[list[str], list[str]]:
    said, meant = zip(*couples, strict=True)
    return list(said), list(meant)


def cut(said: list[str]) -> list[list[str]]:
    return [text.split() for text in said]


def nltk_cut(said: list[str]) -> list[tuple[str, ...]]:
    return [lowered_nltk_words(text) for text in said]


@given(pairs, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_coco_bleu(couples: Couples, order: int) -> None:
    said, meant = columns(couples)
    expected = naive_coco.bleu(said, meant, order)
    found = value(f"bleu_{order}", scored(said, meant), "nlg-eval")
    assert found == pytest.approx(min(expected, 100.0), rel=1e-9, abs=1e-9)


@given(pairs)
@settings(max_examples=150, deadline=None)
def test_coco_rouge_and_cider(couples: Couples) -> None:
    said, meant = columns(couples)
    examples = scored(said, meant)
    assert value("rouge_l", examples, "nlg-eval") == pytest.approx(naive_coco.rouge(said, meant))
    assert value("cider", examples, "nlg-eval") == pytest.approx(naive_coco.cider(said, meant))


def test_coco_metrics_on_real_replies(real_data: Path) -> None:
    examples = replies(real_data, "MIME top-k")[:600]
    said, meant = [item.text for item in examples], [item.reference for item in examples]
    assert value("bleu_4", examples, "nlg-eval") == pytest.approx(naive_coco.bleu(said, meant, 4))
    assert value("rouge_l", examples, "nlg-eval") == pytest.approx(naive_coco.rouge(said, meant))
    assert value("cider", examples, "nlg-eval") == pytest.approx(naive_coco.cider(said, meant))


def test_cider_of_the_references_themselves_is_ten() -> None:
    meant = ["i am so very sorry", "what a lovely day out", "did you get hurt then"]
    assert value("cider", scored(meant, meant), "nlg-eval") == pytest.approx(10.0)


def test_cider_of_two_systems_together_is_the_mean_of_both() -> None:
    # A comparison computes both systems' rows in one call: each example stays one document.
    meant = ["i am sorry to hear that", "what a lovely day it is", "did you get hurt at all"]
    a = scored(["i am sorry", "a lovely day it is", "get well"], meant)
    b = scored(["oh i am sorry to", "what a day", "did it hurt"], meant)
    alone = [value("cider", examples, "nlg-eval") for examples in (a, b)]
    assert value("cider", [*a, *b], "nlg-eval") == pytest.approx(sum(alone) / 2)


@given(pairs, st.sampled_from([1, 2, 4]))
@settings(max_examples=150, deadline=None)
def test_kemp_bleu(couples: Couples, order: int) -> None:
    said, meant = columns(couples)
    expected = naive_scripts.bleu_unsmoothed(cut(said), cut(meant), order)
    found = value(f"bleu_{order}", scored(said, meant), "kemp")
    assert found == pytest.approx(expected, abs=1e-9)


@given(pairs)
@settings(max_examples=100, deadline=None)
def test_empdg_sentence_bleu(couples: Couples) -> None:
    said, meant = columns(couples)
    each = [
        naive_scripts.bleu_unsmoothed([s.split()], [m.split()], 4)
        for s, m in zip(said, meant, strict=True)
    ]
    found = value("bleu_4_sentence", scored(said, meant), "empdg")
    assert found == pytest.approx(sum(each) / len(each), abs=1e-9)


@given(pairs, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_cab_bleu(couples: Couples, order: int) -> None:
    said, meant = columns(couples)
    found = value(f"bleu_{order}", scored(said, meant), "cab")
    if not any(cut(said)):
        assert found == 0.0, "the script divides by zero"
    else:
        expected = naive_scripts.bleu_added(cut(said), cut(meant), order)
        assert found == pytest.approx(expected, abs=1e-9)


def test_cab_counts_an_order_without_any_n_gram_as_perfect() -> None:
    assert value("bleu_4", scored(["it"], ["it"]), "cab") == pytest.approx(100.0)
    assert value("bleu_4", scored(["it"], ["it"]), "moel") == 0.0


def test_kemp_and_cab_cut_letters_of_their_labels() -> None:
    examples = scored(["do you"], ["fo you"])
    # "Pred:do you" loses P r e d : and the d; "Ref:fo you" loses R e f : and the f.
    assert value("bleu_2", examples, "kemp") == pytest.approx(100.0)
    assert value("bleu_2", examples, "cab") == pytest.approx(100.0)
    assert value("bleu_2", examples, "moel") == 0.0


def test_cem_cuts_letters_of_its_label() -> None:
    assert value("dist_1", scored(["yes", "s"]), "cem") == 50.0
    assert value("dist_1", scored(["yes", "s"]), "moel") == 100.0


said_only = st.lists(texts, min_size=1, max_size=8)


@given(said_only, st.sampled_from([1, 2]))
@settings(max_examples=150, deadline=None)
def test_dist(said: list[str], n: int) -> None:
    examples, words = scored(said), cut(said)
    assert value(f"dist_{n}", examples, "moel") == pytest.approx(naive_scripts.dist(words, n))
    nltk = naive_scripts.dist(nltk_cut(said), n)
    assert value(f"dist_{n}", examples, "cem") == pytest.approx(nltk)
    floored = naive_scripts.dist_with_floor(nltk_cut(said), n) if nltk else 0.0
    assert value(f"dist_{n}", examples, "dcks") == pytest.approx(floored)
    per_reply = naive_scripts.dist_per_reply(nltk_cut(said), n, skip_short=False)
    assert value(f"dist_{n}_sentence", examples, "dcks") == pytest.approx(per_reply)


@given(said_only)
@settings(max_examples=100, deadline=None)
def test_glued_dist(said: list[str]) -> None:
    expected = naive_scripts.dist_glued(cut(said))
    for profile in ("empdg", "kemp", "cab"):
        assert value("dist_2", scored(said), profile) == pytest.approx(expected)


@given(said_only, st.sampled_from([1, 2, 3]))
@settings(max_examples=150, deadline=None)
def test_esconv_dist_stops_one_n_gram_early(said: list[str], n: int) -> None:
    expected = naive_scripts.dist_without_last(nltk_cut(said), n)
    assert value(f"dist_{n}", scored(said), "esconv") == pytest.approx(expected)


def test_the_last_n_gram_makes_a_difference() -> None:
    examples = scored(["it is it"])
    assert value("dist_1", examples, "esconv") == 100.0
    assert value("dist_1", examples, "moel") == pytest.approx(200 / 3)


@given(said_only.filter(any), st.sampled_from([1, 2, 3]))
@settings(max_examples=150, deadline=None)
def test_empgpt3_dist_leaves_out_short_replies(said: list[str], n: int) -> None:
    found = value(f"dist_{n}", scored(said), "empgpt3")
    if all(len(words) < n for words in cut(said)):
        assert math.isnan(found)
    else:
        expected = naive_scripts.dist_per_reply(cut(said), n, skip_short=True)
        assert found == pytest.approx(expected)


@given(pairs)
@settings(max_examples=150, deadline=None)
def test_dcks_rouge_and_f1(couples: Couples) -> None:
    said, meant = columns(couples)
    examples = scored(said, meant)
    mine, theirs = ([naive_scripts.content_words(w) for w in nltk_cut(t)] for t in (said, meant))
    longest = [
        naive_scripts.f1(naive_coco.lcs(s, m), len(s), len(m))
        for s, m in zip(mine, theirs, strict=True)
    ]
    expected = sum(longest) / len(longest)
    assert value("rouge_l", examples, "dcks") == pytest.approx(expected, abs=1e-9)
    assert value("rouge_l", examples, "stride-ed") == pytest.approx(expected, abs=1e-9)
    words = nltk_cut(said), nltk_cut(meant)
    f1 = naive_scripts.corpus_f1(*words) if any(words[0]) else 0.0
    assert value("f1", examples, "dcks") == pytest.approx(f1, abs=1e-9)


def test_rouge_without_articles_and_punctuation() -> None:
    examples = scored(["the dog, ran!"], ["a dog ran"])
    assert value("rouge_1", examples, "dcks") == 100.0
    assert value("rouge_2", examples, "dcks") == 100.0
    assert value("rouge_1", examples) == pytest.approx(200 / 3)


@given(pairs)
@settings(max_examples=100, deadline=None)
def test_esconv_rouge_weighs_recall_more(couples: Couples) -> None:
    said, meant = (nltk_cut(texts) for texts in columns(couples))
    each = [naive_coco.beta_f(s, m) for s, m in zip(said, meant, strict=True)]
    found = value("rouge_l", scored(*columns(couples)), "esconv")
    assert found == pytest.approx(sum(each) / len(each), abs=1e-9)


LOSSES: dict[str, Any] = {"reference_nll": [2.0, 30.0], "reference_tokens": [1, 10]}


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        # Two examples: one token at loss 2, ten at loss 3.
        (("moel", "mime", "empdg", "kemp", "cem"), math.exp((2 + 3) / 2)),
        (("dcks", "stride-ed"), (math.exp(2) + math.exp(3)) / 2),
        (("esconv",), math.exp(32 / 11)),
    ],
)
def test_three_averages_of_one_perplexity(profiles: tuple[str, ...], expected: float) -> None:
    for profile in profiles:
        found = value("ppl", scored(["", ""], **LOSSES), profile)
        assert found == pytest.approx(expected), profile
    assert value("ppl_token", scored(["", ""], **LOSSES)) == pytest.approx(math.exp(32 / 11))
