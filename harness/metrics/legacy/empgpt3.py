"""EmpGPT-3 (Lee et al. 2022): Dist-n of each reply alone, averaged.

A reply is hardly ever long enough to repeat a word pair, so that every system reaches 94–99 where
corpus Dist-2 is 1–9. The same script also has NIDF, accuracies of fine-tuned classifiers, EPITOME
levels and GPT-2 XL perplexity, which need models and counts that it does not come with.
"""

from __future__ import annotations

from harness.metrics import failures
from harness.metrics.legacy import common
from harness.metrics.legacy.reading import Reading
from harness.metrics.legacy.words import NLTK, lowered_nltk_words
from harness.metrics.profile import Profile

__all__ = ["PROFILE"]


def _lowered(text: str) -> tuple[str, ...]:
    return tuple(text.lower().split())


_READING = Reading(tokenise=_lowered, parts={"tok": "space", "case": "lower"})
_WORDS = Reading(
    tokenise=lowered_nltk_words, parts={"tok": "word_tokenize", "case": "lower", "lib": NLTK}
)

PROFILE = Profile(
    name="empgpt3",
    description="As EmpGPT-3's script prints: Dist-n of each reply alone, averaged.",
    differences=(
        "Dist-n is computed within each reply and averaged, not over all replies together.",
        "Tokens are what stands between spaces, lower-cased; punctuation is not split off.",
        "Replies too short for an n-gram are left out of the mean of Dist-n.",
        "Empty replies are left out of Dist-n and of length, so that failures lower nothing.",
    ),
    caveat="Dist-n within a reply says that the reply does not repeat itself, and nothing of how "
    "various the replies of a system are.",
    metrics=(
        *(common.sentence_dist(n, _READING, name=f"dist_{n}", short="skip") for n in (1, 2, 3)),
        common.length(_WORDS, skip_empty=True),
        *failures.METRICS,
    ),
)
