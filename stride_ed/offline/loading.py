"""The offline evaluators by name, with what they learn before they grade.

The classifier evaluator learns emotions from ED's validation dialogues and strategies from ESConv's
validation replies: never from a dialogue that is graded, nor from the replies that the offline
annotator learnt from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from harness.datasets import load_example_set
from harness.errors import UnknownNameError
from harness.regression import fit_regression
from stride_ed.crosswalk import esconv_labels
from stride_ed.offline.evaluators import (
    ClassifierEvaluator,
    EmbeddingEvaluator,
    Item,
    LikelihoodEvaluator,
    told,
)
from stride_ed.offline.reply_classifier import SETS, labelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["OFFLINE_EVALUATORS", "OfflineEvaluator", "load_offline_evaluator"]

_EMOTIONS = "ed/valid"
_COST = 1.0


class OfflineEvaluator(Protocol):
    """Grades a batch of items, from 1 to 5 in its own dimensions."""

    @property
    def name(self) -> str: ...
    @property
    def identity(self) -> Mapping[str, Any]: ...
    @property
    def dimensions(self) -> tuple[str, ...]: ...
    def scores(self, items: Sequence[Item]) -> list[dict[str, float]]: ...


def _embedding(data: str | None, show: Callable[[str], None]) -> OfflineEvaluator:
    vectors, model = _vectors()
    return EmbeddingEvaluator(vectors, model)


def _classifier(data: str | None, show: Callable[[str], None]) -> OfflineEvaluator:
    from harness.metrics.neural.kept import kept_vectors

    vectors, model = _vectors()
    emotions = load_example_set(_EMOTIONS, data)
    replies = labelled(load_example_set(SETS[1], data))
    show(f"learning emotions from {len(emotions):,} contexts of {emotions.name}, "
         f"strategies from {len(replies):,} replies of {replies.name}")  # fmt: skip
    felt = kept_vectors([told(e) for e in emotions], vectors, model=model)
    used = kept_vectors([e.reference for e in replies], vectors, model=model)
    return ClassifierEvaluator(
        vectors=vectors,
        model=model,
        emotion=fit_regression(felt, [str(e.emotion) for e in emotions], cost=_COST),
        strategy=fit_regression(used, [str(e.strategy) for e in replies], cost=_COST),
        trained_on=(f"{emotions.name}, {len(emotions):,}", f"{replies.name}, {len(replies):,}"),
        labels_of=esconv_labels,
    )


def _likelihood(data: str | None, show: Callable[[str], None]) -> OfflineEvaluator:
    from harness.metrics.neural.scorer import load_scorer

    return LikelihoodEvaluator(load_scorer(""))


def _vectors() -> tuple[Callable[[Sequence[str]], NDArray[Any]], str]:
    from harness.metrics.neural.model_files import find_model
    from harness.metrics.neural.sentences import load_sentence_encoder

    files = find_model("")
    return load_sentence_encoder(files).vectors, f"{files.name}@{files.weights}.{files.setup}"


OFFLINE_EVALUATORS = {
    "embedding": _embedding,
    "classifier": _classifier,
    "likelihood": _likelihood,
}


def load_offline_evaluator(
    name: str, data: str | None = None, *, show: Callable[[str], None] = lambda line: None
) -> OfflineEvaluator:
    """The evaluator of that name, ready to grade.

    Raises:
        UnknownNameError: there is none of that name.
        DataError: what it learns from is not found.
    """
    if name not in OFFLINE_EVALUATORS:
        raise UnknownNameError("evaluator", name, OFFLINE_EVALUATORS)
    return OFFLINE_EVALUATORS[name](data, show)
