"""Several processes, one training: each takes its share of every batch (torchrun).

    torchrun --nproc_per_node 2 -m harness.cli train moel --data DIR

Losses are sums divided by what the *whole* batch holds, and gradients are summed, so that an update
is the one that a single process would make; what models draw is drawn for the whole batch. Two
things still differ: dropout, which follows each process's own rows, and the critics' penalty of
EmpDG's second stage, which each takes at points of its own. And a rounding error can decide between
near equals: before MoEL has learnt emotions, which listeners are its top five.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["World", "join", "leave"]

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class World:
    """This process is number `rank` of `size`."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """This process's part of `items`."""
        return items[self.rank :: self.size]

    def totals(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes."""
        if self.size == 1:
            return list(values)
        import torch
        from torch import distributed

        summed = torch.tensor(values, dtype=torch.float64, device=_device())
        distributed.all_reduce(summed)
        return [float(value) for value in summed]

    def sum(self, values: Tensor) -> Tensor:
        """A tensor summed over all processes."""
        if self.size > 1:
            from torch import distributed

            distributed.all_reduce(values)
        return values

    def sum_gradients(self, weights: Iterable[Tensor]) -> None:
        """Every gradient summed over all processes.

        One that has none anywhere keeps none: Adam would move it by its momentum.
        """
        if self.size == 1:
            return
        import torch
        from torch import distributed

        parameters = list(weights)
        has = [float(tensor.grad is not None) for tensor in parameters]
        for tensor, anywhere in zip(parameters, self.totals(has), strict=True):
            if anywhere:
                if tensor.grad is None:
                    tensor.grad = torch.zeros_like(tensor)
                distributed.all_reduce(tensor.grad)

    def wait(self) -> None:
        """Go on when all are here."""
        if self.size > 1:
            from torch import distributed

            distributed.barrier()


def join() -> World:
    """The processes that torchrun started; one alone without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    from torch import distributed

    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if _device() != "cpu" else "gloo")
    return World(distributed.get_rank(), size)


def leave() -> None:
    """End the group that `join` began."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _device() -> str:
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
