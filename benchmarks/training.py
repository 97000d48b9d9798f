"""Training and decoding speed of the from-scratch family, as ratios in the same run.

    python benchmarks/training.py [--data DIR] [--device cuda]

Training: words a second of our Transformer against `torch.nn.Transformer` of the same width, depth
and vocabulary in the same loop (same batches, loss, optimiser). Decoding: greedy replies in batches
of 128 against one by one, on the same contexts, 20 words each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from baselines.neural.architecture import Architecture
from baselines.neural.batches import Batch, Encoded, collate, encode, shuffled
from baselines.neural.layers import Embedding
from baselines.neural.search import greedy
from baselines.neural.settings import Settings, assemble
from baselines.neural.updates import word_loss
from baselines.neural.vocabulary import EOS, PAD, build
from harness.datasets import load_example_set

STEPS = 30
REPLIES = 256


class Reference(nn.Module):
    """torch's own Transformer; 60 is the nearest feed-forward size with as many weights."""

    def __init__(self, vocabulary: int, settings: Settings) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, settings.width)
        self.body = nn.Transformer(
            d_model=settings.width,
            nhead=settings.heads,
            num_encoder_layers=settings.layers,
            num_decoder_layers=settings.layers,
            dim_feedforward=settings.filters,
            dropout=0.0,
            batch_first=True,
            norm_first=True,
        )
        self.words = nn.Linear(settings.width, vocabulary)

    def loss(self, batch: Batch) -> torch.Tensor:
        hidden = batch.context == PAD
        causal = nn.Transformer.generate_square_subsequent_mask(
            batch.target.shape[1], device=batch.target.device
        )
        states = self.body(
            self.embedding(batch.context, batch.roles),
            self.embedding(batch.shifted),
            tgt_mask=causal,
            tgt_is_causal=True,
            src_key_padding_mask=hidden,
            memory_key_padding_mask=hidden,
        )
        wanted = batch.target != PAD
        logits = self.words(states[wanted])
        return functional.cross_entropy(logits, batch.target[wanted], label_smoothing=0.1)


def our_loss(model: Architecture) -> Callable[[Batch], torch.Tensor]:
    def loss(batch: Batch) -> torch.Tensor:
        summed, count = word_loss(model, model.encode(batch), batch, smoothing=0.1)
        return summed / count

    return loss


def words_a_second(
    model: nn.Module, loss: Callable[[Batch], torch.Tensor], batches: Sequence[Batch]
) -> float:
    """The best of three passes over the batches, after a warm-up."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    best = 0.0
    for trial in range(4):
        started = time.perf_counter()
        for batch in batches if trial else batches[:3]:
            optimizer.zero_grad()
            loss(batch).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimizer.step()
        if batches[0].target.is_cuda:
            torch.cuda.synchronize()
        words = sum(int((batch.target != PAD).sum()) for batch in batches)
        if trial:
            best = max(best, words / (time.perf_counter() - started))
    return best


def seconds_to_reply(model: Architecture, rows: Sequence[Encoded], size: int, device: str) -> float:
    started = time.perf_counter()
    with torch.inference_mode():
        for start in range(0, len(rows), size):
            batch = collate(rows[start : start + size]).to(device)
            greedy(model, model.encode(batch), length=20)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", default="sample")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = arguments.device
    examples = load_example_set("ed/train", arguments.data).examples[:8000]
    vocabulary = build(t for e in examples for t in (*(u.text for u in e.context), e.reference))
    settings = Settings(kind="transformer")
    rows = [encode(e, vocabulary, (), label=None, max_context=256, max_target=51) for e in examples]
    order = shuffled(rows, size=16, seed=0, epoch=0)
    chosen = [order[i % len(order)] for i in range(STEPS)]
    batches = [collate([rows[i] for i in batch]).to(device) for batch in chosen]
    model = assemble(settings, vocabulary=len(vocabulary), labels=()).to(device)
    reference = Reference(len(vocabulary), settings).to(device)
    theirs = words_a_second(reference, reference.loss, batches)
    ours = words_a_second(model, our_loss(model), batches)
    print(f"training, {len(vocabulary):,} words, width {settings.width}, batch 16, {device}")
    print(f"  torch.nn.Transformer   {theirs:8,.0f} words a second")
    print(f"  ours                   {ours:8,.0f} words a second, {ours / theirs:.2f}×")
    some = [rows[i % len(rows)] for i in range(REPLIES)]
    model.eval()
    with torch.no_grad():
        model.words.bias[EOS] = -1e9
    singly = seconds_to_reply(model, some[: REPLIES // 4], 1, device) * 4
    batched = seconds_to_reply(model, some, 128, device)
    print(f"decoding {REPLIES} replies")
    print(f"  one by one             {singly:8.2f} s")
    print(f"  in batches of 128      {batched:8.2f} s, {singly / batched:.1f}×")


if __name__ == "__main__":
    main()
