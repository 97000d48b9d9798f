"""Vectors of texts kept in one block of memory of fixed size; the least recently used go first.

Ten systems are scored against the same references and say many things alike: what is kept here is
encoded once. All rows lie in one tensor, so that a block of texts is gathered by one index.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["VectorCache"]


class VectorCache:
    """Texts' vectors, `length` rows of `width` float32 numbers each, with one flag a row.

    What is looked up together may fill at most half of `capacity` rows: that much always stays.
    """

    def __init__(self, *, width: int, capacity: int, device: str) -> None:
        import torch

        # The system gives memory when rows are written, so a large block costs nothing unused.
        self.rows: Tensor = torch.empty((capacity, width), device=device)
        self.flags: Tensor = torch.empty(capacity, dtype=torch.bool, device=device)
        self.capacity = capacity
        # Key → (first row, rows); in order of last use.
        self._spans: dict[Hashable, tuple[int, int]] = {}
        self._used = 0

    def missing(self, keys: Sequence[Hashable]) -> list[Hashable]:
        """The different keys that are not held; those held count as used just now."""
        absent = []
        for key in dict.fromkeys(keys):
            span = self._spans.pop(key, None)
            if span is None:
                absent.append(key)
            else:
                self._spans[key] = span
        return absent

    def reserve(self, needed: int) -> None:
        """Make room for `needed` rows, dropping the texts that were used longest ago."""
        if self._used + needed <= self.capacity:
            return
        kept: list[tuple[int, int, Hashable]] = []
        room = self.capacity - max(needed, self.capacity // 2)
        for key, (start, length) in reversed(self._spans.items()):
            if length > room:
                break
            room -= length
            kept.append((start, length, key))
        moved = self._compact(kept)
        self._spans = {key: moved[key] for _, _, key in reversed(kept)}

    def put(self, keys: Sequence[Hashable], rows: Tensor, flags: Tensor) -> None:
        """Keep `rows` (texts, length, width) with `flags` (texts, length) under `keys`."""
        count, length, width = rows.shape
        end = self._used + count * length
        self.rows[self._used : end] = rows.reshape(-1, width)
        self.flags[self._used : end] = flags.reshape(-1)
        for number, key in enumerate(keys):
            self._spans[key] = (self._used + number * length, length)
        self._used = end

    def gather(self, keys: Sequence[Hashable]) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors (n, L, width), which of them are there (n, L), and their flags (n, L).

        L is the most rows any key has; a row that is not there repeats another.
        """
        import torch

        spans = torch.tensor([self._spans[key] for key in keys], device=self.rows.device)
        starts, lengths = spans[:, :1], spans[:, 1:]
        place = torch.arange(int(lengths.max()), device=spans.device)
        there = place < lengths
        index = starts + torch.minimum(place, lengths - 1)
        return self.rows[index], there, self.flags[index] & there

    def _compact(
        self, kept: Sequence[tuple[int, int, Hashable]]
    ) -> dict[Hashable, tuple[int, int]]:
        """Move the kept rows to the front, in place."""
        moved: dict[Hashable, tuple[int, int]] = {}
        self._used = 0
        for start, length, key in sorted(kept, key=lambda item: item[0]):
            end = self._used + length
            self.rows[self._used : end] = self.rows[start : start + length].clone()
            self.flags[self._used : end] = self.flags[start : start + length].clone()
            moved[key] = (self._used, length)
            self._used = end
        return moved
