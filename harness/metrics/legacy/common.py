"""What several published evaluators share: the form of their metrics, perplexities, accuracy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from harness.metrics import labels
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.legacy.reading import Reading, dist_rows
from harness.metrics.scores import mean, share

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["accuracy", "answered", "corpus_dist", "length", "percent", "ppl", "sentence_dist"]

_NOUNS = {1: "words", 2: "word pairs", 3: "word triples"}
Averaged = Literal["example-loss", "example-ppl", "token"]


def percent(
    name: str,
    description: str,
    *,
    signature: str,
    statistics: Callable[[Sequence[Scored]], Statistics],
    score: Callable[[FloatArray], FloatArray] = mean,
    highest: float = 100.0,
) -> Metric:
    """A metric in percent, the higher the better; `highest` is the largest value it can take."""
    return Metric(
        name=name,
        signature=signature,
        direction="higher",
        unit="percent",
        range=(0.0, highest),
        description=description,
        statistics=statistics,
        score=score,
    )


def answered(scored: Sequence[Scored]) -> FloatArray:
    """1 where there is an answer, 0 where the prediction failed: (n,).

    Some evaluators find that two empty texts match; a failure shall not profit from that.
    """
    import numpy as np

    return np.array([not item.failed for item in scored], dtype=float)


def _ppl_rows(scored: Sequence[Scored], *, averaged: Averaged) -> Statistics:
    """n × 2: NLL per token, its exponential, or NLL in all; and the weight."""
    import numpy as np

    from harness.metrics.arrays import columns

    # Published closed vocabularies are not charged for the words that they lack.
    nll = np.array(
        [(item.reference_nll or 0.0) - (item.reference_surcharge or 0.0) for item in scored]
    )
    tokens = np.array([item.reference_tokens or 0 for item in scored], dtype=float)
    if averaged == "token":
        return columns(nll, tokens)
    losses = nll / np.maximum(tokens, 1.0)
    with np.errstate(over="ignore"):
        return columns(np.exp(losses) if averaged == "example-ppl" else losses)


def _exp_mean(sums: FloatArray) -> FloatArray:
    import numpy as np

    with np.errstate(over="ignore"):
        return np.exp(mean(sums))


_PPL_WORDS: dict[Averaged, str] = {
    "example-loss": "exp of the mean over examples of the mean loss of a token",
    "example-ppl": "mean over examples of each example's own perplexity",
    "token": "exp of the mean loss of a token of the whole set",
}


def ppl(averaged: Averaged) -> Metric:
    """Perplexity per model token, averaged as the evaluator does.

    "example-loss" exp(mean_i NLL_i / T_i), what a mean of batch losses is at batch size 1;
    "example-ppl" mean_i exp(NLL_i / T_i); "token" exp(Σ NLL_i / Σ T_i).
    """
    return Metric(
        name="ppl",
        signature=signature("ppl", per="token", tok="model", agg=averaged),
        direction="lower",
        unit="",
        range=(1.0, float("inf")),
        description=f"Perplexity of the human reply: {_PPL_WORDS[averaged]}.",
        statistics=partial(_ppl_rows, averaged=averaged),
        score=mean if averaged == "example-ppl" else _exp_mean,
        needs=("reference_nll", "reference_tokens"),
    )


def _printed_accuracy(
    scored: Sequence[Scored], *, field: Literal["emotion", "strategy"]
) -> Statistics:
    """Accuracy against the label that the file prints: preprocessing changed a few."""
    printed = [
        replace(item, gold_emotion=item.file_emotion or item.gold_emotion) for item in scored
    ]
    return labels.accuracy_statistics(printed, field=field)


def accuracy(field: Literal["emotion", "strategy"]) -> Metric:
    """Share of right labels, as a classifier with one output per label has it."""
    own = next(metric for metric in labels.METRICS if metric.name == f"{field}_accuracy")
    classes = {"emotion": 32, "strategy": 8}[field]
    return replace(
        own,
        statistics=partial(_printed_accuracy, field=field),
        signature=signature("accuracy", label=field, classes=classes, match="exact", gold="file"),
    )


def corpus_dist(
    n: int,
    reading: Reading,
    *,
    statistics: Callable[[Sequence[Scored]], Statistics] | None = None,
    score: Callable[[FloatArray], FloatArray] = share,
    **parts: Any,
) -> Metric:
    """Dist-n of all replies together."""
    return percent(
        f"dist_{n}",
        f"Different {_NOUNS[n]} per hundred {_NOUNS[n]} of all replies together.",
        signature=signature("dist", n=n, scope="corpus", **reading.parts, **parts),
        statistics=statistics or partial(dist_rows, reading=reading, n=n),
        score=score,
    )


def _sentence_dist_rows(
    scored: Sequence[Scored], *, reading: Reading, n: int, glue: bool, short: Literal["0", "skip"]
) -> Statistics:
    import numpy as np

    from harness.metrics.arrays import columns
    from harness.metrics.coding import code_rows, distinct_ngrams
    from harness.metrics.legacy.reading import glued

    replies = reading.replies(scored)
    if glue:
        replies = code_rows([glued(reading.said(item), reading, n=n) for item in scored])
    codes, owners, vocabulary = distinct_ngrams(replies, 1 if glue else n)
    totals = np.bincount(owners, minlength=len(scored))
    once = np.unique(owners * max(vocabulary, 1) + codes) // max(vocabulary, 1)
    different = np.bincount(once, minlength=len(scored))
    kept = (totals > 0) if short == "skip" else np.ones(len(scored), dtype=bool)
    return columns(100.0 * different / np.maximum(totals, 1), kept.astype(float))


def sentence_dist(
    n: int, reading: Reading, *, name: str, short: Literal["0", "skip"], glue: bool = False
) -> Metric:
    """Dist-n of each reply alone, averaged.

    `short` says what a reply without any n-gram counts for; `glue` writes n-grams as one word.
    """
    return percent(
        name,
        f"Different {_NOUNS[n]} per hundred {_NOUNS[n]} of one reply, averaged over replies.",
        signature=signature(
            "dist", n=n, scope="sentence-mean", **reading.parts,
            join="glued" if glue else "tuple", short=short,
        ),
        statistics=partial(_sentence_dist_rows, reading=reading, n=n, glue=glue, short=short),
    )  # fmt: skip


def _length_rows(scored: Sequence[Scored], *, reading: Reading, skip_empty: bool) -> Statistics:
    import numpy as np

    from harness.metrics.arrays import columns

    lengths = reading.replies(scored).lengths.astype(float)
    kept = np.array([not skip_empty or bool(reading.said(item)) for item in scored], dtype=float)
    return columns(lengths * kept, kept)


def length(reading: Reading, *, skip_empty: bool = False) -> Metric:
    """Tokens of a reply, on average; `skip_empty` leaves empty replies out of the mean."""
    return Metric(
        name="length",
        signature=signature(
            "length", agg="mean", **reading.parts, empty="skip" if skip_empty else "0"
        ),
        direction="none",
        unit="tokens",
        range=(0.0, float("inf")),
        description="Tokens of a reply, on average.",
        statistics=partial(_length_rows, reading=reading, skip_empty=skip_empty),
        score=mean,
    )
