"""coco-caption's BLEU, ROUGE-L and CIDEr-D, written down term by term for single references."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

NGram = tuple[str, ...]


def ngrams(text: str, n: int) -> Counter[NGram]:
    words = text.split()
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu(said: Sequence[str], meant: Sequence[str], order: int) -> float:
    """In percent: product of (matches + 1e-15) / (n-grams + 1e-9), root, penalty if shorter."""
    product = 1.0
    for n in range(1, order + 1):
        pairs = [(ngrams(s, n), ngrams(m, n)) for s, m in zip(said, meant, strict=True)]
        matches = sum(sum((s & m).values()) for s, m in pairs)
        product *= (matches + 1e-15) / (sum(sum(s.values()) for s, _ in pairs) + 1e-9)
    lengths = [sum(len(text.split()) for text in texts) for texts in (said, meant)]
    ratio = (lengths[0] + 1e-15) / (lengths[1] + 1e-9)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    return float(100 * product ** (1 / order) * penalty)


def lcs(a: Sequence[str], b: Sequence[str]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            above = max(table[i][j + 1], table[i + 1][j])
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else above
    return table[-1][-1]


def beta_f(said: Sequence[str], meant: Sequence[str], beta: float = 1.2) -> float:
    """F of the longest common subsequence, in percent."""
    common = lcs(said, meant)
    if not common:
        return 0.0
    precision, recall = common / len(said), common / len(meant)
    return 100 * (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


def rouge(said: Sequence[str], meant: Sequence[str]) -> float:
    scores = [
        beta_f(s.strip().split(" "), m.strip().split(" ")) for s, m in zip(said, meant, strict=True)
    ]
    return sum(scores) / len(scores)


def cider(said: Sequence[str], meant: Sequence[str]) -> float:
    """Mean over replies of 10 · mean over n of clipped cosines · exp(−gap² / 72)."""
    frequency: Counter[NGram] = Counter()
    for text in meant:
        frequency.update({ngram for n in range(1, 5) for ngram in ngrams(text, n)})

    def vector(text: str, n: int) -> dict[NGram, float]:
        return {
            ngram: count * (math.log(len(meant)) - math.log(max(1, frequency[ngram])))
            for ngram, count in ngrams(text, n).items()
        }

    scores = []
    for s, m in zip(said, meant, strict=True):
        gap = sum(ngrams(s, 2).values()) - sum(ngrams(m, 2).values())
        total = 0.0
        for n in range(1, 5):
            a, b = vector(s, n), vector(m, n)
            similarity = sum(min(a[g], b.get(g, 0.0)) * b.get(g, 0.0) for g in a)
            norms = [math.sqrt(sum(x**2 for x in v.values())) for v in (a, b)]
            if norms[0] != 0 and norms[1] != 0:
                similarity /= norms[0] * norms[1]
            total += similarity * math.e ** (-(gap**2) / (2 * 6.0**2))
        scores.append(10 * total / 4)
    return sum(scores) / len(scores)
