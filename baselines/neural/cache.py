"""What decoding one more word needs of the words before, so that nothing is computed twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

__all__ = ["Cache"]


class Cache:
    """States of `size` replies that grow word by word, by the module that keeps them.

    `length` counts the words so far, kept up by whoever uses the cache. Tensors have the replies
    as their first dimension.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.length = 0
        self._kept: dict[tuple[nn.Module, str], Tensor] = {}
        self._parts: dict[nn.Module, tuple[Tensor, Cache]] = {}

    def once(
        self, owner: nn.Module, make: Callable[[], tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Two tensors that stay the same for all words."""
        if (owner, "first") not in self._kept:
            self._kept[owner, "first"], self._kept[owner, "second"] = make()
        return self._kept[owner, "first"], self._kept[owner, "second"]

    def longer(self, owner: nn.Module, new: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Keys and values (B, heads, T, depth) of all words, `new` being the newest's."""
        keys, values = (
            torch.cat([self._kept[owner, name], part], dim=2)
            if (owner, name) in self._kept
            else part
            for name, part in zip(("keys", "values"), new, strict=True)
        )
        self._kept[owner, "keys"], self._kept[owner, "values"] = keys, values
        return keys, values

    def window(self, owner: nn.Module, name: str, new: Tensor) -> Tensor:
        """The newest (B, d, 1) behind the two before it, zeros before the first: (B, d, 3)."""
        before = self._kept.get((owner, name))
        window = functional.pad(new, (2, 0)) if before is None else torch.cat([before, new], dim=2)
        self._kept[owner, name] = window[:, :, 1:]
        return window

    def part(self, owner: nn.Module, rows: Tensor) -> Cache:
        """The cache of a module that works on some replies, always the same ones."""
        if owner not in self._parts:
            self._parts[owner] = rows, Cache(len(rows))
        return self._parts[owner][1]

    def rows(self, index: Tensor) -> Cache:
        """Replies `index`, in that order."""
        chosen = Cache(len(index))
        chosen.length = self.length
        chosen._kept = {key: tensor[index] for key, tensor in self._kept.items()}
        for owner, (members, part) in self._parts.items():
            place = torch.full((self.size,), -1, device=index.device)
            place[members] = torch.arange(len(members), device=index.device)
            kept = place[index]
            stay = (kept >= 0).nonzero()[:, 0]
            if len(stay):
                chosen._parts[owner] = stay, part.rows(kept[stay])
        return chosen
