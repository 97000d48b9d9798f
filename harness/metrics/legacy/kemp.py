"""KEMP (Li et al. 2022): corpus BLEU after TensorFlow's nmt tutorial, Dist-n on glued pairs.

Its script reads the output file line by line and removes the labels `Pred:` and `Ref:` with
`str.strip`, which takes a set of characters: replies and references that begin with one of them
lose it ("do you" becomes "o you", "really" becomes "ally").
"""

from __future__ import annotations

from functools import partial

from harness.metrics import failures
from harness.metrics.contract import Metric, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.moses import CAVEAT
from harness.metrics.legacy.reading import (
    bleu_rows,
    glued_rows,
    stripped_reading,
)
from harness.metrics.overlap import bleu_score
from harness.metrics.profile import Profile

__all__ = ["PROFILE"]


_READING = stripped_reading("Pred:")


def _bleu(order: int) -> Metric:
    return common.percent(
        f"bleu_{order}",
        f"Corpus BLEU, n-grams up to n = {order}, not smoothed.",
        signature=signature(
            "bleu", n=order, **_READING.parts, smooth="none", refs="file", like="tf-nmt"
        ),
        statistics=partial(bleu_rows, reading=_READING, order=order),
        score=partial(bleu_score, smooth="none"),
    )


PROFILE = Profile(
    name="kemp",
    description="As KEMP's script prints: corpus BLEU-1, -2, -4 and Dist-n of its output file.",
    differences=(
        "Tokens are what stands between spaces; punctuation is not split off.",
        'Leading letters of "Pred:" and "Ref:" are cut from replies and references.',
        "References are those that the output file prints, where it prints some.",
        "BLEU is not smoothed: an order without a match makes it 0.",
        "Dist-2 writes word pairs as one word, so that some different pairs become the same.",
        "PPL averages the token loss of each example.",
        "Emotions are compared with the label that the file prints.",
    ),
    caveat=f"{CAVEAT}; and it cuts letters from the beginning of some replies.",
    metrics=(
        *(_bleu(order) for order in (1, 2, 4)),
        common.corpus_dist(1, _READING, join="tuple"),
        common.corpus_dist(
            2, _READING, statistics=partial(glued_rows, reading=_READING), join="glued"
        ),
        common.ppl("example-loss"),
        common.accuracy("emotion"),
        *failures.METRICS,
    ),
)
