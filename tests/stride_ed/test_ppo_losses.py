"""PPO's equations against numbers worked by hand and against naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.parallel import World
from stride_ed.training.ppo.losses import (
    explained_variance,
    gae,
    kl_estimate,
    policy_loss,
    steered,
    token_rewards,
    value_loss,
    whiten,
)

ALONE = World()


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def test_token_rewards_are_the_kl_penalty_and_the_score_at_the_end() -> None:
    old, reference = row(-1.0, -2.0, -0.5), row(-1.5, -1.0, -0.5)
    found = token_rewards(torch.tensor([2.0]), old, reference, row(1, 1, 1), beta=0.1)
    # −.1 · (.5, −1, 0), and 2 on the last.
    assert found.tolist()[0] == pytest.approx([-0.05, 0.1, 2.0])


def test_a_gap_of_rounding_is_no_kl() -> None:
    found = token_rewards(
        torch.tensor([0.0]), row(-1.00005, -1.0), row(-1.0, -1.0002), row(1, 1), beta=1.0
    )
    assert found.tolist()[0] == pytest.approx([0.0, -0.0002], abs=1e-9)


def test_gae_by_hand() -> None:
    # γ = .9, λ = .8; r = (0, 0, 1), V = (.5, .4, .2).
    # δ3 = 1 − .2 = .8; δ2 = .9·.2 − .4 = −.22; δ1 = .9·.4 − .5 = −.14.
    # A3 = .8; A2 = −.22 + .72·.8 = .356; A1 = −.14 + .72·.356 = .11632.
    advantages, returns = gae(row(0, 0, 1), row(0.5, 0.4, 0.2), row(1, 1, 1), gamma=0.9, lam=0.8)
    assert advantages.tolist()[0] == pytest.approx([0.11632, 0.356, 0.8])
    assert returns.tolist()[0] == pytest.approx([0.61632, 0.756, 1.0])


def naive_gae(r: list[float], v: list[float], gamma: float, lam: float) -> list[float]:
    """Equation 16 of Schulman et al. 2016, as a double sum."""
    deltas = [r[t] + gamma * (v[t + 1] if t + 1 < len(v) else 0.0) - v[t] for t in range(len(r))]
    return [
        sum((gamma * lam) ** k * deltas[t + k] for k in range(len(r) - t)) for t in range(len(r))
    ]


numbers = st.floats(-3, 3, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=6), min_size=1, max_size=4),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_gae_of_padded_rows_is_that_of_each_alone(
    rows: list[list[tuple[float, float]]], gamma: float, lam: float
) -> None:
    width = max(map(len, rows))
    rewards, values, mask = (torch.zeros(len(rows), width, dtype=torch.float64) for _ in "rvm")
    values += 9.0  # what stands at padding must not matter
    for n, pairs in enumerate(rows):
        for t, (r, v) in enumerate(pairs, start=width - len(pairs)):
            rewards[n, t], values[n, t], mask[n, t] = r, v, 1.0
    advantages, returns = gae(rewards, values, mask, gamma=gamma, lam=lam)
    for n, pairs in enumerate(rows):
        expected = naive_gae([r for r, _ in pairs], [v for _, v in pairs], gamma, lam)
        assert advantages[n, width - len(pairs) :].tolist() == pytest.approx(expected, abs=1e-9)
        assert advantages[n, : width - len(pairs)].abs().sum() == 0
        assert returns[n, : width - len(pairs)].abs().sum() == 0


def test_with_lambda_and_gamma_one_the_return_is_what_is_left_to_come() -> None:
    rewards = row(0.1, 0.2, 2.0)
    _, returns = gae(rewards, row(5, -1, 3), row(1, 1, 1), gamma=1, lam=1)
    assert returns.tolist()[0] == pytest.approx([2.3, 2.2, 2.0])


def test_whitened_over_counted_tokens_only() -> None:
    values, mask = row(100.0, 1.0, 2.0, 3.0), row(0, 1, 1, 1)
    found = whiten(values, mask, world=ALONE)
    # Mean 2, variance 1 with n − 1.
    assert found.tolist()[0] == pytest.approx([0, -1, 0, 1], abs=1e-6)
    assert whiten(row(4.0, 4.0), row(1, 1), world=ALONE).abs().sum() == 0
    assert torch.isfinite(whiten(row(4.0), row(1), world=ALONE)).all()


def test_the_policy_loss_by_hand() -> None:
    # Ratios e^.5 = 1.6487 and e^−.5 = .6065, ε = .2.
    old, new = row(-1, -1, -1, -1), row(-0.5, -0.5, -1.5, -1.5)
    advantages = row(1, -1, 1, -1)
    found = policy_loss(new, old, advantages, row(1, 1, 1, 1), clip=0.2)
    # A = 1: −min(1.6487, 1.2) = −1.2, and −min(.6065, .8) = −.6065.
    # A = −1: max(1.6487, 1.2) = 1.6487, and max(.6065, .8) = .8.
    assert float(found.loss) == pytest.approx(-1.2 + 1.648721 - 0.606531 + 0.8, abs=1e-6)
    assert float(found.clipped) == 2
    # k3 at tokens of the old policy: e^d − 1 − d with d = new − old.
    moved = 2 * (math.exp(0.5) - 1 - 0.5) + 2 * (math.exp(-0.5) - 1 + 0.5)
    assert float(found.moved) == pytest.approx(moved)


def test_clipped_ratios_give_no_gradient() -> None:
    new = row(-0.5, -1.5).requires_grad_(True)
    policy_loss(new, row(-1, -1), row(1, 1), row(1, 1), clip=0.2).loss.backward()
    # The first is clipped; the second's gradient is −ratio.
    assert new.grad is not None
    assert new.grad.tolist()[0] == pytest.approx([0.0, -math.exp(-0.5)])


def test_the_value_loss_by_hand() -> None:
    # V 1 → held at .5 for V_old 0, ε .5: max((1 − 2)², (.5 − 2)²) = 2.25; within: (.2 − 1)² = .64.
    found = value_loss(row(1.0, 0.2), row(0.0, 0.0), row(2.0, 1.0), row(1, 1), clip=0.5)
    assert float(found) == pytest.approx(0.5 * (2.25 + 0.64))
    masked = value_loss(row(1.0, 0.2), row(0.0, 0.0), row(2.0, 1.0), row(1, 0), clip=0.5)
    assert float(masked) == pytest.approx(0.5 * 2.25)


def test_the_kl_estimate_has_the_mean_of_the_kl() -> None:
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.3, 0.3, 0.4])
    each = kl_estimate(torch.tensor(np.log(p)), torch.tensor(np.log(q))).numpy()
    assert float((p * each).sum()) == pytest.approx(float((p * np.log(p / q)).sum()))
    assert (each >= 0).all()


def test_explained_variance() -> None:
    returns, mask = row(1, 2, 3, 50), row(1, 1, 1, 0)
    assert explained_variance(returns, returns, mask, world=ALONE) == 1.0
    assert explained_variance(row(2, 2, 2, 0), returns, mask, world=ALONE) == pytest.approx(0.0)
    assert explained_variance(row(3, 2, 1, 0), returns, mask, world=ALONE) == pytest.approx(-3.0)
    assert explained_variance(returns, row(1, 1, 1, 1), mask, world=ALONE) == 0.0


def test_beta_is_steered_towards_its_target() -> None:
    # Ziegler et al. 2019, 2.2: e = clip(KL / target − 1, ±.2), β ← β (1 + e · n / horizon).
    assert steered(0.1, 9.0, target=None, answers=64, horizon=100) == 0.1
    assert steered(0.1, 9.0, target=6.0, answers=50, horizon=100) == pytest.approx(0.11)
    assert steered(0.1, 5.7, target=6.0, answers=50, horizon=100) == pytest.approx(0.0975)
    assert steered(0.1, 0.0, target=6.0, answers=50, horizon=100) == pytest.approx(0.09)
