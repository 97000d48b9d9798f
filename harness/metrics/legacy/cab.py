"""CAB (Gao et al. 2023): corpus BLEU with 0.0001 added above and below, on glued n-grams.

An n-gram is its words written without spaces, in BLEU and in Dist-2. Each order's precision is
(matches + 0.0001) / (n-grams + 0.0001), so that an order for which no reply is long enough counts
as perfect. The script removes the labels `Greedy:` and `Ref:` with `str.strip`, which takes a set
of characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.metrics import failures
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy import common
from harness.metrics.legacy.moses import CAVEAT
from harness.metrics.legacy.reading import glued, glued_rows, stripped_reading
from harness.metrics.overlap import MAX_ORDER
from harness.metrics.profile import Profile

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["PROFILE"]

_ADDED = 1e-4


_READING = stripped_reading("Greedy:")


def _bleu_rows(scored: Sequence[Scored], *, order: int) -> Statistics:
    """n × (2 + 2·order): lengths, matches and n-grams, as `reading.bleu_rows`, of glued n-grams."""
    import numpy as np

    from harness.metrics.arrays import Additive
    from harness.metrics.coding import clipped_matches, code_rows

    found, counted = [], []
    for n in range(1, order + 1):
        replies = code_rows([glued(_READING.said(item), _READING, n=n) for item in scored])
        references = code_rows([glued(_READING.meant(item), _READING, n=n) for item in scored])
        matches, totals, _ = clipped_matches(replies, references, 1)
        found.append(matches[:, 0])
        counted.append(totals[:, 0])
    columns = [*_READING.lengths(scored), *found, *counted]
    return Additive(np.stack(columns, axis=1).astype(float))


def _score(sums: FloatArray) -> FloatArray:
    """(..., 2 + 2N) → (...), 0–100; 0 where there is no word at all."""
    import numpy as np

    order = (sums.shape[-1] - 2) // 2
    reply, wanted = sums[..., 0], sums[..., 1]
    precision = (sums[..., 2 : 2 + order] + _ADDED) / (sums[..., 2 + order :] + _ADDED)
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity = np.exp(np.minimum(0.0, 1.0 - wanted / reply))
    geometric = np.exp(np.log(precision).mean(-1))
    return np.where(reply > 0, 100.0 * brevity * geometric, 0.0)


def _bleu(order: int) -> Metric:
    return common.percent(
        f"bleu_{order}",
        f"Corpus BLEU of glued n-grams up to n = {order}, 0.0001 added above and below.",
        signature=signature(
            "bleu", n=order, **_READING.parts, join="glued", smooth="add-1e-4", refs="file"
        ),
        statistics=partial(_bleu_rows, order=order),
        score=_score,
    )


PROFILE = Profile(
    name="cab",
    description="As CAB's script prints: smoothed corpus BLEU, Dist-n of corpus and of replies.",
    differences=(
        "Tokens are what stands between spaces; punctuation is not split off.",
        'Leading letters of "Greedy:" and "Ref:" are cut from replies and references.',
        "References are those that the output file prints, where it prints some.",
        "N-grams are written as one word, so that some different ones become the same.",
        "Every order of BLEU gets 0.0001 added above and below, so an order that no reply is long "
        "enough for counts as perfect.",
        "Dist-n of each reply, averaged, stands beside that of the corpus.",
    ),
    caveat=f"{CAVEAT}; and it cuts letters from the beginning of some replies.",
    metrics=(
        *(_bleu(order) for order in range(1, MAX_ORDER + 1)),
        common.corpus_dist(1, _READING, join="tuple"),
        common.corpus_dist(
            2, _READING, statistics=partial(glued_rows, reading=_READING), join="glued"
        ),
        common.sentence_dist(1, _READING, name="dist_1_sentence", short="0"),
        common.sentence_dist(2, _READING, name="dist_2_sentence", short="0", glue=True),
        common.length(_READING),
        *failures.METRICS,
    ),
)
