"""How probable the model finds the human reply.

All spread the summed -ln p(reference | context) of the whole example set, never means of means:
over the model's own tokens (comparable only between models that share a tokenizer), over words, and
over UTF-8 bytes (both comparable between all). A model of closed vocabulary also gets the number
that papers print of such models, in which the words that it lacks cost next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["METRICS"]


def _statistics(
    scored: Sequence[Scored], *, per: Callable[[Scored], int | None], scale: float = 1.0
) -> Statistics:
    """n × 2: scaled NLL of the reference, and the length it is spread over."""
    from harness.metrics.arrays import additive

    return additive((((item.reference_nll or 0.0) * scale, per(item) or 0) for item in scored), 2)


def _closed(scored: Sequence[Scored]) -> Statistics:
    """n × 2: NLL of the reference without what unknown words cost, and its tokens."""
    from harness.metrics.arrays import additive

    return additive(
        (
            ((item.reference_nll or 0.0) - (item.reference_surcharge or 0.0), _tokens(item) or 0)
            for item in scored
        ),
        2,
    )


def _perplexity(sums: FloatArray) -> FloatArray:
    import numpy as np

    with np.errstate(over="ignore"):
        return np.exp(mean(sums))


def _tokens(item: Scored) -> int | None:
    return item.reference_tokens


def _words(item: Scored) -> int | None:
    return item.reference_words


def _bytes(item: Scored) -> int | None:
    return len(item.reference.encode("utf-8", "surrogatepass"))


METRICS: tuple[Metric, ...] = (
    Metric(
        name="ppl_word",
        signature=signature("ppl", per="word", agg="corpus"),
        direction="lower",
        unit="",
        range=(1.0, float("inf")),
        description="Perplexity of the human reply per word, which all models share.",
        statistics=partial(_statistics, per=_words),
        score=_perplexity,
        needs=("reference_nll", "reference_words"),
    ),
    Metric(
        name="ppl_token",
        signature=signature("ppl", per="token", tok="model", agg="corpus"),
        direction="lower",
        unit="",
        range=(1.0, float("inf")),
        description="Perplexity of the human reply per model token; only models that share a "
        "tokenizer compare.",
        statistics=partial(_statistics, per=_tokens),
        score=_perplexity,
        needs=("reference_nll", "reference_tokens"),
    ),
    Metric(
        name="ppl_closed",
        signature=signature("ppl", per="token", tok="model", unknown="unk", agg="corpus"),
        direction="lower",
        unit="",
        range=(1.0, float("inf")),
        description="Perplexity per token of a closed vocabulary, unknown words as one token, ends "
        "included: what papers print of models trained from scratch. Only models that share a "
        "vocabulary compare.",
        statistics=_closed,
        score=_perplexity,
        needs=("reference_nll", "reference_tokens", "reference_surcharge"),
        optional=True,
    ),
    Metric(
        name="bits_per_byte",
        signature=signature("bpb", per="utf-8", agg="corpus"),
        direction="lower",
        unit="bits",
        range=(0.0, float("inf")),
        description="Bits the model needs per byte of the human reply.",
        statistics=partial(_statistics, per=_bytes, scale=1.0 / math.log(2.0)),
        score=mean,
        needs=("reference_nll",),
    ),
)
