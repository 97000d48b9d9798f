"""Multinomial logistic regression, as arrays that can be kept, hashed and read without pickle."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Regression", "fit_regression"]


@dataclass(frozen=True)
class Regression:
    """Softmax of `weight` (L, k) · x + `bias` (L) over `labels` (L), sorted."""

    labels: tuple[Any, ...]
    weight: NDArray[Any]
    bias: NDArray[Any]

    @property
    def identity(self) -> str:
        """Sixteen digits that tell these weights from others."""
        parts = (str(self.labels).encode(), self.weight.tobytes(), self.bias.tobytes())
        return hashlib.sha256(b"".join(parts)).hexdigest()[:16]

    def log_probabilities(self, x: Any) -> NDArray[Any]:
        """(n, k), dense or sparse → (n, L)."""
        from scipy.special import log_softmax

        found: NDArray[Any] = log_softmax(x @ self.weight.T + self.bias, axis=-1)
        return found


def fit_regression(
    x: Any,
    gold: Sequence[Any] | NDArray[Any],
    *,
    cost: float,
    balanced: bool = False,
    iterations: int = 1000,
) -> Regression:
    """Fit (n, k), dense or sparse, to n labels of two kinds or more (scikit-learn, lbfgs).

    `cost` is the inverse strength C of the L2 penalty; `balanced` weights labels by their inverse
    frequency.
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=cost, max_iter=iterations, class_weight="balanced" if balanced else None
    )
    with warnings.catch_warnings():
        # A fit that has not fully converged is judged by validation like any other.
        warnings.simplefilter("ignore")
        model.fit(x, gold)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two labels scikit-learn keeps the second's log-odds
        weight = np.concatenate([np.zeros_like(weight), weight])
        bias = np.concatenate([np.zeros_like(bias), bias])
    return Regression(
        labels=tuple(model.classes_.tolist()),
        weight=np.ascontiguousarray(weight),
        bias=np.ascontiguousarray(bias),
    )
