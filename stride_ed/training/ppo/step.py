"""One step of PPO: answer, reward, look back, update.

    prompts ─▶ answers ─▶ rewards ─┬▶ ln π_old, ln π_ref, V  ─▶ A, G ─▶ mini-batches ─▶ actor
                                   └ logged by part                                 └▶ critic

Whatever is drawn (tokens, mini-batches) follows from the seed and the number of the step, so that a
run that was killed and resumed goes on as if nothing had happened. Of several processes each
answers its share of the prompts; gradients and means are those of the whole.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ModelError
from harness.parallel import World
from harness.tuning.tokens import Tokens
from stride_ed.training.ppo.losses import (
    explained_variance,
    gae,
    policy_loss,
    token_rewards,
    value_loss,
    whiten,
)
from stride_ed.training.ppo.policy import Batch, Policy, batched
from stride_ed.training.ppo.rollout import Answer, Ended, uniforms, write
from stride_ed.training.questions import Judge, Prompt
from stride_ed.training.settings import PpoSettings

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["Learner", "make_learner", "take_step"]


@dataclass(frozen=True, slots=True)
class Learner:
    """Who learns, by what, how."""

    policy: Policy
    actor: Optimizer
    critic: Optimizer
    ended: Ended
    judge: Judge
    settings: PpoSettings
    world: World = World()  # noqa: RUF009 (frozen)


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of a batch's answers before the update, all [rows, answer]."""

    batch: Batch
    old: Tensor
    reference: Tensor
    values: Tensor
    scores: Tensor


def make_learner(
    policy: Policy, *, ended: Ended, judge: Judge, settings: PpoSettings, world: World
) -> Learner:
    """With new optimisers: AdamW without decay, at constant rates."""
    import torch

    def optimiser(weights: Mapping[str, Tensor], rate: float) -> Optimizer:
        for tensor in weights.values():
            tensor.requires_grad_(True)
        return torch.optim.AdamW(list(weights.values()), lr=rate, weight_decay=0.0)

    return Learner(
        policy=policy,
        actor=optimiser(policy.actor_weights(), settings.rate),
        critic=optimiser(policy.critic_weights(), settings.critic_rate),
        ended=ended,
        judge=judge,
        settings=settings,
        world=world,
    )


def take_step(
    learner: Learner, prompts: Sequence[Prompt], number: int, beta: float
) -> dict[str, float]:
    """Step `number` on `prompts`, the same in every process; what it was like, by name.

    Raises:
        ModelError: a loss or a gradient is no number any more.
    """
    began = time.monotonic()
    mine = learner.world.share(list(enumerate(prompts)))
    answers = _answer(learner, mine, number)
    parts = [
        learner.judge(prompt[0], _text(learner, answer))
        for (_, prompt), answer in zip(mine, answers, strict=True)
    ]
    wrote = time.monotonic()
    looks = _look_back(learner, [prompt for _, (_, prompt) in mine], answers, parts)
    targets = _targets(learner, looks, beta)
    found = _described(learner, answers, parts, looks, targets)
    places = _places(learner, mine)
    updates = _update(learner, looks, targets, places, len(prompts), number)
    ended = time.monotonic()
    tokens = learner.world.totals([sum(len(a.tokens) for a in answers)])[0]
    return {
        **found,
        **updates,
        "beta": beta,
        "tokens_per_second": tokens / (ended - began),
        "seconds/rollout": wrote - began,
        "seconds/update": ended - wrote,
    }


def _answer(learner: Learner, mine: Sequence[tuple[int, Prompt]], number: int) -> list[Answer]:
    settings, policy = learner.settings, learner.policy
    if not mine:
        return []
    drawn = [uniforms((settings.seed, number, place), settings.max_response) for place, _ in mine]
    with policy.acting() as actor:
        return write(
            actor,
            [tokens for _, (_, tokens) in mine],
            pad=policy.tokenizer.pad_token_id,
            most=settings.max_response,
            ended=learner.ended,
            temperature=settings.temperature,
            drawn=drawn,
        )


def _text(learner: Learner, answer: Answer) -> str:
    text: str = learner.policy.tokenizer.decode(answer.tokens, skip_special_tokens=True)
    return text


def _order(prompts: Sequence[Tokens], answers: Sequence[Answer]) -> list[int]:
    """Rows by length: micro-batches with little padding."""
    return sorted(
        range(len(prompts)), key=lambda row: (len(prompts[row]) + len(answers[row].tokens), row)
    )


