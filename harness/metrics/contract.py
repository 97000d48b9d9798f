"""What a metric is, and what it sees of one example.

A metric is three pure functions: *statistics* (what each example contributes), *aggregate* (what
a weighted selection of examples amounts to) and *score* (the number). Corpus value, per-example
values, intervals and paired tests all follow from these three (`harness.statistics`), so that a
new metric is one module and one line in `harness.metrics.profiles`.

    statistics: n examples             → Statistics of n rows
    aggregate:  weights (..., n rows)  → sums (..., k)       (a method of Statistics)
    score:      sums (..., k)          → values (...)

A weight is how often a row enters: 1 everywhere is the corpus, one 1 is a single example, the
multiplicities of a bootstrap draw are a resample. Additive statistics are n × k numbers; distinct
n-grams and the like, which do not add up, are kept as integer codes (`harness.metrics.arrays`).

Imported by the command line: nothing here may import numpy at run time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from harness.datasets.sets import ExampleSet
from harness.errors import PredictionsError
from harness.predictions import Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray: TypeAlias = NDArray[np.float64]
    IntArray: TypeAlias = NDArray[np.int64]

__all__ = ["Kind", "Metric", "Scored", "Statistics", "missing", "pair", "signature", "signed"]

Kind = Literal["response", "emotion", "strategy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One example with its prediction: all that a metric may look at.

    `cluster` is the dialogue, the unit that is resampled. `context` holds the texts of the turns
    before the reply, oldest first. `raw` is the unparsed reply where parsing changed it.
    `file_reference` and `file_emotion` are reference and gold label as an imported file prints
    them. `failed` examples have no answer; metrics count them, never drop them.
    """

    id: str
    cluster: str
    response: str | None
    reference: str
    context: tuple[str, ...] | None = None
    raw: str | None = None
    file_reference: str | None = None
    file_emotion: str | None = None
    emotion: str | None = None
    gold_emotion: str | None = None
    strategy: str | None = None
    gold_strategy: str | None = None
    emotion_scores: Mapping[str, float] | None = None
    strategy_scores: Mapping[str, float] | None = None
    reference_nll: float | None = None
    reference_tokens: int | None = None
    reference_words: int | None = None
    reference_surcharge: float | None = None
    failed: bool = False

    @property
    def text(self) -> str:
        """The reply as text metrics see it: a failed one is empty, whatever it left behind."""
        return "" if self.failed or self.response is None else self.response


class Statistics(Protocol):
    """What examples (or groups of them) contribute, one row each."""

    @property
    def additive(self) -> bool:
        """Whether the contribution of two rows is the sum of theirs."""
        ...

    def __len__(self) -> int: ...

    def grouped(self, groups: IntArray, count: int) -> Statistics:
        """The same with row i merged into row `groups[i]` of `count`."""
        ...

    def aggregate(self, weights: FloatArray) -> FloatArray:
        """(..., rows) multiplicities → (..., k) sums."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric, with all that must be known to read its number.

    `signature` holds everything the value depends on (see `signature`); `needs` names the fields
    of `Scored` without which there is no value (nor a row, unasked, if it is `optional`); `kinds`
    the tasks that show it unasked;
    `per_example` says whether the score of a single example means something; `range` is in `unit`;
    `least` is the number of examples below which there is no value.
    """

    name: str
    signature: str
    direction: Literal["higher", "lower", "none"]
    unit: str
    range: tuple[float, float]
    description: str
    statistics: Callable[[Sequence[Scored]], Statistics]
    score: Callable[[FloatArray], FloatArray]
    needs: tuple[str, ...] = ()
    optional: bool = False
    kinds: frozenset[Kind] = field(default_factory=lambda: frozenset({"response"}))
    per_example: bool = True
    least: int = 1


def pair(examples: ExampleSet, predictions: Sequence[Prediction]) -> list[Scored]:
    """Examples with their predictions, in canonical order, whatever the order of the predictions.

    Raises:
        PredictionsError: an example has no prediction, or a prediction no example, or two.
    """
    by_id = {prediction.id: prediction for prediction in predictions}
    known = {example.id for example in examples}
    counts = Counter(prediction.id for prediction in predictions)
    for complaint, ids in (
        ("ids are not of this example set", [i for i in counts if i not in known]),
        ("ids come more than once", [i for i, count in counts.items() if count > 1]),
        ("examples have no prediction", [e.id for e in examples if e.id not in counts]),
    ):
        if ids:
            some = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
            raise PredictionsError(
                f"{len(ids)} {complaint} ({some}); "
                f"give one prediction for each of the {len(examples)} of {examples.name}"
            )
    return [
        Scored(
            id=example.id,
            cluster=example.dialogue_id,
            response=found.response,
            reference=example.reference,
            context=tuple(turn.text for turn in example.context),
            raw=found.raw,
            file_reference=found.file_reference,
            file_emotion=found.file_emotion,
            emotion=found.emotion,
            gold_emotion=example.emotion,
            strategy=found.strategy,
            gold_strategy=example.strategy,
            emotion_scores=found.emotion_scores,
            strategy_scores=found.strategy_scores,
            reference_nll=found.reference_nll,
            reference_tokens=found.reference_tokens,
            reference_words=found.reference_words,
            reference_surcharge=found.reference_surcharge,
            failed=_failed(found),
        )
        for example, found in ((example, by_id[example.id]) for example in examples)
    ]


def _failed(prediction: Prediction) -> bool:
    answers = (prediction.response, prediction.emotion, prediction.strategy)
    return prediction.error is not None or all(answer is None for answer in answers)


def missing(metric: Metric, scored: Sequence[Scored]) -> str:
    """Why `metric` has no value on `scored`: how many examples lack what it needs; "" if none."""
    if not scored:
        return "no examples"
    if len(scored) < metric.least:
        return f"needs {metric.least:,} examples, there are {len(scored):,}"
    for name in metric.needs:
        lacking = [item for item in scored if getattr(item, name) is None]
        # A failed answer has no scores, and counts as wrong without them.
        excused = name.endswith("_scores") and all(item.failed for item in lacking)
        if lacking and not (excused and len(lacking) < len(scored)):
            return f"{len(lacking)} of {len(scored)} examples lack {name}"
    return ""


def signature(name: str, version: int = 1, **parts: str | int) -> str:
    """`name|key:value|…|v<version>`, in the order given; `version` counts changes of definition.

    After sacreBLEU's signatures (Post 2018): two values are comparable where these are equal.
    """
    return "|".join([name, *(f"{key}:{value}" for key, value in parts.items()), f"v{version}"])


def signed(metric: Metric, scored: Sequence[Scored]) -> str:
    """Its signature on these examples: legacy profiles say which references they met."""
    found = {item.file_reference is not None for item in scored}
    used = "mixed" if len(found) > 1 else "file" if found == {True} else "canonical"
    return metric.signature.replace("|refs:file|", f"|refs:{used}|")
