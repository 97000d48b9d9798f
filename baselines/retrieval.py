"""Retrieval: the answer that a person gave in the most similar training context.

Contexts are compared by the cosine of TF-IDF vectors over words and word pairs (scikit-learn's
vectoriser with sublinear term counts), the last speaker turn counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baselines.answers import answer, chunks, training_examples
from harness.dialogue import Example
from harness.errors import ModelError
from harness.models import Question, Settings
from harness.predictions import Prediction
from harness.tasks import Task

__all__ = ["Retrieval", "load"]


@dataclass(frozen=True)
class Retrieval:
    """Nearest training context by TF-IDF; one index per task's training set, built once."""

    settings: Settings
    _indexes: dict[str, tuple[Any, Any, tuple[Example, ...]]] = field(
        default_factory=dict, repr=False
    )

    @property
    def card(self) -> Mapping[str, Any]:
        return {"name": "Retrieval (TF-IDF)", "kind": "baseline"}

    def generation(self, task: Task) -> Mapping[str, Any]:
        return {
            "method": "retrieval",
            "vectors": "tf-idf 1-2-gram sublinear",
            "from": task.train_set,
        }

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        return chunks(questions)

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        vectorizer, matrix, examples = self._index(task)
        queries = vectorizer.transform([_query(question.example) for question in batch])
        similarity = (queries @ matrix.T).toarray()  # [batch, training examples]
        nearest = similarity.argmax(axis=1)
        return [
            answer(task, question, task.gold(examples[index]))
            for question, index in zip(batch, nearest, strict=True)
        ]

    def _index(self, task: Task) -> tuple[Any, Any, tuple[Example, ...]]:
        if task.train_set not in self._indexes:
            from sklearn.feature_extraction.text import TfidfVectorizer

            examples = training_examples(task, self.settings)
            vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
            matrix = vectorizer.fit_transform([_query(example) for example in examples])
            self._indexes[task.train_set] = (vectorizer, matrix, examples)
        return self._indexes[task.train_set]


def _query(example: Example) -> str:
    spoken = [turn.text for turn in example.context]
    last = next((turn.text for turn in reversed(example.context) if turn.role == "speaker"), "")
    return " ".join([*spoken, last])


def load(argument: str, settings: Settings) -> Retrieval:
    """`retrieval`: out of the data set's own training split."""
    if argument:
        raise ModelError(f"--model retrieval takes no argument, found {argument!r}")
    return Retrieval(settings)
