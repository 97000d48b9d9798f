"""Cosines of sentence vectors: reply and reference, reply and context.

A generic reply is a little like every context, so relevance comes with a *gap*: how much closer the
reply is to its own context than, on average, to those of all other dialogues. Cosine is linear in
unit vectors, so that average is exact, r · mean(c), and no context need be drawn:

    gap_i = r_i·c_i − mean { r_i·c_j : dialogue(j) ≠ dialogue(i) }

A context is its turns, oldest first, joined by line breaks; where it is too long its end is kept,
since the reply answers that. A failed or blank reply has the cosine 0 with everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.neural.model_files import find_model
from harness.metrics.neural.sentences import SentenceEncoder, load_sentence_encoder
from harness.metrics.scores import mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.metrics.contract import FloatArray

__all__ = ["make_relevance", "make_similarity"]


def make_similarity(argument: str = "") -> tuple[Metric, ...]:
    """Reply-reference cosine under the sentence encoder in a folder or of a hub id.

    Raises:
        ModelError: there is no such encoder, or its pooling is not known.
    """
    encoder = load_sentence_encoder(find_model(argument))
    return (
        Metric(
            name="embedding_similarity",
            signature=_signature("embsim", encoder, refs="canonical"),
            direction="higher",
            unit="percent",
            range=(-100.0, 100.0),
            description="Cosine of the sentence vectors of reply and human reply; 0 for none.",
            statistics=partial(_similarity, encoder=encoder),
            score=mean,
        ),
    )


def make_relevance(argument: str = "") -> tuple[Metric, ...]:
    """Reply-context cosine and its gap, under the sentence encoder in a folder or of a hub id.

    Raises:
        ModelError: there is no such encoder, or its pooling is not known.
    """
    encoder = load_sentence_encoder(find_model(argument))
    kept = f"all-turns-last-{encoder.max_tokens}"
    return (
        Metric(
            name="context_relevance",
            signature=_signature("relevance", encoder, context=kept),
            direction="higher",
            unit="percent",
            range=(-100.0, 100.0),
            description="Cosine of the sentence vectors of reply and context; 0 for no reply. "
            "Repeating the context scores best: read it beside relevance_gap and overlap.",
            statistics=partial(_relevance, encoder=encoder, gap=False),
            score=mean,
            needs=("context",),
        ),
        Metric(
            name="relevance_gap",
            signature=_signature("relevance-gap", encoder, context=kept, vs="other-dialogues"),
            direction="higher",
            unit="percent",
            range=(-200.0, 200.0),
            description="context_relevance less the reply's mean cosine to the contexts of all "
            "other dialogues of the set: 0 for a reply that fits any of them alike. Repeating the "
            "context scores best here too.",
            statistics=partial(_relevance, encoder=encoder, gap=True),
            score=mean,
            needs=("context",),
        ),
    )


def _signature(name: str, encoder: SentenceEncoder, **parts: str) -> str:
    files = encoder.encoder.files
    common: dict[str, str | int] = {
        "model": files.name,
        "layer": encoder.encoder.layer,
        "weights": files.weights,
        "setup": files.setup,
        "pool": encoder.pooling,
        "max": f"{encoder.max_tokens}-right",
    }
    return signature(name, 1, **common, **parts)


def _similarity(scored: Sequence[Scored], *, encoder: SentenceEncoder) -> Statistics:
    """n × 2: the cosine of each reply and its reference, in percent, and 1."""
    from harness.metrics.arrays import columns

    replies = encoder.vectors([item.text for item in scored])
    references = encoder.vectors([item.reference for item in scored])
    return columns(100.0 * _cosines(replies, references))


def _cosines(first: FloatArray, second: FloatArray) -> FloatArray:
    """Row by row, of unit vectors (n, width); what float32 put beyond 1 is taken off again."""
    products: FloatArray = (first * second).sum(1)
    return products.clip(-1.0, 1.0)


def _relevance(scored: Sequence[Scored], *, encoder: SentenceEncoder, gap: bool) -> Statistics:
    """n × 2: the cosine of each reply and its context, less that to others', and whether it counts.

    An example without a context, or for the gap without other dialogues, counts nowhere.
    """
    import numpy as np

    from harness.metrics.arrays import columns

    replies = encoder.vectors([item.text for item in scored])
    contexts = encoder.vectors(["\n".join(item.context or ()) for item in scored], keep="end")
    values = _cosines(replies, contexts)
    counts = contexts.any(1)
    if gap:
        others, there = _other_contexts(scored, contexts)
        values = values - (replies * others).sum(1)
        counts = counts & there
    return columns(100.0 * np.where(counts, values, 0.0), counts.astype(float))


def _other_contexts(
    scored: Sequence[Scored], contexts: FloatArray
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The mean context vector of the other dialogues, (n, width), and where there are any, (n,).

    Where two systems are compared, every context comes twice, which leaves the means as they are.
    """
    import numpy as np

    from harness.statistics import cluster_codes

    codes, count = cluster_codes([item.cluster for item in scored])
    held = contexts.any(1)
    sums = np.zeros((count, contexts.shape[1]))
    np.add.at(sums, codes[held], contexts[held])
    sizes = np.bincount(codes[held], minlength=count)
    rest = held.sum() - sizes[codes]
    means = (sums.sum(0) - sums[codes]) / np.maximum(rest, 1)[:, None]
    return means, rest > 0
