"""Dist-n and its remedies, repetition and copying, against counting by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import example_values, get_metric, score_metric
from harness.metrics.arrays import Rarefied
from harness.metrics.diversity import DRAW, VOCABULARY, rarefied_statistics
from harness.metrics.tokens import tokens_13a
from harness.statistics import cluster_codes
from tests.metrics.build import scored, value
from tests.metrics.published import replies

said = st.lists(
    st.lists(st.sampled_from(["i", "am", "so", "sorry", "!"]), max_size=6).map(" ".join),
    min_size=2,
    max_size=6,
)


def drawn(examples: Sequence[str], n: int) -> tuple[int, int]:
    grams = [
        tuple(tokens[i : i + n])
        for tokens in (reply.split() for reply in examples)
        for i in range(len(tokens) - n + 1)
    ]
    return len(set(grams)), len(grams)


@given(said, st.integers(1, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_expected_variety_is_the_mean_over_every_draw(
    texts: list[str], n: int, data: st.DataObject
) -> None:
    size = data.draw(st.integers(1, len(texts)))
    rows = rarefied_statistics(scored(texts), n=n, draw=size)
    every = [drawn(some, n) for some in itertools.combinations(texts, size)]
    different, all_ = rows.aggregate(np.ones(len(rows)))
    assert different == pytest.approx(np.mean([d for d, _ in every]))
    assert all_ == pytest.approx(np.mean([a for _, a in every]))


def test_dist_at_a_thousand_is_what_drawing_gives(real_data: Path) -> None:
    examples = replies(real_data, "MoEL")
    tokens = [" ".join(tokens_13a(item.text)) for item in examples]
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(60):
        different, all_ = drawn([tokens[i] for i in rng.choice(len(tokens), DRAW, False)], 2)
        shares.append(100 * different / all_)
    error = np.std(shares) / np.sqrt(len(shares))
    assert value("dist_2_at_1000", examples) == pytest.approx(np.mean(shares), abs=4 * error)


def test_dist_at_a_thousand_does_not_fall_with_the_size_of_the_set(real_data: Path) -> None:
    examples = replies(real_data, "MoEL")
    half = [examples[i] for i in np.random.default_rng(1).choice(len(examples), 2600, False)]
    assert value("dist_2", half) > 1.3 * value("dist_2", examples)
    result = score_metric(get_metric("dist_2_at_1000"), half)
    assert result.low is not None and result.high is not None
    assert result.low < value("dist_2_at_1000", examples) < result.high


def test_replies_stay_the_unit_when_dialogues_are_drawn() -> None:
    texts = ["a b", "b c", "c d", "a b", "e f", "a"]
    rows = rarefied_statistics(scored(texts), n=1, draw=3)
    assert isinstance(rows, Rarefied)
    codes, count = cluster_codes(["x", "x", "y", "y", "z", "z"])
    grouped = rows.grouped(codes, count)
    assert grouped.aggregate(np.ones(3)) == pytest.approx(rows.aggregate(np.ones(6)))
    two = rarefied_statistics(scored(texts[:4]), n=1, draw=3)
    assert grouped.aggregate(np.array([1.0, 1.0, 0.0])) == pytest.approx(two.aggregate(np.ones(4)))
    assert np.isnan(grouped.aggregate(np.array([1.0, 0.0, 0.0]))[0])


def test_dist_at_a_thousand_needs_a_thousand() -> None:
    result = score_metric(get_metric("dist_1_at_1000"), scored(["a"] * 999))
    assert result.value is None
    assert result.note == "needs 1,000 examples, there are 999"
    enough = score_metric(get_metric("dist_1_at_1000"), scored(["a"] * 1000), resamples=20)
    assert enough.value == pytest.approx(0.1)


def test_ead_is_its_formula() -> None:
    # N = 3 different of C = 4 words: V(1 − ((V − 1)/V)^4) expected.
    expected = 100 * 3 / (VOCABULARY * (1 - ((VOCABULARY - 1) / VOCABULARY) ** 4))
    assert value("ead_1", scored(["a b", "a c"])) == pytest.approx(expected)
    assert value("ead_1", scored(["", ""])) == 0.0


def test_ead_forgives_length_where_dist_does_not() -> None:
    rng = np.random.default_rng(2)
    short = scored([" ".join(f"w{i}" for i in rng.integers(30_522, size=5)) for _ in range(2000)])
    long = scored([" ".join(f"w{i}" for i in rng.integers(30_522, size=50)) for _ in range(2000)])
    assert value("dist_1", long) < 0.4 * value("dist_1", short)
    assert value("ead_1", long) == pytest.approx(value("ead_1", short), rel=0.05)


def test_repetition_is_the_share_of_4_grams_said_before() -> None:
    # "a b a b a b a": abab, baba, abab, baba → two of four are new.
    examples = scored(["a b a b a b a", "a b c d e", "a b", "", "x"], failed=[False] * 4 + [True])
    assert example_values(get_metric("repetition_4"), examples) == pytest.approx(
        [50, 0, 0, 100, 100]
    )


def test_copying_is_the_share_of_4_grams_that_stand_in_the_context() -> None:
    examples = scored(
        ["I lost my dog yesterday .", "so you lost my dog , i see", "a b c d", "", "my dog"],
        context=[("Hi", "i lost my dog yesterday"), ("i lost my dog",), ("a b", "c d"), ("x",), ()],
    )
    # Of its three 4-grams, the first two are there.
    # "a b c d" stands across two turns, and so in none.
    assert example_values(get_metric("copy_4"), examples) == pytest.approx([200 / 3, 0, 0, 100, 0])
    assert score_metric(get_metric("copy_4"), scored(["a"] * 6)).note.endswith("lack context")


@given(said, said)
@settings(max_examples=80, deadline=None)
def test_copying_and_repetition_are_what_counting_gives(
    texts: list[str], contexts: list[str]
) -> None:
    count = min(len(texts), len(contexts))
    examples = scored(texts[:count], context=[(text,) for text in contexts[:count]])
    copied, repeated = [], []
    for reply, context in zip(texts[:count], contexts[:count], strict=True):
        tokens, before = reply.split(), context.split()
        grams = [tuple(tokens[i : i + 4]) for i in range(len(tokens) - 3)]
        known = {tuple(before[i : i + 4]) for i in range(len(before) - 3)}
        empty = 100.0 if not tokens else 0.0
        copied.append(100 * sum(g in known for g in grams) / len(grams) if grams else empty)
        repeated.append(100 * (1 - len(set(grams)) / len(grams)) if grams else empty)
    assert example_values(get_metric("copy_4"), examples) == pytest.approx(copied)
    assert example_values(get_metric("repetition_4"), examples) == pytest.approx(repeated)
