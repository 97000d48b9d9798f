"""What the evaluators' scripts count, one loop per rule, for texts that are cut by `split`."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Sequence

Texts = Sequence[Sequence[str]]


def grams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def percent_distinct(items: Sequence[object]) -> float:
    return 100 * len(set(items)) / len(items) if items else 0.0


def dist(texts: Texts, n: int) -> float:
    return percent_distinct([gram for words in texts for gram in grams(words, n)])


def dist_glued(texts: Texts) -> float:
    return percent_distinct([a + b for words in texts for a, b in grams(words, 2)])


def dist_without_last(texts: Texts, n: int) -> float:
    """The loop that stops one n-gram early."""
    return percent_distinct(
        [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n)]
    )


def dist_with_floor(texts: Texts, n: int) -> float:
    items = [gram for words in texts for gram in grams(words, n)]
    return 100 * (len(set(items)) + 1e-5) / (len(items) + 1e-5)


def dist_per_reply(texts: Texts, n: int, *, skip_short: bool) -> float:
    values = [percent_distinct(grams(words, n)) for words in texts]
    if skip_short:
        values = [v for v, words in zip(values, texts, strict=True) if len(words) >= n]
    return sum(values) / len(values)


def bleu_unsmoothed(said: Texts, meant: Texts, order: int) -> float:
    """The nmt tutorial's BLEU."""
    logs = 0.0
    for n in range(1, order + 1):
        pairs = [
            (Counter(grams(s, n)), Counter(grams(m, n))) for s, m in zip(said, meant, strict=True)
        ]
        matches = sum(sum((s & m).values()) for s, m in pairs)
        if not matches:
            return 0.0
        logs += math.log(matches / sum(sum(s.values()) for s, _ in pairs)) / order
    ratio = sum(map(len, said)) / max(sum(map(len, meant)), 1)
    return 100 * math.exp(logs) * (1.0 if ratio > 1.0 else math.exp(1 - 1 / ratio))


def bleu_added(said: Texts, meant: Texts, order: int) -> float:
    """CAB's: n-grams written without spaces, 0.0001 added above and below."""
    logs = 0.0
    for n in range(1, order + 1):
        above = below = 0
        for s, m in zip(said, meant, strict=True):
            have = Counter("".join(gram) for gram in grams(s, n))
            want = Counter("".join(gram) for gram in grams(m, n))
            above += sum(min(count, want[gram]) for gram, count in have.items())
            below += sum(have.values())
        logs += math.log((above + 0.0001) / (below + 0.0001))
    mine, theirs = sum(map(len, said)), sum(map(len, meant))
    penalty = math.exp(1 - theirs / mine) if mine < theirs else 1.0
    return 100 * penalty * math.exp(logs / order)


def content_words(words: Sequence[str]) -> list[str]:
    """ROUGE's second cutting in DCKS and STRIDE-ED."""
    text = re.sub("[" + re.escape(string.punctuation) + "]", " ", " ".join(words).lower())
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split()).split(" ")


def f1(hits: float, said: float, meant: float) -> float:
    precision, recall = hits / max(said, 1), hits / max(meant, 1)
    return 200 * precision * recall / (precision + recall) if hits else 0.0


def corpus_f1(said: Texts, meant: Texts) -> float:
    common = sum(sum((Counter(s) & Counter(m)).values()) for s, m in zip(said, meant, strict=True))
    hits, mine, theirs = (n + 1e-8 for n in (common, sum(map(len, said)), sum(map(len, meant))))
    precision, recall = hits / mine, hits / theirs
    return 200 * precision * recall / (precision + recall)
