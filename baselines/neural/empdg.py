"""EmpDG's empathetic generator (Li et al. 2020): emotional words are read apart from the context.

    C_u = Enc_u(context),  C_e = Enc_e(its emotional words)
    logits = W [C_e[CLS]; C_u[CLS]]                                     (emotion)
    the decoder attends to [C_u; C_e], begins with W_s · logits in place of SOS,
    and copies from both (pointer.py, on by default)
    L = L_gen + L_emo

Which words are emotional: those of the NRC lexicon in the paper. With a file of words (`--lexicon`;
NRC's own layout, or a word a line) it is those. Without one it is the words whose speakers' labels
are far from what labels are over all contexts of the training set, by the likelihood-ratio
statistic G² = 2 Σ_c n_wc ln(n_wc / (n_w p_c)) above the χ² quantile of 10^-6, C − 1 degrees of
freedom: a variant of ours that needs no lexicon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from baselines.neural.architecture import Architecture, Decoder, Draw, Memory
from baselines.neural.layers import Encoder, Sizes
from baselines.neural.vocabulary import CLS, PAD, SPECIAL
from harness.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from baselines.neural.batches import Batch, Encoded
    from baselines.neural.cache import Cache
    from baselines.neural.vocabulary import Vocabulary

__all__ = ["EmpDG", "emotional_words", "kept_words", "lexicon_words"]

_CHANCE = 1e-6


class EmpDG(Architecture):
    """`emotional` (V,) is true where a word is an emotional one."""

    emotional: Tensor

    def __init__(self, *, vocabulary: int, labels: Sequence[str], sizes: Sizes) -> None:
        super().__init__(vocabulary=vocabulary, classes=0, sizes=sizes)
        self.emotion_encoder = Encoder(sizes)
        self.emotion = nn.Linear(2 * sizes.width, len(labels), bias=False)
        self.start = nn.Linear(len(labels), sizes.width)
        self.decoder = Decoder(sizes)
        self.register_buffer("emotional", torch.zeros(vocabulary, dtype=torch.bool))

    def learn_from(
        self, rows: Sequence[Encoded], vocabulary: Vocabulary, files: Mapping[str, Path]
    ) -> None:
        if "lexicon" in files:
            found = lexicon_words(files["lexicon"], vocabulary)
        else:
            assert self.emotion is not None
            found = emotional_words(rows, len(vocabulary), self.emotion.out_features)
        self.emotional.copy_(found)

    def encode(self, batch: Batch, *, draw: Draw | None = None) -> Memory:
        seen = batch.context != PAD
        semantic = self.encoder(self.embedding(batch.context, batch.roles), seen)
        words = kept_words(batch.context, self.emotional)
        felt = words != PAD
        emotional = self.emotion_encoder(self.embedding(words), felt)
        assert self.emotion is not None
        return Memory(
            states=torch.cat([semantic, emotional], dim=1),
            seen=torch.cat([seen, felt], dim=1),
            source=torch.cat([batch.context, words], dim=1),
            emotion=self.emotion(torch.cat([emotional[:, 0], semantic[:, 0]], dim=-1)),
        )

    def states(self, memory: Memory, embedded: Tensor, cache: Cache | None = None) -> Tensor:
        assert memory.emotion is not None
        if cache is None or not cache.length:
            embedded = torch.cat([self.start(memory.emotion)[:, None], embedded[:, 1:]], dim=1)
        decoded: Tensor = self.decoder(embedded, memory.states, memory.seen, cache)
        return decoded


def kept_words(context: Tensor, wanted: Tensor) -> Tensor:
    """Of each context (B, S) CLS and the words that are `wanted` (V,), in order: (B, ≤ S)."""
    kept = wanted[context] | (context == CLS)
    order = (~kept).to(torch.uint8).argsort(dim=1, stable=True)
    words = context.gather(1, order).masked_fill(~kept.gather(1, order), PAD)
    return words[:, : max(1, int(kept.sum(1).max()))]


def emotional_words(rows: Sequence[Encoded], vocabulary: int, classes: int) -> Tensor:
    """(V,) true for the words that training labels single out; see the module's opening."""
    from scipy.stats import chi2

    labelled = [row for row in rows if row.label >= 0]
    counts = torch.zeros(vocabulary, classes, dtype=torch.float64)
    for row in labelled:
        counts[sorted(set(row.context)), row.label] += 1
    shares = torch.zeros(classes, dtype=torch.float64)
    for row in labelled:
        shares[row.label] += 1
    expected = counts.sum(1, keepdim=True) * (shares / max(1, len(labelled)))
    statistic = 2 * torch.special.xlogy(counts, counts / expected.clamp_min(1e-300)).sum(1)
    found = statistic > float(chi2.isf(_CHANCE, max(1, classes - 1)))
    found[: len(SPECIAL)] = False
    return found


def lexicon_words(path: Path, vocabulary: Vocabulary) -> Tensor:
    """(V,) true for the words of a lexicon file: a word a line, or `word<TAB>emotion<TAB>0|1`.

    Raises:
        DataError: the file cannot be read, or names no word of the vocabulary.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: no readable lexicon ({error})") from error
    fields = [line.strip().lower().split("\t") for line in lines if line.strip()]
    words = {parts[0] for parts in fields if len(parts) < 3 or parts[2] != "0"}
    found = torch.tensor([word in words for word in vocabulary.words])
    found[: len(SPECIAL)] = False
    if not found.any():
        raise DataError(
            f"{path}: none of its {len(words):,} words is in the vocabulary of "
            f"{len(vocabulary):,}; expected a word a line, or word<TAB>emotion<TAB>1"
        )
    return found
