"""The equations of PPO as functions of tensors [rows, tokens]; `mask` is 1 where a token counts.

Answers stand at the right edge: a row's last column is the last token it wrote. Sums, not means,
are returned, so that micro-batches and processes add up to the same update.

    r_t  = −β (ln π_old(a_t) − ln π_ref(a_t)) + [t = T] R          token rewards, KL penalty
    δ_t  = r_t + γ V(s_{t+1}) − V(s_t),  V(s_{T+1}) = 0
    A_t  = Σ_k (γλ)^k δ_{t+k}                                      GAE, Schulman et al. 2016, eq. 16
    G_t  = A_t + V(s_t)
    L_π  = −min(ρ_t A_t, clip(ρ_t, 1−ε, 1+ε) A_t),  ρ_t = π/π_old   Schulman et al. 2017, eq. 7
    L_V  = ½ max((V − G)², (clip(V, V_old ± ε_V) − G)²)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.parallel import World

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ROUNDING",
    "PolicyLoss",
    "explained_variance",
    "gae",
    "kl_estimate",
    "policy_loss",
    "steered",
    "token_rewards",
    "value_loss",
    "whiten",
]


# Log-probabilities of one token under one model differ by less than this, in nats, whichever way
# they were computed. So small a gap is no KL; rewarding it would teach noise, which Adam scales up.
ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """Sums over tokens: the loss, how far the policy moved (nats), how many ratios were clipped."""

    loss: Tensor
    moved: Tensor
    clipped: Tensor


def token_rewards(
    scores: Tensor, old: Tensor, reference: Tensor, mask: Tensor, *, beta: float
) -> Tensor:
    """r_t from `scores` [rows] and log-probabilities [rows, tokens]."""
    gap = (old - reference) * mask
    rewards = -beta * gap * (gap.abs() > ROUNDING)
    rewards[:, -1] += scores
    return rewards


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Advantages A_t and returns G_t, zero where `mask` is."""
    import torch

    values = values * mask
    advantages = torch.zeros_like(rewards)
    after = torch.zeros_like(rewards[:, 0])
    value_after = torch.zeros_like(after)
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * value_after - values[:, t]
        after = (delta + gamma * lam * after) * mask[:, t]
        advantages[:, t] = after
        value_after = values[:, t]
    return advantages, (advantages + values) * mask


def whiten(values: Tensor, mask: Tensor, *, world: World) -> Tensor:
    """`values` with mean 0 and variance 1 over all counted tokens of all processes."""
    count, total = world.totals([float(mask.sum()), float((values * mask).sum())])
    mean = total / max(count, 1.0)
    (squares,) = world.totals([float((((values - mean) ** 2) * mask).sum())])
    deviation = (squares / max(count - 1.0, 1.0)) ** 0.5
    return (values - mean) / (deviation + 1e-8) * mask


def kl_estimate(new: Tensor, other: Tensor) -> Tensor:
    """Schulman's k3 estimate of KL(new ‖ other) at tokens drawn from `new`; never below 0."""
    ratio = other - new
    return ratio.exp() - 1 - ratio


def policy_loss(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, *, clip: float
) -> PolicyLoss:
    """L_π summed over tokens."""
    import torch

    # Nothing finite is left of a ratio beyond e^20; the clip decides there anyway.
    ratio = (new - old).clamp(-20, 20).exp()
    plain, held = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    moved = kl_estimate(old, new).detach()
    return PolicyLoss(
        loss=(torch.maximum(plain, held) * mask).sum(),
        moved=(moved * mask).sum(),
        clipped=((held > plain) * mask).sum(),
    )


def value_loss(new: Tensor, old: Tensor, returns: Tensor, mask: Tensor, *, clip: float) -> Tensor:
    """L_V summed over tokens."""
    import torch

    held = old + (new - old).clamp(-clip, clip)
    worst = torch.maximum((new - returns) ** 2, (held - returns) ** 2)
    return 0.5 * (worst * mask).sum()


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor, *, world: World) -> float:
    """1 − Var(G − V) / Var(G) over all counted tokens; 0 where returns do not vary."""
    found = {}
    for name, numbers in (("error", returns - values), ("returns", returns)):
        count, total = world.totals([float(mask.sum()), float((numbers * mask).sum())])
        mean = total / max(count, 1.0)
        (found[name],) = world.totals([float((((numbers - mean) ** 2) * mask).sum())])
    return 1 - found["error"] / found["returns"] if found["returns"] > 1e-12 else 0.0


def steered(beta: float, kl: float, *, target: float | None, answers: int, horizon: int) -> float:
    """β after a step that found `kl`, steered towards `target` (Ziegler et al. 2019, 2.2)."""
    if target is None:
        return beta
    error = min(max(kl / target - 1, -0.2), 0.2)
    return beta * (1 + error * answers / horizon)
