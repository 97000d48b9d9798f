"""One update of the weights, and what is measured on the held-out side.

L = word loss (mean over words) + Σ terms (each a mean over what it counts); EmpDG's second stage
adds its critics'. All draws of a step follow from the seed and the step's number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from baselines.neural.adversarial import evidence
from baselines.neural.architecture import Draw
from baselines.neural.batches import Batch, Encoded, collate, sorted_batches
from baselines.neural.settings import Settings
from baselines.neural.vocabulary import PAD
from harness.errors import ModelError
from harness.parallel import World

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.adversarial import Critics
    from baselines.neural.architecture import Architecture, Memory

__all__ = ["Learner", "learning_rate", "update", "validate", "word_loss", "word_scores"]

# The critics' own, as in the published code.
_CRITIC_RATE, _CRITIC_CLIP = 1e-4, 5.0


@dataclass(frozen=True, slots=True)
class Learner:
    """A model and what changes it. `critics` and their word vectors are of EmpDG's second stage."""

    model: Architecture
    optimizer: torch.optim.Adam
    settings: Settings
    device: str
    world: World
    critics: Critics | None = None
    critic_optimizer: torch.optim.Adam | None = None
    vectors: Tensor | None = None

    @classmethod
    def of(cls, model: Architecture, settings: Settings, device: str, world: World) -> Learner:
        """With fresh optimisers, and critics where the settings give them a weight."""
        optimizer = torch.optim.Adam(
            model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-9, fused=True
        )
        if not settings.adversarial:
            return cls(model, optimizer, settings, device, world)
        from baselines.neural.adversarial import Critics

        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            critics = Critics(settings.width).to(device)
        own = torch.optim.Adam(critics.parameters(), lr=_CRITIC_RATE, betas=(0.5, 0.9), fused=True)
        vectors = model.embedding.words.weight.detach().clone()
        return cls(model, optimizer, settings, device, world, critics, own, vectors)


def learning_rate(step: int, settings: Settings) -> float:
    """That of step 1, 2, …: Noam's (Vaswani et al. 2017, eq. 3) or constant."""
    if settings.schedule == "constant":
        return settings.rate
    slope = float(min(step**-0.5, step * settings.warm_up**-1.5))
    return settings.rate * float(settings.width**-0.5) * slope


def word_scores(model: Architecture, memory: Memory, batch: Batch) -> tuple[Tensor, Tensor]:
    """Scores (N, V) of the batch's words and ends, padding left out; the right ones (N,)."""
    wanted = batch.target != PAD
    return model.logits(memory, batch.shifted, wanted).float(), batch.target[wanted]


def word_loss(
    model: Architecture, memory: Memory, batch: Batch, *, smoothing: float = 0.0
) -> tuple[Tensor, int]:
    """Label-smoothed -ln p summed over the replies' words and ends; how many there are."""
    scores, target = word_scores(model, memory, batch)
    loss = functional.cross_entropy(scores, target, label_smoothing=smoothing, reduction="sum")
    return loss, len(target)


def update(learner: Learner, rows: Sequence[Encoded], step: int, *, folder: Path) -> float:
    """Learn from a batch, of which this process reads its share; the batch's mean word loss.

    Raises:
        ModelError: the loss is no number; `folder` is where the last good state is.
    """
    model, settings, world = learner.model, learner.settings, learner.world
    # A batch smaller than the number of processes gives some a row of the others, at weight 0.
    mine = world.share(rows)
    batch = collate(mine or rows[:1]).to(learner.device)
    weight = 1.0 if mine else 0.0
    model.train()
    seed = settings.seed * 1_000_003 + step
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        with _autocast(learner.device):
            draws = torch.Generator().manual_seed(seed)
            memory = model.encode(batch, draw=Draw(draws, len(rows), world.rank, world.size))
            scores, target = word_scores(model, memory, batch)
            loss = functional.cross_entropy(
                scores, target, label_smoothing=settings.smoothing, reduction="sum"
            )
            parts = {"words": (loss, len(target)), **model.terms(memory, batch)}
            parts |= model.word_terms(scores, target)
        if learner.critics is not None:
            parts |= _critics_turn(learner, memory, batch, scores, weight)
    counts = world.totals([weight * number for _, number in parts.values()])
    if "summed-label-loss" in settings.quirks and "emotion" in parts:
        counts[list(parts).index("emotion")] = 1.0
    shares = [
        weight * loss / max(over, 1.0)
        for (loss, _), over in zip(parts.values(), counts, strict=True)
    ]
    total = torch.stack(shares).sum()
    value, words = world.totals([total.item(), shares[0].item()])
    if not math.isfinite(value):
        raise ModelError(
            f"the loss is {value} at step {step + 1}; the last good state is in {folder}: "
            "train into another folder with a smaller --rate"
        )
    if step < settings.critic_steps:
        return words
    rate = learning_rate(step + 1, settings)
    _descend(learner, model, learner.optimizer, total, rate, settings.clip)
    return words


