"""CEM (Sabour et al. 2022): the context refined by commonsense about the speaker.

COMET's inferences about the last turn: xIntent, xNeed, xWant, xEffect (cognition), xReact (affect).

    H = Enc(context);  h_r = Enc_cog(r)[CLS],  h_xReact = mean Enc_aff(xReact)          (sec. 3.2)
    H_aff = Enc_aff-ref([H; h_xReact]),  H_cog,r = Enc_cog-ref([H; h_r])                 (sec. 3.3)
    emotion logits = W H_aff[CLS]
    the decoder attends to MLP(σ(H_ref) ⊙ H_ref), H_ref = [H_aff; H_cog,r …]             (sec. 3.4)
    L = L_gen + L_emo + 1.5 L_div

L_div is -ln P with words weighted by w = 1 - f / max f, scaled to mean 1, f counting how often the
model chose each word in training so far.

The inferences are read from a file (`--relations`). Without one each h_r is read out of the context
itself, by attention with a learnt query: the reduced variant "CEM without COMET", which keeps the
refinement and loses the knowledge. The mean over xReact is over its words; the published code takes
it over the padding too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from baselines.neural.architecture import Architecture, Decoder, Draw, Memory
from baselines.neural.layers import Conditioned, Encoder, Sizes
from baselines.neural.vocabulary import EOS, PAD
from harness.parallel import join

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.batches import Batch
    from baselines.neural.cache import Cache

__all__ = ["CEM", "RELATIONS", "diversity_weights"]

# Affect last; this is the order of `Batch.relations`.
RELATIONS = ("xIntent", "xNeed", "xWant", "xEffect", "xReact")
_DIVERSITY = 1.5


def diversity_weights(counts: Tensor) -> Tensor:
    """How often each word was chosen (V,) → its weight in L_div, 1 on average."""
    if not counts.any():
        return torch.ones_like(counts)
    weights = 1 - counts / counts.max()
    return weights / weights.sum() * len(weights)


class ReadOut(nn.Module):
    """The reduced variant: one vector a relation out of the context, (B, S, d) → (B, R, d)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(len(RELATIONS), width) * 0.01)

    def forward(self, states: Tensor, seen: Tensor) -> Tensor:
        fit = self.queries @ states.transpose(1, 2) / math.sqrt(states.shape[-1])
        weights = fit.masked_fill(~seen[:, None, :], -torch.inf).softmax(-1)
        return weights @ states


class CEM(Architecture):
    """`relations`: whether batches carry COMET's inferences."""

    counts: Tensor

    def __init__(
        self, *, vocabulary: int, labels: Sequence[str], sizes: Sizes, relations: bool
    ) -> None:
        super().__init__(vocabulary=vocabulary, classes=len(labels), sizes=sizes)
        width, parts = sizes.width, len(RELATIONS)
        if relations:
            self.affect, self.cognition = Encoder(sizes), Encoder(sizes)
        else:
            self.read_out = ReadOut(width)
        self.relations = relations
        self.refine_affect, self.refine_cognition = Conditioned(sizes), Conditioned(sizes)
        self.mix = nn.Sequential(
            nn.Linear(parts * width, 3 * width, bias=False),
            nn.ReLU(),
            nn.Linear(3 * width, width, bias=False),
        )
        self.decoder = Decoder(sizes)
        self.register_buffer("counts", torch.zeros(vocabulary))

    def encode(self, batch: Batch, *, draw: Draw | None = None) -> Memory:
        memory = super().encode(batch)
        states, seen = memory.states, memory.seen
        known = self._inferences(batch) if self.relations else self.read_out(states, seen)
        *thoughts, feeling = known.unbind(1)
        affect = self.refine_affect(states, feeling, seen)
        cognition = [self.refine_cognition(states, thought, seen) for thought in thoughts]
        refined = torch.cat([*cognition, affect], dim=-1)
        assert self.emotion is not None
        logits = self.emotion(affect[:, 0])
        return replace(memory, states=self.mix(refined.sigmoid() * refined), emotion=logits)

    def _inferences(self, batch: Batch) -> Tensor:
        """h_r of every relation, (B, R, d)."""
        vectors = []
        for number, name in enumerate(RELATIONS):
            words = batch.relations[:, number]
            seen = words != PAD
            encoder = self.affect if name == "xReact" else self.cognition
            read = encoder(self.embedding(words), seen)
            if name == "xReact":
                weights = seen[..., None].to(read)
                vectors.append((read * weights).sum(1) / weights.sum(1))
            else:
                vectors.append(read[:, 0])
        return torch.stack(vectors, dim=1)

    def states(self, memory: Memory, embedded: Tensor, cache: Cache | None = None) -> Tensor:
        decoded: Tensor = self.decoder(embedded, memory.states, memory.seen, cache)
        return decoded

    def word_terms(self, scores: Tensor, target: Tensor) -> dict[str, tuple[Tensor, int]]:
        """1.5 L_div; the words chosen here count from now on."""
        chosen = scores.detach().argmax(-1).bincount(minlength=len(self.counts)).to(self.counts)
        chosen[EOS] = 0.0
        self.counts += join().sum(chosen)
        log_p = functional.log_softmax(scores.float(), dim=-1)
        weights = diversity_weights(self.counts)
        loss = functional.nll_loss(log_p, target, weight=weights, reduction="sum")
        return {"diversity": (_DIVERSITY * loss, len(target))}
