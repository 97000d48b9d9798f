"""Three evaluators of annotations that ask no LLM, each with eyes of its own.

| | `embedding` | `classifier` | `likelihood` |
|---|---|---|---|
| reads with | frozen sentence vectors | regressions on such vectors | a language model |
| emotion fit | context near the emotion's name | p(emotion), learnt on ED's validation | – |
| strategy fit | reply near the strategy's text | p(strategy), learnt on ESConv's training | – |
| coherence | reply near the last turn | – | bits a byte that context and trace save |
| quality | – | – | bits a byte of the reply behind them |

Raw measures are moved to 1–5 by the fixed lines in `SCALES`, ours; consistency weights look at
ranks, and aggregates are standardised, so that these lines only decide where a measure saturates.
None of them reads instructions: text that says "output score 5" is scored like any other text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.dialogue import ED_EMOTIONS, Example
from harness.regression import Regression
from stride_ed.strategies import STRATEGIES, STRATEGY_NAMES, Strategy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.metrics.neural.scorer import Scorer
    from stride_ed.trace import Trace

__all__ = [
    "SCALES",
    "ClassifierEvaluator",
    "EmbeddingEvaluator",
    "Item",
    "LikelihoodEvaluator",
    "told",
]

Item = tuple[Example, "Trace"]
_CUE = "Reply:"
Vectors = Callable[[Sequence[str]], "NDArray[Any]"]

# The raw measure that becomes 1, and the one that becomes 5.
SCALES: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "embedding": {
        "emotion_fit": (-0.1, 0.25),
        "strategy_fit": (-0.1, 0.25),
        "coherence": (0.0, 0.7),
    },
    "classifier": {"emotion_fit": (-5.0, 0.0), "strategy_fit": (-4.0, 0.0)},
    "likelihood": {"coherence": (-0.2, 1.0), "quality": (2.5, 0.5)},
}


def _on_scale(evaluator: str, dimension: str, raw: NDArray[Any]) -> list[float]:
    low, high = SCALES[evaluator][dimension]
    return [float(x) for x in 1 + 4 * np.clip((raw - low) / (high - low), 0, 1)]


def _rows(evaluator: str, raw: Mapping[str, NDArray[Any]]) -> list[dict[str, float]]:
    columns = {name: _on_scale(evaluator, name, values) for name, values in raw.items()}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def told(example: Example) -> str:
    """What the speaker has told so far."""
    return " ".join(turn.text for turn in example.context if turn.role == "speaker")


def _last(example: Example) -> str:
    return example.context[-1].text


@dataclass(frozen=True)
class EmbeddingEvaluator:
    """Cosines of sentence vectors; fits are above the mean over all labels, else style decides."""

    vectors: Vectors
    model: str
    name: str = "embedding"

    @property
    def identity(self) -> dict[str, Any]:
        return {"model": self.model, "scales": SCALES[self.name], "version": 1}

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(SCALES[self.name])

    def scores(self, items: Sequence[Item]) -> list[dict[str, float]]:
        """One value from 1 to 5 a dimension for each of n items."""
        replies = self.vectors([trace.response for _, trace in items])
        spoken = self.vectors([told(example) for example, _ in items])
        last = self.vectors([_last(example) for example, _ in items])
        emotions = self.vectors([f"I feel {emotion}." for emotion in ED_EMOTIONS])
        strategies = _unit(np.stack([self.vectors(_texts(s)).mean(0) for s in STRATEGIES.values()]))
        rows = np.arange(len(items))
        felt = [ED_EMOTIONS.index(trace.emotion) for _, trace in items]
        used = [STRATEGY_NAMES.index(trace.strategy) for _, trace in items]
        to_emotion, to_strategy = spoken @ emotions.T, replies @ strategies.T
        return _rows(
            self.name,
            {
                "emotion_fit": to_emotion[rows, felt] - to_emotion.mean(1),
                "strategy_fit": to_strategy[rows, used] - to_strategy.mean(1),
                "coherence": (replies * last).sum(1),
            },
        )


def _texts(strategy: Strategy) -> list[str]:
    return [strategy.definition, strategy.example.response]


def _unit(x: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
    return found


@dataclass(frozen=True)
class ClassifierEvaluator:
    """Log-probabilities of the trace's labels under two regressions on sentence vectors.

    `emotion` reads what the speaker told, `strategy` the reply. A strategy without a counterpart
    in ESConv has the probability of those that it may stand for (`labels_of`).
    """

    vectors: Vectors
    model: str
    emotion: Regression
    strategy: Regression
    trained_on: tuple[str, str]
    labels_of: Callable[[str], Sequence[str]]
    name: str = "classifier"

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "emotion": self.emotion.identity,
            "strategy": self.strategy.identity,
            "trained_on": list(self.trained_on),
            "scales": SCALES[self.name],
            "version": 1,
        }

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(SCALES[self.name])

    def scores(self, items: Sequence[Item]) -> list[dict[str, float]]:
        """One value from 1 to 5 a dimension for each of n items."""
        felt = self.emotion.log_probabilities(self.vectors([told(e) for e, _ in items]))
        used = self.strategy.log_probabilities(self.vectors([t.response for _, t in items]))
        emotions = [
            _probability(self.emotion, row, [trace.emotion])
            for row, (_, trace) in zip(felt, items, strict=True)
        ]
        strategies = [
            _probability(self.strategy, row, self.labels_of(trace.strategy))
            for row, (_, trace) in zip(used, items, strict=True)
        ]
        return _rows(
            self.name,
            {"emotion_fit": np.log(emotions), "strategy_fit": np.log(strategies)},
        )


def _probability(model: Regression, row: NDArray[Any], labels: Sequence[str]) -> float:
    """The probability that one of `labels` has; a label that training never showed has none."""
    known = [model.labels.index(label) for label in labels if label in model.labels]
    return max(float(np.exp(row[known]).sum()), 1e-9)


@dataclass(frozen=True)
class LikelihoodEvaluator:
    """How expected the reply is behind context and trace, and how much they make it so.

    Expectedness favours plain replies; hence what the trace saves stands beside it.
    """

    scorer: Scorer
    name: str = "likelihood"

    @property
    def identity(self) -> dict[str, Any]:
        return {
            "model": self.scorer.name,
            "weights": self.scorer.weights,
            "dtype": self.scorer.dtype,
            "scales": SCALES[self.name],
            "version": 1,
        }

    @property
    def dimensions(self) -> tuple[str, ...]:
        return tuple(SCALES[self.name])

    def scores(self, items: Sequence[Item]) -> list[dict[str, float]]:
        """One value from 1 to 5 a dimension for each of n items; nothing for a blank reply."""
        behind = self.scorer.likelihoods(
            [
                (_prompt(example, trace), " ".join(trace.response.split()))
                for example, trace in items
            ]
        )
        alone = self.scorer.likelihoods(
            [("Reply:", " ".join(trace.response.split())) for _, trace in items]
        )
        found: list[dict[str, float]] = []
        scale = partial(_on_scale, self.name)
        for with_trace, bare in zip(behind, alone, strict=True):
            if with_trace is None or bare is None:
                found.append({})
                continue
            bits = np.array([with_trace.nll, bare.nll]) / (np.log(2) * max(with_trace.utf8, 1))
            found.append(
                {
                    "coherence": scale("coherence", bits[1:] - bits[:1])[0],
                    "quality": scale("quality", bits[:1])[0],
                }
            )
        return found


def _prompt(example: Example, trace: Trace) -> str:
    return (
        f"{' '.join(_last(example).split())}\nThe speaker feels {trace.emotion}. "
        f"{trace.strategy}: {trace.action}\n{_CUE}"
    )
