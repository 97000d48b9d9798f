"""ESConv's `codes_zcj` (Liu et al. 2021) and its descendants: TransESC, PAL, Supporter, FADO.

NLTK's words, lower-cased; NLTK's corpus BLEU with method 3; Dist-n that loses the last n-gram of
every reply (`range(len − n)`); ROUGE-L with β = 1.2 and a word F1, both averaged over replies.
Descendants cut text by their own model's tokeniser at times (TransESC: BlenderBot's).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.metrics import failures, labels
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.nltk_bleu import corpus_bleu
from harness.metrics.legacy.reading import Reading
from harness.metrics.legacy.words import NLTK, lowered_nltk_words
from harness.metrics.overlap import MAX_ORDER
from harness.metrics.profile import Profile

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray, IntArray

__all__ = ["BETA", "PROFILE", "lcs_f"]

BETA = 1.2


def _all_but_last(text: str) -> tuple[str, ...]:
    return lowered_nltk_words(text)[:-1]


_PARTS: dict[str, Any] = {"tok": "word_tokenize", "case": "lower", "lib": NLTK}
_WORDS = Reading(tokenise=lowered_nltk_words, parts=_PARTS)
# N-grams of a reply without its last word are those of the reply without the last n-gram.
_SHORTENED = Reading(tokenise=_all_but_last, parts=_PARTS | {"last": "dropped"})


def lcs_f(lcs: IntArray, said: IntArray, wanted: IntArray) -> FloatArray:
    """ROUGE-L with β = 1.2 in percent, (n,): recall weighs β² times as much as precision."""
    import numpy as np

    precision, recall = lcs / np.maximum(said, 1), lcs / np.maximum(wanted, 1)
    below = np.where(lcs > 0, recall + BETA**2 * precision, 1.0)
    percent: FloatArray = 100.0 * (1 + BETA**2) * precision * recall / below
    return percent


def _rouge_rows(scored: Sequence[Scored]) -> Statistics:
    from harness.metrics.arrays import columns
    from harness.metrics.rouge import lcs_lengths

    replies, references = _WORDS.replies(scored), _WORDS.references(scored)
    lcs = lcs_lengths(replies, references)
    return columns(lcs_f(lcs, replies.lengths, references.lengths))


def _f1_rows(scored: Sequence[Scored]) -> Statistics:
    import numpy as np

    from harness.metrics.arrays import columns

    matches, totals, wanted = _WORDS.matches(scored, 1)
    return columns(200.0 * matches[:, 0] / np.maximum(totals[:, 0] + wanted[:, 0], 1))


def _strategy() -> tuple[Metric, ...]:
    """Accuracy and macro-F1 over the strategies that occur, as scikit-learn has them."""
    names = ("strategy_accuracy", "strategy_macro_f1")
    return tuple(metric for metric in labels.METRICS if metric.name in names)


PROFILE = Profile(
    name="esconv",
    description="As ESConv's second code base prints: NLTK BLEU, ROUGE-L with β = 1.2, Dist-n.",
    differences=(
        "Words are NLTK's, lower-cased.",
        "References are those that the output file prints, where it prints some.",
        "BLEU is NLTK's: the k-th order without a match is credited 2^-k, and a reply too short "
        "for an n-gram counts one in that order's denominator.",
        "Dist-n loses the last n-gram of every reply.",
        "ROUGE-L weighs recall 1.44 times as much as precision.",
        "The paper's own perplexities, 16.03 and 15.19, were wrong by its authors' account; this "
        "is the corrected one, over all tokens.",
    ),
    caveat="It is on supporter turns of ESConv, whose test sets differ from paper to paper, and "
    "later papers cut words otherwise under the same metric names.",
    metrics=(
        *(corpus_bleu(order, _WORDS, smooth="method3") for order in range(1, MAX_ORDER + 1)),
        *(common.corpus_dist(n, _SHORTENED) for n in (1, 2, 3)),
        common.percent(
            "rouge_l",
            "Longest common word sequence with the reference, F with β = 1.2, averaged.",
            signature=signature("rouge", type="L", f=f"{BETA:g}", **_PARTS, refs="file"),
            statistics=_rouge_rows,
        ),
        common.percent(
            "f1",
            "F1 of the words shared with the reference, averaged over replies.",
            signature=signature("f1", of="words", agg="mean", **_PARTS, refs="file"),
            statistics=_f1_rows,
        ),
        common.length(_WORDS),
        common.ppl("token"),
        *_strategy(),
        *failures.METRICS,
    ),
)
