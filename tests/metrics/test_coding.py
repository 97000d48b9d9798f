"""Counting n-grams by sorted codes is counting n-grams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.metrics.coding as coding
from harness.metrics.coding import clipped_matches, code_rows, code_texts, distinct_ngrams

rows = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=12), min_size=1, max_size=8)


def grams(row: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(row[i : i + n]) for i in range(len(row) - n + 1)]


@pytest.fixture(params=[2**62, 60], ids=["numbered", "ranked"])
def largest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of numbering n-grams: by place value, and by rank where that would overflow."""
    monkeypatch.setattr(coding, "_LARGEST", request.param)


@pytest.mark.usefixtures("largest")
@given(rows, rows)
@settings(max_examples=100, deadline=None)
def test_matches_are_intersections_of_multisets(a: list[list[str]], b: list[list[str]]) -> None:
    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    matches, in_a, in_b = clipped_matches(code_rows(a), code_rows(b), 4)
    for i in range(count):
        for n in range(1, 5):
            said, meant = Counter(grams(a[i], n)), Counter(grams(b[i], n))
            assert matches[i, n - 1] == (said & meant).total()
            assert (in_a[i, n - 1], in_b[i, n - 1]) == (said.total(), meant.total())


@pytest.mark.usefixtures("largest")
@given(rows, st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_equal_ngrams_have_equal_numbers(texts: list[list[str]], n: int) -> None:
    codes, owners, size = distinct_ngrams(code_rows(texts), n)
    expected = [(owner, gram) for owner, row in enumerate(texts) for gram in grams(row, n)]
    assert owners.tolist() == [owner for owner, _ in expected]
    pairs = set(zip(codes.tolist(), (gram for _, gram in expected), strict=True))
    assert len(pairs) == len({gram for _, gram in expected}) == len(set(codes.tolist()))
    assert codes.max(initial=-1) < max(size, 1)


def test_a_text_that_repeats_is_tokenised_once() -> None:
    seen: list[str] = []

    def tokenise(text: str) -> list[str]:
        seen.append(text)
        return text.split()

    texts = ("a b", "c", "a b")
    coded = code_texts(texts, tokenise)
    assert code_texts(texts, tokenise) is coded
    assert seen == ["a b", "c"]
    assert (coded.ids.tolist(), coded.lengths.tolist()) == ([0, 1, 2, 0, 1], [2, 1, 2])