def _look_back(
    learner: Learner,
    prompts: Sequence[Tokens],
    answers: Sequence[Answer],
    parts: Sequence[Mapping[str, float]],
) -> list[tuple[list[int], _Look]]:
    """Micro-batches as (rows, what is known of them)."""
    import torch

    policy, settings = learner.policy, learner.settings
    order, size = _order(prompts, answers), settings.micro_batch
    looks = []
    # What was drawn in float32 needs no second look; narrower types differ by batch and cache.
    trusted = next(policy.model.parameters()).dtype == torch.float32
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        batch = batched(
            [prompts[row] for row in rows],
            [answers[row].tokens for row in rows],
            pad=policy.tokenizer.pad_token_id,
            device=policy.device,
        )
        with torch.no_grad():
            with policy.referring() as model:
                reference, _ = policy.log_probabilities(
                    batch, model, temperature=settings.temperature
                )
            if trusted:
                old = torch.zeros_like(batch.mask)
                for place, row in enumerate(rows):
                    log_p = answers[row].log_p
                    old[place, old.shape[1] - len(log_p) :] = torch.tensor(log_p)
            else:
                with policy.acting() as model:
                    old, _ = policy.log_probabilities(
                        batch, model, temperature=settings.temperature
                    )
            values = policy.values(batch)
        scores = torch.tensor([parts[row]["reward"] for row in rows], device=policy.device)
        looks.append((rows, _Look(batch, old, reference, values, scores)))
    return looks


def _targets(
    learner: Learner, looks: Sequence[tuple[list[int], _Look]], beta: float
) -> list[tuple[Tensor, Tensor]]:
    """Whitened advantages and returns of every micro-batch."""
    import torch

    settings = learner.settings
    found = [
        gae(
            token_rewards(look.scores, look.old, look.reference, look.batch.mask, beta=beta),
            look.values,
            look.batch.mask,
            gamma=settings.gamma,
            lam=settings.lam,
        )
        for _, look in looks
    ]
    flat = torch.cat([a.flatten() for a, _ in found]) if found else torch.zeros(0)
    mask = torch.cat([look.batch.mask.flatten() for _, look in looks]) if found else flat
    white = whiten(flat, mask, world=learner.world)
    sizes = [a.numel() for a, _ in found]
    return [
        (part.view_as(advantages), returns)
        for part, (advantages, returns) in zip(white.split(sizes), found, strict=True)
    ]


def _places(learner: Learner, mine: Sequence[tuple[int, Prompt]]) -> list[int]:
    """Where in the whole batch each of this process's rows stands."""
    return [place for place, _ in mine]


def _described(
    learner: Learner,
    answers: Sequence[Answer],
    parts: Sequence[Mapping[str, float]],
    looks: Sequence[tuple[list[int], _Look]],
    targets: Sequence[tuple[Tensor, Tensor]],
) -> dict[str, float]:
    """Means over all answers: reward and its parts, length, ends; over tokens: KL."""
    import torch

    names = sorted(parts[0]) if parts else []
    sums = [sum(float(part[name]) for part in parts) for name in names]
    squares = sum(float(part["reward"]) ** 2 for part in parts)
    lengths = sum(len(answer.tokens) for answer in answers)
    moved = sum(float((look.old - look.reference).mul(look.batch.mask).sum()) for _, look in looks)
    totals = learner.world.totals(
        [*sums, squares, lengths, sum(a.ended for a in answers), moved, len(answers)]
    )
    *means, square, length, ended, kl, count = totals
    found = {name: value / count for name, value in zip(names, means, strict=True)}
    flat = [torch.cat([x.flatten() for x in column]) for column in (
        [look.values for _, look in looks], [returns for _, returns in targets],
        [look.batch.mask for _, look in looks],
    )] if looks else [torch.zeros(0)] * 3  # fmt: skip
    return {
        **found,
        "reward_deviation": math.sqrt(max(square / count - found["reward"] ** 2, 0.0)),
        "length": length / count,
        "ended": ended / count,
        "kl": kl / max(length, 1.0),
        "explained_variance": explained_variance(*flat, world=learner.world),
    }


