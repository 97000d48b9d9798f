"""What fine-tunings of encoders share: order of examples, learning rate, the optimiser's state.

Everything follows from (seed, epoch) or from the state that is handed over, so that a training
which was killed and resumed draws what one that was not would have drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = ["linear_rate", "optimizer_tensors", "restore_optimizer", "shuffled_batches"]

# Examples per block within which batches are made of texts of like length: little padding.
_BLOCK_OF_BATCHES = 16
_OPTIMIZER = "optimizer"


def shuffled_batches(
    lengths: Sequence[int], *, size: int, seed: int, epoch: int
) -> list[list[int]]:
    """Indices of examples of these lengths, shuffled, in batches of up to `size` of like length."""
    import numpy as np

    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths)).tolist()
    batches = []
    for start in range(0, len(order), size * _BLOCK_OF_BATCHES):
        block = order[start : start + size * _BLOCK_OF_BATCHES]
        block.sort(key=lambda index: lengths[index])
        batches += [block[at : at + size] for at in range(0, len(block), size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def linear_rate(progress: float, *, warm_up: float) -> float:
    """Factor of the learning rate at `progress` (0 to 1): it rises over `warm_up`, then falls."""
    return min(1.0, (progress + 1e-3) / warm_up, (1 - progress) / (1 - warm_up))


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The moments of an optimiser by name, `optimizer.<parameter>.<moment>`, for a checkpoint."""
    return {
        f"{_OPTIMIZER}.{index}.{key}": tensor
        for index, moments in optimizer.state_dict()["state"].items()
        for key, tensor in moments.items()
    }


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set an optimiser of the same parameters to what `optimizer_tensors` took among `tensors`."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        kind, index, key = (*name.split(".", 2), "", "")[:3]
        if kind == _OPTIMIZER:
            moments.setdefault(int(index), {})[key] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
