"""Logistic regression on vectors of frozen sentences: the cheap classifier, without a GPU.

examples ─▶ turns' vectors (kept in the user's cache) ─▶ (n, k) features
         ─▶ for each C: multinomial logistic regression (scikit-learn, lbfgs) ─▶ validation
         ─▶ model.safetensors: weight (L, k), bias (L) of the C with the best macro-F1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from baselines.classifiers.contexts import context_features
from baselines.classifiers.scores import measure
from harness import checkpoint
from harness.checkpoint import Step
from harness.metrics.neural.kept import kept_vectors
from harness.metrics.neural.model_files import ModelFiles
from harness.regression import fit_regression
from harness.training_log import TrainingLog

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from baselines.classifiers.rows import Rows
    from baselines.classifiers.settings import Settings
    from harness.dialogue import Example

__all__ = ["features", "fit_linear"]


def features(
    examples: Sequence[Example], files: ModelFiles, *, history: bool, keep: bool = False
) -> NDArray[Any]:
    """(n, k) float64, see baselines.classifiers.contexts; `keep` puts vectors in the cache."""
    from harness.metrics.neural.sentences import load_sentence_encoder
    from harness.metrics.neural.vectors import VectorCache

    encoder = load_sentence_encoder(files)

    def vectors(texts: Sequence[str]) -> NDArray[Any]:
        # A cache of its own: which texts are encoded side by side moves a vector's last digit, and
        # must follow from the examples alone for a resumed run to answer what a whole one did.
        cache = VectorCache(
            width=encoder.encoder.width,
            capacity=min(2 * len(texts), encoder.cache.capacity),
            device=encoder.encoder.device,
        )
        found: NDArray[Any] = replace(encoder, cache=cache).vectors(texts)
        return found

    if not keep:
        return context_features(examples, vectors, history=history)
    name = f"{files.name}@{files.weights}.{files.setup}"
    return context_features(
        examples, lambda texts: kept_vectors(texts, vectors, model=name), history=history
    )


def fit_linear(
    learn: Rows,
    stop_by: Rows,
    folder: Path,
    *,
    settings: Settings,
    files: ModelFiles,
    log: TrainingLog,
    show: Callable[[Step], None],
) -> dict[str, Any]:
    """Fit once per C and keep the best; how it went.

    Raises:
        StorageError: `folder` cannot be written.
    """
    import numpy as np
    import torch

    x, held_out = (
        features(rows.examples, files, history=settings.history, keep=True)
        for rows in (learn, stop_by)
    )
    log.rewind(0)
    best: dict[str, Any] = {}
    for number, cost in enumerate(settings.costs, start=1):
        model = fit_regression(x, learn.gold, cost=cost, balanced=settings.balanced)
        guesses = np.array(model.labels)[model.log_probabilities(held_out).argmax(-1)]
        found = measure(stop_by.gold, guesses, len(learn.labels))
        log.record(number, {"C": cost} | {f"valid/{name}": v for name, v in found.items()})
        if not best or found["macro_f1"] > best["validation"]["macro_f1"]:
            best = {"best_step": number, "C": cost, "validation": found}
            tensors = {
                "weight": torch.from_numpy(model.weight),
                "bias": torch.from_numpy(model.bias),
            }
            checkpoint.save(folder / checkpoint.BEST, tensors, {"C": cost})
        show(
            Step(
                stage="logistic regression",
                done=number,
                total=len(settings.costs),
                best=f"macro-F1 {best['validation']['macro_f1']:.1f} at C {best['C']:g}",
            )
        )
    return best | {"steps": len(settings.costs), "parameters": model.weight.size + model.bias.size}
