"""Which of ESConv's strategies a given reply uses: the eyes of the offline annotator.

    reply ─▶ TF-IDF of its words, pairs and triples, with ? ! .  ─▶ multinomial logistic regression

It reads the reply itself, which an annotator has at hand. Published strategy accuracies (and our
`train classifier`) are of another question, the *next* strategy from the context alone; a figure
of this one is no rival of theirs.

Word counts, not sentence vectors, on purpose: offline evaluators read with sentence vectors and a
language model, and an evaluator that shares the annotator's eyes shares its errors.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.datasets import ExampleSet, load_example_set
from harness.errors import DataError
from harness.files import cache_directory, canonical_json, sha256_text, write_atomic
from harness.predictions import Prediction
from harness.regression import Regression, fit_regression

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.results import MetricResult

__all__ = ["SETS", "ReplyClassifier", "fit_reply_classifier", "held_out", "labelled"]

SETS = ("esconv/train-910-195-195", "esconv/valid-910-195-195", "esconv/test-910-195-195")
_COSTS = (1.0, 3.0, 10.0)
_ITERATIONS = 300
_VERSION = 1
_WORDS = r"(?u)\b\w+\b|[?!.]"
# What a reader of the figures wants first; `score` has them all.
_SHOWN = ("strategy_accuracy", "strategy_macro_f1", "strategy_weighted_f1")
_ARRAYS = ("terms", "idf", "weight", "bias", "labels")


@dataclass(frozen=True)
class ReplyClassifier:
    """`vectorizer` makes (n, V) counts of n replies, `regression` reads them."""

    vectorizer: Any
    regression: Regression
    trained_on: str

    @property
    def labels(self) -> tuple[str, ...]:
        return self.regression.labels

    @property
    def identity(self) -> dict[str, Any]:
        """What a label depends on beside the reply."""
        return {
            "method": "words 1-3, TF-IDF, logistic regression",
            "version": _VERSION,
            "weights": self.regression.identity,
            "trained_on": self.trained_on,
        }

    def probabilities(self, replies: Sequence[str]) -> NDArray[Any]:
        """(n, L): the probability of each label for each of n replies, n at least 1."""
        import numpy as np

        x = self.vectorizer.transform(list(replies))
        found: NDArray[Any] = np.exp(self.regression.log_probabilities(x))
        return found


def fit_reply_classifier(
    data: str | None = None, *, show: Callable[[str], None] = lambda line: None
) -> ReplyClassifier:
    """Learn ESConv's training replies, choose C on its validation replies by macro-F1.

    What was learnt is kept in the user's cache under the data's fingerprints.

    Raises:
        DataError: ESConv is not found, or a split shows fewer than two strategies.
    """
    learn, choose = (labelled(load_example_set(name, data)) for name in SETS[:2])
    settings = [_VERSION, _COSTS, _ITERATIONS, learn.fingerprint, choose.fingerprint]
    key = sha256_text(canonical_json(settings))[:24]
    path = cache_directory() / "stride" / f"reply-classifier-{key}.npz"
    arrays = _read(path)
    if arrays is None:
        show(f"learning strategies from {len(learn):,} replies of {learn.name}")
        arrays = _fit(learn, choose, show)
        write_atomic(path, _packed(arrays))
    vectorizer = _vectorizer(vocabulary=arrays["terms"].tolist())
    vectorizer.idf_ = arrays["idf"]
    return ReplyClassifier(
        vectorizer=vectorizer,
        regression=Regression(
            labels=tuple(arrays["labels"].tolist()), weight=arrays["weight"], bias=arrays["bias"]
        ),
        trained_on=f"{learn.name}, {len(learn):,} replies",
    )


def held_out(
    classifier: ReplyClassifier, data: str | None = None, *, seed: int = 0
) -> tuple[MetricResult, ...]:
    """Accuracy, macro- and weighted F1 on ESConv's test replies, intervals over dialogues.

    Raises:
        DataError: ESConv is not found.
    """
    from harness.metrics import score_predictions

    examples = labelled(load_example_set(SETS[2], data))
    rows = classifier.probabilities([e.reference for e in examples]).argmax(1)
    predictions = [
        Prediction(id=example.id, strategy=classifier.labels[row])
        for example, row in zip(examples, rows, strict=True)
    ]
    return score_predictions(examples, predictions, kind="strategy", names=_SHOWN, seed=seed)


def labelled(examples: ExampleSet) -> ExampleSet:
    """The examples whose reply has a strategy.

    Raises:
        DataError: they show fewer than two strategies.
    """
    kept = tuple(example for example in examples if example.strategy)
    if len({example.strategy for example in kept}) < 2:
        raise DataError(
            f"{examples.name}: {len(kept)} labelled replies, of fewer than two strategies; "
            "give a --data with ESConv"
        )
    return ExampleSet(examples.name, kept)


def _fit(
    learn: ExampleSet, choose: ExampleSet, show: Callable[[str], None]
) -> dict[str, NDArray[Any]]:
    import numpy as np
    from sklearn.metrics import f1_score

    vectorizer = _vectorizer(min_df=min(2, len(learn)))
    x = vectorizer.fit_transform([e.reference for e in learn])
    held = vectorizer.transform([e.reference for e in choose])
    expected = [e.strategy for e in choose]
    tried = []
    for cost in _COSTS:
        model = fit_regression(x, [e.strategy for e in learn], cost=cost, iterations=_ITERATIONS)
        guesses = np.array(model.labels)[model.log_probabilities(held).argmax(1)]
        tried.append((float(f1_score(expected, guesses, average="macro")), model))
        show(f"  C {cost:g}: validation macro-F1 {100 * tried[-1][0]:.1f} %")
    _, best = max(tried, key=lambda pair: pair[0])
    return {
        "terms": vectorizer.get_feature_names_out().astype(str),
        "idf": vectorizer.idf_,
        "weight": best.weight,
        "bias": best.bias,
        "labels": np.array(best.labels, dtype=str),
    }


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, token_pattern=_WORDS, **options)


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
    return buffer.getvalue()


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # not there, torn or foreign: learnt again
