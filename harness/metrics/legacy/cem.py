"""CEM (Sabour et al. 2022), and ESCM and CASE after it: Dist-n, perplexity, accuracy.

The script removes the label `Greedy:` with `str.strip`, which takes a set of characters: replies
that begin with one of G, r, e, d, y lose it. It prints no BLEU.
"""

from __future__ import annotations

from harness.metrics import failures
from harness.metrics.contract import Scored
from harness.metrics.legacy import common
from harness.metrics.legacy.reading import Reading
from harness.metrics.legacy.words import NLTK, label_stripped, nltk_words
from harness.metrics.profile import Profile

__all__ = ["PROFILE"]


def _said(item: Scored) -> str:
    return label_stripped(item.text, "Greedy:")


_READING = Reading(
    tokenise=nltk_words,
    parts={"tok": "word_tokenize", "case": "given", "strip": "label-characters", "lib": NLTK},
    said=_said,
)

PROFILE = Profile(
    name="cem",
    description="As CEM's script prints: Dist-1, Dist-2, perplexity and emotion accuracy.",
    differences=(
        "Words are NLTK's, case as given.",
        'Leading letters of "Greedy:" are cut from replies ("do" becomes "o", "yes" "s").',
        "Dist-n is over all replies of this example set together, at no fixed number of replies.",
        "PPL averages the token loss of each example.",
        "Emotions are compared with the label that the file prints.",
        "There is no BLEU or any other comparison with the reference.",
    ),
    caveat="Perplexity is per token of the model's own vocabulary, rare words being one token, "
    "and Dist-n depends on the number of replies, so neither compares with other set-ups.",
    metrics=(
        common.corpus_dist(1, _READING),
        common.corpus_dist(2, _READING),
        common.ppl("example-loss"),
        common.accuracy("emotion"),
        *failures.METRICS,
    ),
)
