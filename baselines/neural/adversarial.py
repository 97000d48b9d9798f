"""EmpDG's second stage (Li et al. 2020, section 3.4): critics that read what the speaker said next.

Two critics, one of all words and one of the emotional words, tell human replies from generated ones
by the Wasserstein distance with gradient penalty (Gulrajani et al. 2017):

    L_D = E[D(fake)] - E[D(real)] + 10 E[(‖∇ D(x̂)‖ - 1)²],  x̂ between real and fake
    L_G = L_gen + L_emo - λ (E[D_sem(fake)] + E[D_emo(fake)])

    D(y, f, c): an LSTM reads the reply y and the feedback f; their states side by side, a
    convolution over bigrams, its maximum over time, + the context c, two linear layers → a number

The released code ends before this stage's joint training; ours is: a fake reply is the sequence of
expected word vectors Σ_w P(w | y_<t, context) e(w), which has gradients and is aligned with the
real one; e are the generator's word vectors when the stage begins, and stay. Replies that nobody
answered have no feedback and take no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from baselines.neural.empdg import EmpDG
from baselines.neural.vocabulary import PAD

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.architecture import Memory
    from baselines.neural.batches import Batch
    from harness.dialogue import Example

__all__ = ["Critic", "Critics", "Evidence", "evidence", "feedback_texts", "penalty"]

_PENALTY = 10.0


def feedback_texts(examples: Sequence[Example]) -> dict[str, str]:
    """Example id → what the speaker said next, as far as later examples of the dialogue show it."""
    found = {}
    longest: dict[str, Example] = {}
    for example in examples:
        known = longest.get(example.dialogue_id)
        if known is None or len(example.context) > len(known.context):
            longest[example.dialogue_id] = example
    for example in examples:
        turns = longest[example.dialogue_id].context
        following = turns[len(example.context) + 1 :]
        if following and following[0].role == "speaker":
            found[example.id] = following[0].text
    return found


class Critic(nn.Module):
    """Vectors of replies (B, T, d), of feedback (B, F, d), contexts (B, d) → scores (B,)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reader = nn.LSTM(width, width, batch_first=True)
        self.bigrams = nn.Conv1d(2 * width, width, 2)
        self.bias = nn.Parameter(torch.zeros(width))
        self.score = nn.Sequential(
            nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, 1)
        )

    def forward(self, reply: Tensor, feedback: Tensor, seen: Tensor, context: Tensor) -> Tensor:
        """`seen` (B, L), L the longer of T and F, is true where either has a word."""
        length = seen.shape[1]
        # cuDNN's LSTM cannot be differentiated twice, which the penalty needs.
        with torch.backends.cudnn.flags(enabled=False):
            read = [
                functional.pad(self.reader(text)[0], (0, 0, 0, length - text.shape[1]))
                for text in (reply, feedback)
            ]
        pairs = functional.pad(torch.cat(read, dim=-1).transpose(1, 2), (0, 1))
        found = self.bigrams(pairs).relu().masked_fill(~seen[:, None, :], 0.0).amax(-1)
        scores: Tensor = self.score((found + context).relu() + self.bias)
        return scores[:, 0]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one critic looks at, rows with feedback only; see `Critic`."""

    real: Tensor
    fake: Tensor
    feedback: Tensor
    seen: Tensor
    context: Tensor


class Critics(nn.Module):
    """The semantic and the emotional critic."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.semantic, self.emotional = Critic(width), Critic(width)

    def loss(self, pairs: Sequence[Evidence]) -> Tensor:
        """L_D of both, summed; `pairs` as `evidence` gives them. Nothing flows to the generator."""
        losses = []
        for critic, pair in zip((self.semantic, self.emotional), pairs, strict=True):
            fixed = (pair.feedback, pair.seen, pair.context.detach())
            fake = pair.fake.detach()
            distance = critic(fake, *fixed).mean() - critic(pair.real, *fixed).mean()
            losses.append(distance + _PENALTY * penalty(critic, pair.real, fake, *fixed))
        return torch.stack(losses).sum()

    def fooled(self, pairs: Sequence[Evidence]) -> Tensor:
        """-(D_sem(fake) + D_emo(fake)) summed over rows: what the generator lowers."""
        scores = [
            critic(pair.fake, pair.feedback, pair.seen, pair.context.detach()).sum()
            for critic, pair in zip((self.semantic, self.emotional), pairs, strict=True)
        ]
        return -torch.stack(scores).sum()


def penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, feedback: Tensor, seen: Tensor, context: Tensor
) -> Tensor:
    """(‖∇ D(x̂)‖ - 1)² at a random point between each pair, averaged."""
    share = torch.rand(len(real), 1, 1).to(real)
    between = (share * real + (1 - share) * fake).requires_grad_()
    score = critic(between, feedback, seen, context).sum()
    (gradient,) = torch.autograd.grad(score, between, create_graph=True)
    # The root has no gradient at zero.
    norm = (gradient.flatten(1).square().sum(-1) + 1e-12).sqrt()
    return (norm - 1).square().mean()


def evidence(
    model: EmpDG, vectors: Tensor, memory: Memory, batch: Batch, scores: Tensor
) -> list[Evidence] | None:
    """What the semantic and the emotional critic see; None where no row has feedback.

    `vectors` (V, d) are the words', `scores` (N, V) those of the batch's words in order.
    """
    wanted = batch.target != PAD
    rows = (batch.feedback != PAD).any(1).nonzero()[:, 0]
    if not len(rows):
        return None
    length = batch.context.shape[1]
    chances = scores.float().softmax(-1)
    target, feedback = batch.target[rows], batch.feedback[rows]
    longer = max(target.shape[1], feedback.shape[1])
    spoken = [
        functional.pad(words != PAD, (0, longer - words.shape[1])) for words in (target, feedback)
    ]
    found = []
    for words, context in (
        (vectors, memory.states[:, 0]),
        (vectors * model.emotional[:, None], memory.states[:, length]),
    ):
        expected = vectors.new_zeros(*wanted.shape, vectors.shape[1])
        expected = expected.masked_scatter(wanted[..., None], chances @ words)
        real = words[target] * wanted[rows][..., None]
        seen = spoken[0] | spoken[1]
        found.append(Evidence(real, expected[rows], words[feedback], seen, context[rows].float()))
    return found