def _critics_turn(
    learner: Learner, memory: Memory, batch: Batch, scores: Tensor, weight: float
) -> dict[str, tuple[Tensor, int]]:
    """Teach the critics, then ask them: the generator's part, over rows with feedback."""
    critics, optimizer, vectors = learner.critics, learner.critic_optimizer, learner.vectors
    assert critics is not None and optimizer is not None and vectors is not None
    pairs = evidence(learner.model, vectors, memory, batch, scores)
    found = len(pairs[0].real) if pairs else 0
    (everywhere,) = learner.world.totals([weight * found])
    if not everywhere:
        return {}
    nothing = torch.stack([weights.sum() for weights in critics.parameters()]).sum() * 0.0
    loss = weight * found / everywhere * critics.loss(pairs) if pairs else nothing
    _descend(learner, critics, optimizer, loss, _CRITIC_RATE, _CRITIC_CLIP)
    fooled = critics.fooled(pairs) if pairs else nothing
    return {"adversarial": (learner.settings.adversarial * fooled, found)}


def _descend(
    learner: Learner,
    module: torch.nn.Module,
    optimizer: torch.optim.Adam,
    loss: Tensor,
    rate: float,
    clip: float,
) -> None:
    """One step of `optimizer`, gradients summed over all processes."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()
    learner.world.sum_gradients(module.parameters())
    if "no-clipping" not in learner.settings.quirks:
        clip_grad_norm_(module.parameters(), clip)
    optimizer.step()


def _autocast(device: str) -> torch.autocast:
    """bfloat16 where the hardware has it; on a CPU it is slower than float32."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=device.startswith("cuda"))


@torch.inference_mode()
def validate(
    model: Architecture,
    rows: Sequence[Encoded],
    *,
    device: str = "cpu",
    size: int = 64,
    world: World | None = None,
) -> dict[str, float]:
    """Token-weighted perplexity; accuracy of the label in percent where the model names one.

    The quirk `batch-mean-ppl` averages the perplexities of batches of 16 instead.
    """
    model.eval()
    world = world or World()
    by_batch = "batch-mean-ppl" in model.quirks
    summed, words, right, labelled, batches, ppls = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for indices in world.share(sorted_batches(rows, size=16 if by_batch else size)):
        batch = collate([rows[i] for i in indices]).to(device)
        memory = model.encode(batch)
        nll, count = word_loss(model, memory, batch)
        summed, words = summed + float(nll), words + count
        batches, ppls = batches + 1, ppls + _exp(float(nll) / count)
        if memory.emotion is not None:
            known = batch.label >= 0
            right += int((memory.emotion.argmax(-1) == batch.label)[known].sum())
            labelled += int(known.sum())
    totals = world.totals([summed, words, right, labelled, batches, ppls])
    summed, words, right, labelled, batches, ppls = totals
    found = {"ppl": ppls / batches if by_batch else _exp(summed / words)}
    return found | ({"accuracy": 100 * right / labelled} if labelled else {})


def _exp(nats: float) -> float:
    return math.exp(min(nats, 700.0))
