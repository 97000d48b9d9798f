"""nlg-eval (Sharma et al. 2017), that is coco-caption: BLEU, ROUGE-L, CIDEr of captions.

BLEU (after Chiang's script) adds 1e-15 to matches and 1e-9 to counts, so that it is never 0/0 and
hardly ever 0. ROUGE-L has β = 1.2 and splits at single spaces, so that an empty text is one empty
token. CIDEr-D (Vedantam et al. 2015): mean over n = 1…4 of the cosine of tf-idf weighted n-grams,
clipped to the reference's, times exp(−δ² / 72) where δ is the difference in *bigrams*, times 10;
document frequencies are those of the references at hand, so that a CIDEr depends on the whole
example set.

METEOR (a Java program) and the embedding average, extrema and greedy matching scores (which need
GloVe vectors) and skip-thoughts are left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.metrics import failures
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.esconv import BETA, lcs_f
from harness.metrics.legacy.reading import Reading, bleu_rows, printed_reference
from harness.metrics.overlap import MAX_ORDER
from harness.metrics.profile import Profile
from harness.metrics.scores import mean
from harness.metrics.tokens import tokens_space

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["PROFILE"]

_SMALL = 1e-9
_TINY = 1e-15
_SIGMA = 6.0
NGram = tuple[str, ...]


def _split_at_spaces(text: str) -> tuple[str, ...]:
    return tuple(text.strip().split(" "))


_WORDS = Reading(tokenise=tokens_space, parts={"tok": "space", "case": "given"})
_SPACES = Reading(tokenise=_split_at_spaces, parts={"tok": "single-space", "case": "given"})


def _bleu_score(sums: FloatArray) -> FloatArray:
    """(..., 2 + 2N) → (...), 0–100."""
    import numpy as np

    order = (sums.shape[-1] - 2) // 2
    precision = (sums[..., 2 : 2 + order] + _TINY) / (sums[..., 2 + order :] + _SMALL)
    ratio = (sums[..., 0] + _TINY) / (sums[..., 1] + _SMALL)
    with np.errstate(divide="ignore"):
        brevity = np.exp(np.minimum(0.0, 1.0 - 1.0 / ratio))
    percent: FloatArray = 100.0 * brevity * np.exp(np.log(precision).mean(-1))
    return np.minimum(percent, 100.0)


def _bleu(order: int) -> Metric:
    return common.percent(
        f"bleu_{order}",
        f"coco-caption's corpus BLEU, n-grams up to n = {order}.",
        signature=signature(
            "bleu", n=order, **_WORDS.parts, smooth="tiny-1e-15,small-1e-9", refs="file",
            like="coco-caption",
        ),
        statistics=partial(bleu_rows, reading=_WORDS, order=order),
        score=_bleu_score,
    )  # fmt: skip


def _rouge_rows(scored: Sequence[Scored]) -> Statistics:
    from harness.metrics.arrays import columns
    from harness.metrics.rouge import lcs_lengths

    replies, references = _SPACES.replies(scored), _SPACES.references(scored)
    lcs = lcs_lengths(replies, references)
    return columns(lcs_f(lcs, replies.lengths, references.lengths) * common.answered(scored))


def _ngrams(text: str) -> tuple[Counter[NGram], ...]:
    words = text.split()
    return tuple(
        Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)) for n in range(1, 5)
    )


def _cider_rows(scored: Sequence[Scored]) -> Statistics:
    """n × 2: each reply's CIDEr against the document frequencies of all references, and 1."""
    from harness.metrics.arrays import additive

    # Two systems' replies to one example share its reference, which is one document.
    documents = {item.id: _ngrams(printed_reference(item)) for item in scored}
    frequency = Counter(ngram for orders in documents.values() for bag in orders for ngram in bag)
    log_documents = math.log(len(documents)) if documents else 0.0
    idf = {ngram: log_documents - math.log(count) for ngram, count in frequency.items()}
    weighted: dict[str, tuple[dict[NGram, float], ...]] = {}
    for text in {printed_reference(item) for item in scored} | {item.text for item in scored}:
        weighted[text] = tuple(
            {ngram: count * idf.get(ngram, log_documents) for ngram, count in bag.items()}
            for bag in _ngrams(text)
        )
    return additive(
        ((_cider(item.text, printed_reference(item), weighted), 1) for item in scored), 2
    )


def _cider(said: str, meant: str, weighted: dict[str, tuple[dict[NGram, float], ...]]) -> float:
    """Ten times the mean over n of the clipped cosines, times the penalty of the lengths."""
    gap = max(len(said.split()) - 1, 0) - max(len(meant.split()) - 1, 0)
    cosines = map(_clipped_cosine, weighted[said], weighted[meant])
    return 10.0 / MAX_ORDER * sum(cosines) * math.exp(-(gap**2) / (2 * _SIGMA**2))


def _clipped_cosine(said: dict[NGram, float], meant: dict[NGram, float]) -> float:
    dot = sum(
        min(weight, meant[ngram]) * meant[ngram] for ngram, weight in said.items() if ngram in meant
    )
    norms = math.sqrt(sum(w * w for w in said.values()) * sum(w * w for w in meant.values()))
    return dot / norms if norms else 0.0


PROFILE = Profile(
    name="nlg-eval",
    description="As nlg-eval prints: coco-caption's BLEU-1…4, ROUGE-L with β = 1.2, CIDEr.",
    differences=(
        "Tokens are what stands between spaces, case as given; the caller is to cut text before.",
        "References are those that the output file prints, where it prints some.",
        "BLEU adds 1e-15 to matches and 1e-9 to counts instead of smoothing.",
        "ROUGE-L weighs recall 1.44 times as much as precision, and two empty texts match fully, "
        "except where the prediction failed.",
        "CIDEr takes document frequencies from the references at hand and penalises differences "
        "in length, counted in bigrams.",
        "METEOR (a Java program) and the scores that need GloVe vectors or skip-thoughts are "
        "left out.",
    ),
    caveat="It takes text as it comes, so every project's own cutting enters, and CIDEr depends "
    "on the whole example set.",
    metrics=(
        *(_bleu(order) for order in range(1, MAX_ORDER + 1)),
        common.percent(
            "rouge_l",
            "Longest common word sequence with the reference, F with β = 1.2, averaged.",
            signature=signature("rouge", type="L", f=f"{BETA:g}", **_SPACES.parts, refs="file"),
            statistics=_rouge_rows,
        ),
        Metric(
            name="cider",
            signature=signature(
                "cider", n=MAX_ORDER, **_WORDS.parts, df="references", sigma=f"{_SIGMA:g}",
                refs="file",
            ),
            direction="higher",
            unit="",
            range=(0.0, 10.0),
            description="CIDEr-D: tf-idf weighted n-grams shared with the reference, 0-10.",
            statistics=_cider_rows,
            score=mean,
        ),
        *failures.METRICS,
    ),
)  # fmt: skip
