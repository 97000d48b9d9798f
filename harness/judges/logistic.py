"""Logistic regression of preferences, fitted to many sets of weights at once by Newton's method.

    ℓ(b) = Σ_i w_i [y_i log σ(x_i·b) + (1 − y_i) log(1 − σ(x_i·b))] − λ|b|²/2

y in [0, 1] (a tie is ½: half a win, half a loss). Each row of weights is a resample. The ridge λ is
there so that a system that always wins has a finite strength; with λ = .01 it takes .04/n off the
size of a strength that n even games tell. It also makes strengths sum to 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import EmpathyBenchError

if TYPE_CHECKING:
    from harness.metrics.contract import FloatArray

__all__ = ["RIDGE", "fit", "sigmoid"]

RIDGE = 0.01
_STEPS = 200
# No coefficient moves further at once: from far away Newton's step overshoots.
_LONGEST = 2.0
_SETTLED = 1e-9


def sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + e^−x), without overflow."""
    from scipy.special import expit

    found: FloatArray = expit(x)
    return found


def fit(
    x: FloatArray,
    y: FloatArray,
    weights: FloatArray,
    *,
    start: FloatArray | None = None,
    offset: FloatArray | None = None,
    ridge: float = RIDGE,
) -> FloatArray:
    """(R, p) coefficients of x (n, p) and y (n,) for each row of weights (R, n).

    `start` (p,) is where to begin; `offset` (R, n) is added to x·b as it is.

    Raises:
        EmpathyBenchError: a fit has not settled.
    """
    rows, p = len(weights), x.shape[1]
    upper = np.triu_indices(p)
    # x_i x_i' for every i, its upper half: second derivatives are then one product.
    squares = x[:, upper[0]] * x[:, upper[1]]
    b = np.zeros((rows, p)) if start is None else np.tile(start, (rows, 1))
    hessian = np.empty((rows, p, p))
    for _ in range(_STEPS):
        chance = sigmoid(b @ x.T if offset is None else b @ x.T + offset)
        gradient = (weights * (y - chance)) @ x - ridge * b
        second = (weights * chance * (1 - chance)) @ squares
        hessian[:, upper[0], upper[1]] = second
        hessian[:, upper[1], upper[0]] = second
        hessian[:, range(p), range(p)] += ridge
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        longest = np.abs(step).max(1, initial=0.0)
        b += step * (_LONGEST / np.maximum(longest, _LONGEST))[:, None]
        if longest.max(initial=0.0) < _SETTLED:
            return b
    raise EmpathyBenchError(f"a logistic regression has not settled in {_STEPS} steps")
