"""Examples → padded tensors.

context (B, S): CLS, then every turn's words; roles (B, S): CLS, SPEAKER or LISTENER
target (B, T): the reply's words and EOS; label (B,): index of the gold label, -1 without one
feedback (B, F): the speaker's next turn, all PAD where there is none
relations (B, R, L): CLS and the words of each commonsense relation; R is 0 without a file of them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from baselines.neural.vocabulary import CLS, EOS, LISTENER, PAD, SOS, SPEAKER, Vocabulary
from harness.dialogue import Example

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "Encoded", "collate", "encode", "shuffled", "sorted_batches"]

# Batches whose examples are sorted by length together: little padding, still random order.
_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as numbers."""

    context: tuple[int, ...]
    roles: tuple[int, ...]
    target: tuple[int, ...]
    label: int
    feedback: tuple[int, ...] = ()
    relations: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """B examples; see the module's opening."""

    context: Tensor
    roles: Tensor
    target: Tensor
    label: Tensor
    feedback: Tensor
    relations: Tensor

    def to(self, device: str | torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device) for name in self.__slots__))

    @property
    def shifted(self) -> Tensor:
        """What the decoder reads: SOS, then the target without its end, (B, T)."""
        start = torch.full_like(self.target[:, :1], SOS)
        return torch.cat([start, self.target[:, :-1]], dim=1)


def encode(
    example: Example,
    vocabulary: Vocabulary,
    labels: Sequence[str],
    *,
    label: str | None,
    max_context: int,
    max_target: int,
    feedback: str = "",
    relations: Sequence[str] = (),
) -> Encoded:
    """`label` names the gold one. Of a long context the end is kept, of other texts the start."""
    words: list[int] = []
    roles: list[int] = []
    for turn in example.context:
        numbers = vocabulary.encode(turn.text)
        words += numbers
        roles += [LISTENER if turn.role == "listener" else SPEAKER] * len(numbers)
    target = vocabulary.encode(example.reference)[: max_target - 1]
    return Encoded(
        context=(CLS, *words[-(max_context - 1) :]),
        roles=(CLS, *roles[-(max_context - 1) :]),
        target=(*target, EOS),
        label=labels.index(label) if label in labels else -1,
        feedback=tuple(vocabulary.encode(feedback)[:max_target]),
        relations=tuple((CLS, *vocabulary.encode(text)[: max_context - 1]) for text in relations),
    )


def collate(rows: Sequence[Encoded]) -> Batch:
    """Rows padded to the longest of them; all have the same relations."""
    told = len(rows[0].relations)
    relations = _padded([words for row in rows for words in row.relations] or [()])
    return Batch(
        context=_padded([row.context for row in rows]),
        roles=_padded([row.roles for row in rows]),
        target=_padded([row.target for row in rows]),
        label=torch.tensor([row.label for row in rows]),
        feedback=_padded([row.feedback for row in rows]),
        relations=relations.view(len(rows), told, -1)
        if told
        else relations.new_zeros(len(rows), 0, 1),
    )


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    width = max(1, *map(len, rows))
    return torch.tensor([[*row, *[PAD] * (width - len(row))] for row in rows])


def shuffled(rows: Sequence[Encoded], *, size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices in batches of like length, in an order that (seed, epoch) alone decides."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(rows)).tolist()
    batches = []
    for start in range(0, len(order), size * _BLOCK):
        block = sorted(
            order[start : start + size * _BLOCK],
            key=lambda i: (len(rows[i].target), len(rows[i].context)),
        )
        batches += [block[at : at + size] for at in range(0, len(block), size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(rows: Sequence[Encoded], *, size: int) -> list[list[int]]:
    """Indices in batches of like length, longest first."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].context), -len(rows[i].target), i))
    return [order[start : start + size] for start in range(0, len(order), size)]
