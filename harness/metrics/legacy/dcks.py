"""DCKS (Cai et al. 2023) and, after its file, STRIDE-ED: NLTK's BLEU, ROUGE, Dist-n, word F1.

Both take a reply and a reference and lower-case and cut them by NLTK. Constants against division
by zero enter Dist-n (1e-5 above and below) and the word F1 (1e-8); where there is no n-gram at
all they would make both 100, and they are 0 here, lest a run that failed throughout look good.
ROUGE cuts the tokens once more: punctuation becomes spaces, the articles a, an, the go, and what
is left is split at single spaces, so that an empty text is one empty token. Sentence BLEU and
sentence Dist-n are computed there and not printed.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.metrics import failures
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.nltk_bleu import corpus_bleu, sentence_bleu
from harness.metrics.legacy.reading import Reading, printed_reference, reply
from harness.metrics.legacy.words import NLTK, lowered_nltk_words
from harness.metrics.overlap import MAX_ORDER
from harness.metrics.profile import Profile

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["DIFFERENCES", "PROFILE", "family", "readings"]

EPSILON = 1e-12
_DIST_FLOOR = 1e-5
_F1_FLOOR = 1e-8
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation, " "))


def _content_words(text: str) -> tuple[str, ...]:
    """NLTK's words without punctuation and articles; an empty text is one empty word."""
    joined = " ".join(lowered_nltk_words(text)).translate(_PUNCTUATION)
    return tuple(_ARTICLES.sub(" ", joined).split()) or ("",)


def readings(
    said: Callable[[Scored], str] = reply,
    meant: Callable[[Scored], str] = printed_reference,
    **parts: str,
) -> tuple[Reading, Reading]:
    """How the family reads an example: for BLEU, Dist-n and F1; for ROUGE."""
    shared = parts | {"lib": NLTK}
    words = {"tok": "word_tokenize", "case": "lower"} | shared
    content = {"tok": "word_tokenize-no-punct-no-articles", "case": "lower"} | shared
    return (
        Reading(tokenise=lowered_nltk_words, parts=words, said=said, meant=meant),
        Reading(tokenise=_content_words, parts=content, said=said, meant=meant),
    )


def _dist_score(sums: FloatArray) -> FloatArray:
    import numpy as np

    different, total = sums[..., 0], sums[..., 1]
    value = 100.0 * (different + _DIST_FLOOR) / (total + _DIST_FLOOR)
    return np.where(total > 0, value, 0.0)


def _f1_rows(scored: Sequence[Scored], *, reading: Reading) -> Statistics:
    """n × 3: words in common, words of the reply, words of the reference."""
    import numpy as np

    from harness.metrics.arrays import Additive

    matches, totals, wanted = reading.matches(scored, 1)
    return Additive(np.concatenate([matches, totals, wanted], axis=1).astype(float))


def _f1_score(sums: FloatArray) -> FloatArray:
    import numpy as np

    common_words, said, wanted = (sums[..., i] + _F1_FLOOR for i in range(3))
    precision, recall = common_words / said, common_words / wanted
    value = 100.0 * 2 * precision * recall / (precision + recall)
    return np.where(sums[..., 1] > 0, value, 0.0)


def _rouge_rows(scored: Sequence[Scored], *, reading: Reading, n: int | None) -> Statistics:
    """n × 2: F1 in percent, and 1; `n` None is the longest common subsequence."""
    from harness.metrics.arrays import columns
    from harness.metrics.rouge import lcs_lengths

    if n is None:
        replies, references = reading.replies(scored), reading.references(scored)
        hits = lcs_lengths(replies, references)
        f1 = _harmonic(hits, replies.lengths, references.lengths)
    else:
        matches, said, wanted = reading.matches(scored, 2)
        f1 = _harmonic(matches[:, n - 1], said[:, n - 1], wanted[:, n - 1])
    return columns(f1 * common.answered(scored))


def _harmonic(hits: IntArray, said: IntArray, wanted: IntArray) -> FloatArray:
    import numpy as np

    percent: FloatArray = 200.0 * hits / np.maximum(said + wanted, 1)
    return percent


def _rouge(kind: str, n: int | None, reading: Reading) -> Metric:
    return common.percent(
        f"rouge_{kind.lower()}",
        f"ROUGE-{kind} F1 without punctuation and articles, averaged over replies.",
        signature=signature("rouge", type=kind, f="1", **reading.parts, refs="file"),
        statistics=partial(_rouge_rows, reading=reading, n=n),
    )


def family(words: Reading, content: Reading) -> tuple[Metric, ...]:
    """BLEU-1…4, Dist-1, Dist-2, ROUGE-1, -2, -L and word F1."""
    return (
        *(
            corpus_bleu(order, words, smooth="method1", epsilon=EPSILON)
            for order in range(1, MAX_ORDER + 1)
        ),
        *(
            common.corpus_dist(n, words, score=_dist_score, floor=f"{_DIST_FLOOR:g}")
            for n in (1, 2)
        ),
        _rouge("1", 1, content),
        _rouge("2", 2, content),
        _rouge("L", None, content),
        common.percent(
            "f1",
            "F1 of the words shared with the reference, summed over the corpus.",
            signature=signature(
                "f1", of="words", agg="corpus", **words.parts, floor=f"{_F1_FLOOR:g}", refs="file"
            ),
            statistics=partial(_f1_rows, reading=words),
            score=_f1_score,
        ),
    )


DIFFERENCES = (
    "Words are NLTK's, lower-cased.",
    "References are those that the output file prints, where it prints some.",
    "BLEU is NLTK's: an order without a match is credited 1e-12, and a reply too short for an "
    "n-gram counts one in that order's denominator.",
    "Dist-n has 1e-5 and F1 1e-8 added above and below; the 100 that this would give where there "
    "is no word at all is 0 here.",
    "ROUGE drops punctuation and articles, and two texts that are empty then match fully, except "
    "where the prediction failed.",
    "PPL is the mean of the examples' own perplexities, which a few bad examples carry off.",
)

_WORDS, _CONTENT = readings()

PROFILE = Profile(
    name="dcks",
    description="As DCKS's metric file computes: NLTK BLEU, ROUGE, Dist-n, F1, mean perplexity.",
    differences=(
        *DIFFERENCES,
        "As released the ROUGE step stops on token lists; here they are joined by spaces, as "
        "STRIDE-ED's copy of the file does.",
        "Emotion accuracy was a mean over batches; here it is over examples.",
    ),
    caveat="Smoothing, words and averaging are its own, so BLEU, ROUGE and PPL differ from those "
    "of other evaluators on the same replies.",
    metrics=(
        *family(_WORDS, _CONTENT),
        sentence_bleu(1, _WORDS, weights=(1.0, 0.0, 0.0, 0.0)),
        sentence_bleu(2, _WORDS, weights=(0.5, 0.5, 0.0, 0.0)),
        sentence_bleu(3, _WORDS, weights=(0.34, 0.33, 0.33, 0.0)),
        common.sentence_dist(1, _WORDS, name="dist_1_sentence", short="0"),
        common.sentence_dist(2, _WORDS, name="dist_2_sentence", short="0"),
        common.ppl("example-ppl"),
        common.accuracy("emotion"),
        *failures.METRICS,
    ),
)
