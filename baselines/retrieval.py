"""Retrieval: the answer that a person gave in the most similar training context.

    retrieval               TF-IDF over words and word pairs (scikit-learn, sublinear counts)
    retrieval:bm25          BM25 over words (Robertson & Zaragoza 2009; bm25s, Lucene's variant)
    retrieval:minilm        cosine of sentence vectors (the packaged MiniLM)
    retrieval:…+emotion     only among contexts of the emotion that most of the 50 nearest have

The context is read as all its turns, the last speaker turn twice; MiniLM reads that turn last. No
gold label of the evaluated example is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from baselines.answers import answer, chunks, training_examples
from harness.dialogue import Example
from harness.errors import ModelError
from harness.models import Question, Settings
from harness.predictions import Prediction
from harness.retrieval import BM25, bm25, context_query
from harness.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.retrieval import Search

__all__ = ["NEIGHBOURS", "Retrieval", "load", "nearest"]

NEIGHBOURS = 50
_NAMES = {"tfidf": "TF-IDF", "bm25": "BM25", "minilm": "MiniLM"}


@dataclass(frozen=True)
class Retrieval:
    """Nearest training context; one index per task's training set, built once."""

    method: str
    by_emotion: bool
    settings: Settings
    _indexes: dict[str, tuple[Search, tuple[Example, ...]]] = field(
        default_factory=dict, repr=False
    )

    @property
    def card(self) -> Mapping[str, Any]:
        filtered = ", by emotion" if self.by_emotion else ""
        return {"name": f"Retrieval ({_NAMES[self.method]}{filtered})", "kind": "baseline"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        settings: dict[str, Any] = {
            "method": "retrieval",
            "index": _INDEXES[self.method][1](),
            "from": task.train_set,
        }
        return settings | ({"emotion": f"vote of {NEIGHBOURS}"} if self.by_emotion else {})

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return chunks(questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        search, examples = self._index(task)
        similarity = search([context_query(question.example) for question in batch])
        emotions = [example.emotion or "" for example in examples] if self.by_emotion else None
        found = nearest(similarity, emotions)
        return [
            answer(task, question, task.gold(examples[index]))
            for question, index in zip(batch, found, strict=True)
        ]

    def _index(self, task: Task) -> tuple[Search, tuple[Example, ...]]:
        if task.train_set not in self._indexes:
            examples = training_examples(task, self.settings)
            build = _INDEXES[self.method][0]
            self._indexes[task.train_set] = build([context_query(e) for e in examples]), examples
        return self._indexes[task.train_set]


def nearest(
    similarity: NDArray[np.floating[Any]], emotions: Sequence[str] | None = None
) -> list[int]:
    """The most similar column of each row (B, n); the first of equals.

    With `emotions` (n) the columns are first narrowed to the emotion whose contexts among the 50
    nearest have the largest summed similarity.
    """
    import numpy as np

    if emotions is None:
        return [int(index) for index in similarity.argmax(axis=1)]
    kinds, codes = np.unique(np.array(emotions), return_inverse=True)
    found = []
    for row in similarity:
        near = np.argsort(-row, kind="stable")[:NEIGHBOURS]
        votes = np.bincount(codes[near], weights=row[near], minlength=len(kinds))
        of_emotion = np.flatnonzero(codes == votes.argmax())
        found.append(int(of_emotion[row[of_emotion].argmax()]))
    return found


def _tfidf(contexts: Sequence[str]) -> Search:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    matrix = vectorizer.fit_transform(contexts)
    return lambda queries: (vectorizer.transform(queries) @ matrix.T).toarray()


def _minilm(contexts: Sequence[str]) -> Search:
    from harness.metrics.neural.kept import kept_vectors
    from harness.metrics.neural.model_files import find_model
    from harness.metrics.neural.sentences import load_sentence_encoder

    encoder = load_sentence_encoder(find_model(""))
    # Of a long context its end is what the reply answers.
    vectors = partial(encoder.vectors, keep="end")
    matrix = kept_vectors(contexts, vectors, model=f"{_minilm_words()}, end")
    return lambda queries: vectors(queries) @ matrix.T


def _minilm_words() -> str:
    from harness.metrics.neural.model_files import find_model

    files = find_model("")
    return f"{files.name}@{files.weights}"


_INDEXES: Mapping[str, tuple[Callable[[Sequence[str]], Search], Callable[[], str]]] = {
    "tfidf": (_tfidf, lambda: "tf-idf 1-2-gram sublinear"),
    "bm25": (bm25, lambda: BM25),
    "minilm": (_minilm, _minilm_words),
}


def load(argument: str, settings: Settings) -> Retrieval:
    """`retrieval[:tfidf|bm25|minilm][+emotion]`, out of the data set's own training split.

    Raises:
        ModelError: another method is asked for.
    """
    method, plus, emotion = argument.partition("+")
    method = method or "tfidf"
    if method not in _INDEXES or (plus and emotion != "emotion"):
        raise ModelError(
            f"--model retrieval:{argument} is not known; "
            "write retrieval, retrieval:bm25 or retrieval:minilm, with +emotion behind if wanted"
        )
    return Retrieval(method, bool(plus), settings)
