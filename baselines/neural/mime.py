"""MIME (Majumder et al. 2020): the context seen through mimicking and non-mimicking emotions.

    q = H[CLS];  logits = (W q) E^T over C emotions, E their vectors            (emotion head)
    z_+, z_- ~ N(μ(q), σ(q)): one latent variable for positive, one for negative emotions
    e_± = Σ_i softmax(D_± z_±)_i E_i over the emotions of that polarity
    mimicking m: H with the e of the speaker's polarity;  non-mimicking m̃: H with the other
    v = W_2 (σ(W_1 [m; m̃]) ⊙ [m; m̃]);  the decoder attends to v               (response refinement)
    L = L_gen + L_emo + KL(posterior(q, m) ‖ prior(q)) of both polarities

The speaker's polarity is the gold emotion's in training and the predicted emotion's at validation
and test; the published code measures test perplexity with the gold one. There the prior's mean is
taken instead of a draw, so that replies do not change from run to run. The published code gives
the negative latent the positive one's variance, by a slip. The quirks `gold-side` and
`shared-variance` restore what it does.

ESConv's seekers have negative emotions only. Where one polarity has no member among the labels, its
e is a vector that is learnt by itself: there is no mixture, so no latent and no KL. What the papers
that print MIME on ESConv did there is not known: no code of theirs for it is public.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from baselines.neural.architecture import Architecture, Decoder, Draw, Memory
from baselines.neural.layers import Conditioned, Sizes
from harness.dialogue import ED_EMOTIONS
from harness.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from baselines.neural.batches import Batch, Encoded
    from baselines.neural.cache import Cache
    from baselines.neural.vocabulary import Vocabulary

__all__ = ["MIME", "NEGATIVE", "POSITIVE", "gaussian_kl"]

# The grouping of the paper's repository: 13 of ED's 32 emotions.
POSITIVE = frozenset(
    {
        *("confident", "joyful", "grateful", "impressed", "proud", "excited", "trusting"),
        *("hopeful", "faithful", "prepared", "content", "surprised", "caring"),
    }
)
# The others of ED, and the emotion_type of ESConv's dialogues.
NEGATIVE = frozenset(ED_EMOTIONS) - POSITIVE | {
    *("anger", "anxiety", "depression", "disgust", "fear", "guilt"),
    *("jealousy", "nervousness", "pain", "sadness", "shame"),
}


class Latent(nn.Module):
    """A Gaussian latent (B, d) of some evidence (B, k): mean and log-variance."""

    def __init__(self, evidence: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(evidence, width)
        self.mean = nn.Linear(width, width)
        self.log_variance = nn.Linear(width, width)

    def forward(self, evidence: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.hidden(evidence).relu()
        return self.mean(hidden), self.log_variance(hidden)


def gaussian_kl(posterior: tuple[Tensor, Tensor], prior: tuple[Tensor, Tensor]) -> Tensor:
    """KL(N(μ, σ²) ‖ N(μ', σ'²)) summed over dimensions: (B, d) means and log-variances → (B,)."""
    (mean, log_variance), (mean_0, log_variance_0) = posterior, prior
    ratio = (log_variance.exp() + (mean - mean_0) ** 2) / log_variance_0.exp()
    return 0.5 * (log_variance_0 - log_variance + ratio - 1.0).sum(-1)


class MIME(Architecture):
    """`labels` are emotion names; each must be known as positive or negative.

    Raises:
        InputError: one is neither.
    """

    def __init__(self, *, vocabulary: int, labels: Sequence[str], sizes: Sizes) -> None:
        super().__init__(vocabulary=vocabulary, classes=0, sizes=sizes)
        for label in labels:
            if label not in POSITIVE | NEGATIVE:
                raise InputError(
                    f"MIME needs positive and negative emotions, and {label!r} is known as "
                    "neither: train it with --label emotion"
                )
        positive = [label in POSITIVE for label in labels]
        counts = (sum(positive), len(positive) - sum(positive))
        width = sizes.width
        self.register_buffer("positive", torch.tensor(positive), persistent=False)
        self.query = nn.Linear(width, width, bias=False)
        self.vectors = nn.Embedding(len(labels), width)
        self.prior = nn.ModuleList(Latent(width, width) if n else nn.Identity() for n in counts)
        self.posterior = nn.ModuleList(
            Latent(2 * width, width) if n else nn.Identity() for n in counts
        )
        self.choose = nn.ModuleList(nn.Linear(width, n) if n else nn.Identity() for n in counts)
        self.mimicking = Conditioned(sizes)
        self.contrary = Conditioned(sizes)
        self.gate = nn.Linear(2 * width, 2 * width)
        self.refine = nn.Linear(2 * width, width)
        self.decoder = Decoder(sizes)
        self.mixed = tuple(side for side, n in enumerate(counts) if n)
        if len(self.mixed) == 1:
            self.memberless = nn.Parameter(torch.randn(width))  # as an embedding begins

    def learn_from(
        self, rows: Sequence[Encoded], vocabulary: Vocabulary, files: Mapping[str, Path]
    ) -> None:
        if "shared-variance" in self.quirks and len(self.mixed) == 1:
            raise InputError(
                "the quirk shared-variance is of two latents, and these labels are of one polarity"
            )

    def encode(self, batch: Batch, *, draw: Draw | None = None) -> Memory:
        memory = super().encode(batch)
        states, seen, q = memory.states, memory.seen, memory.states[:, 0]
        logits = self.query(q) @ self.vectors.weight.T
        label = logits.argmax(-1)
        if draw is not None or "gold-side" in self.quirks:
            label = torch.where(batch.label >= 0, batch.label, label)
        positive = self.positive[label][:, None]  # (B, 1)
        priors = {side: self.prior[side](q) for side in self.mixed}
        if "shared-variance" in self.quirks:
            priors[1] = priors[1][0], priors[0][1]
        emotions = {
            side: self._emotion(side, mean, log_variance, draw)
            for side, (mean, log_variance) in priors.items()
        }
        bright, dark = (
            emotions[side] if side in emotions else self.memberless.expand_as(q) for side in (0, 1)
        )
        m = self.mimicking(states, torch.where(positive, bright, dark), seen)
        m_other = self.contrary(states, torch.where(positive, dark, bright), seen)
        both = torch.cat([m, m_other], dim=-1)
        refined = self.refine(self.gate(both).sigmoid() * both)
        more = {}
        if draw is not None:
            said, unsaid = (_mean(x, seen) for x in (m, m_other))
            evidence = (torch.where(positive, said, unsaid), torch.where(positive, unsaid, said))
            terms = [
                gaussian_kl(self.posterior[side](torch.cat([q, evidence[side]], dim=-1)), prior)
                for side, prior in priors.items()
            ]
            more["kl"] = torch.stack(terms).sum(0)
        return replace(memory, states=refined, emotion=logits, more=more)

    def _emotion(self, side: int, mean: Tensor, log_variance: Tensor, draw: Draw | None) -> Tensor:
        """The mixed vector of the positive (0) or negative (1) emotions, (B, d)."""
        z = mean
        if draw is not None:
            noise = draw.normal(mean.shape[-1]).to(mean)
            z = mean + noise * (0.5 * log_variance).exp()
        members = self.vectors.weight[self.positive if side == 0 else ~self.positive]
        mixed: Tensor = functional.softmax(self.choose[side](z), dim=-1) @ members
        return mixed

    def states(self, memory: Memory, embedded: Tensor, cache: Cache | None = None) -> Tensor:
        decoded: Tensor = self.decoder(embedded, memory.states, memory.seen, cache)
        return decoded

    def terms(self, memory: Memory, batch: Batch) -> dict[str, tuple[Tensor, int]]:
        found, kl = super().terms(memory, batch), memory.more.get("kl")
        return found if kl is None else found | {"kl": (kl.sum(), len(kl))}


def _mean(states: Tensor, seen: Tensor) -> Tensor:
    """(B, S, d) → (B, d) over what is seen."""
    weights = seen[..., None].to(states)
    return (states * weights).sum(1) / weights.sum(1)