def _update(
    learner: Learner,
    looks: Sequence[tuple[list[int], _Look]],
    targets: Sequence[tuple[Tensor, Tensor]],
    places: Sequence[int],
    whole: int,
    number: int,
) -> dict[str, float]:
    """Mini-batch updates of critic and actor; the means of what they found."""
    import numpy as np

    settings = learner.settings
    rng = np.random.default_rng([settings.seed, number, whole])
    found: dict[str, list[float]] = {}
    stopped = number < settings.critic_warm_up
    for _ in range(settings.ppo_epochs):
        order = rng.permutation(whole).tolist()
        for start in range(0, whole, settings.mini_batch):
            chosen = set(order[start : start + settings.mini_batch])
            picked = [
                (look, *target, [places[row] in chosen for row in rows])
                for (rows, look), target in zip(looks, targets, strict=True)
            ]
            stats = _critic_update(learner, picked)
            if not stopped:
                stats |= _actor_update(learner, picked)
                stopped = stats["moved"] > settings.kl_stop
            for name, value in stats.items():
                found.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in found.items()} | {
        "updates": float(len(found.get("loss/policy", [])))
    }


_Picked = tuple[_Look, "Tensor", "Tensor", list[bool]]


def _rows(picked: Sequence[_Picked]) -> list[tuple[Batch, list[Tensor]]]:
    """Each micro-batch cut down to the chosen rows: its batch, and old, A, G, V of them."""
    import torch

    cut = []
    for look, advantages, returns, chosen in picked:
        rows = torch.tensor([place for place, yes in enumerate(chosen) if yes])
        if not len(rows):
            continue
        rows = rows.to(look.old.device)
        batch = look.batch
        part = Batch(batch.tokens[rows], batch.attention[rows], batch.answers[rows],
                     batch.mask[rows])  # fmt: skip
        cut.append((part, [x[rows] for x in (look.old, advantages, returns, look.values)]))
    return cut


def _actor_update(learner: Learner, picked: Sequence[_Picked]) -> dict[str, float]:
    policy, settings = learner.policy, learner.settings
    parts = _rows(picked)
    (count,) = learner.world.totals([sum(float(batch.mask.sum()) for batch, _ in parts)])
    sums = [0.0] * 4
    learner.actor.zero_grad(set_to_none=True)
    with policy.acting() as actor:
        for batch, (old, advantages, _, _) in parts:
            new, entropy = policy.log_probabilities(batch, actor, temperature=settings.temperature)
            found = policy_loss(new, old, advantages, batch.mask, clip=settings.clip)
            (found.loss / count).backward()
            for place, value in enumerate((found.loss, found.moved, found.clipped, entropy.sum())):
                sums[place] += float(value.detach())
    norm = _descend(learner, learner.actor, policy.actor_weights())
    loss, moved, clipped, entropy_sum = learner.world.totals(sums)
    return _finite(
        {
            "loss/policy": loss / count,
            "moved": moved / count,
            "clip_fraction": clipped / count,
            "entropy": entropy_sum / count,
            "gradient/policy": norm,
        }
    )


def _critic_update(learner: Learner, picked: Sequence[_Picked]) -> dict[str, float]:
    policy, settings = learner.policy, learner.settings
    parts = _rows(picked)
    (count,) = learner.world.totals([sum(float(batch.mask.sum()) for batch, _ in parts)])
    total = 0.0
    learner.critic.zero_grad(set_to_none=True)
    for batch, (_, _, returns, old) in parts:
        loss = value_loss(policy.values(batch), old, returns, batch.mask, clip=settings.value_clip)
        (loss / count).backward()
        total += float(loss.detach())
    norm = _descend(learner, learner.critic, policy.critic_weights())
    (total,) = learner.world.totals([total])
    return _finite({"loss/value": total / count, "gradient/value": norm})


def _descend(learner: Learner, optimiser: Optimizer, weights: Mapping[str, Tensor]) -> float:
    """One step down the gradients summed over processes, cut to the norm allowed; the norm."""
    import torch

    learner.world.sum_gradients(list(weights.values()))
    norm = float(torch.nn.utils.clip_grad_norm_(weights.values(), learner.settings.max_grad_norm))
    if math.isfinite(norm):
        optimiser.step()
    return norm


def _finite(found: dict[str, float]) -> dict[str, float]:
    for name, value in found.items():
        if not math.isfinite(value):
            raise ModelError(f"{name} is {value}")
    return found
