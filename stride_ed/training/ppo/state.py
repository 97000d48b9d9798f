"""Where a run of PPO stands, kept so that it can go on exactly as it would have.

last.safetensors    what actor and critic have learnt, both optimisers, progress  (every save)
model.safetensors   the actor at its best validation                              (every best)

Nothing else is needed: what is drawn follows from the seed and the number of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import checkpoint
from harness.fitting import optimizer_tensors, restore_optimizer
from stride_ed.training.ppo.step import Learner

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Progress", "keep_best", "restore", "restore_best", "save"]


@dataclass(slots=True)
class Progress:
    """How far a run is: steps made, β, the best validation and when it was, seconds spent.

    `lowest`: the smoothed reward's best so far is `highest`, and now it is `smoothed`.
    """

    step: int = 0
    beta: float = 0.0
    best: float = -1.0
    best_step: int = 0
    since_best: int = 0
    smoothed: float = 0.0
    highest: float = 0.0
    seconds: float = 0.0


def save(folder: Path, learner: Learner, progress: Progress) -> None:
    """Replace the state in `folder`.

    Raises:
        StorageError: the disk refuses; the old state stays.
    """
    tensors = {
        **_named("actor", learner.policy.actor_weights()),
        **_named("critic", learner.policy.critic_weights()),
        **_named("actor_optimizer", optimizer_tensors(learner.actor)),
        **_named("critic_optimizer", optimizer_tensors(learner.critic)),
    }
    checkpoint.save(folder / checkpoint.LAST, tensors, asdict(progress))


def restore(folder: Path, learner: Learner) -> Progress | None:
    """The state in `folder`, put back into `learner`; None where there is none.

    Raises:
        StorageError: it is damaged.
    """
    path = folder / checkpoint.LAST
    if not path.is_file():
        return None
    tensors, state = checkpoint.load(path)
    _put(learner.policy.actor_weights(), _under("actor", tensors))
    _put(learner.policy.critic_weights(), _under("critic", tensors))
    restore_optimizer(learner.actor, _under("actor_optimizer", tensors))
    restore_optimizer(learner.critic, _under("critic_optimizer", tensors))
    return Progress(**state)


def keep_best(folder: Path, learner: Learner, progress: Progress) -> None:
    """Remember the actor as it is.

    Raises:
        StorageError: the disk refuses.
    """
    checkpoint.save(
        folder / checkpoint.BEST, learner.policy.actor_weights(), {"step": progress.step}
    )


def restore_best(folder: Path, learner: Learner) -> None:
    """Put the best actor back.

    Raises:
        StorageError: it is damaged or not there.
    """
    tensors, _ = checkpoint.load(folder / checkpoint.BEST)
    _put(learner.policy.actor_weights(), tensors)


def _named(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}:{name}": tensor for name, tensor in tensors.items()}


def _under(part: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    start = f"{part}:"
    return {name.removeprefix(start): x for name, x in tensors.items() if name.startswith(start)}


def _put(weights: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(found[name])
