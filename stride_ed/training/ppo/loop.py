"""The run: step after step, validation, the best actor, a state to go on from, and its ends.

A run ends when its steps are made or validation has long stopped getting better. It ends with an
error, and the last good state kept, where a number is none any more, the actor has run away from
the reference, the reward has collapsed, or memory is short.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.checkpoint import Step
from harness.errors import ModelError
from harness.training_log import TrainingLog
from stride_ed.training.ppo import state
from stride_ed.training.ppo.losses import steered
from stride_ed.training.ppo.state import Progress
from stride_ed.training.ppo.step import Learner, take_step
from stride_ed.training.questions import Prompt

__all__ = ["learn", "prompts_of_step", "steps_of"]

# The smoothed reward is collapsed below this share of what it was at its highest.
_COLLAPSED = 0.3
_SMOOTHING = 0.8
_EARLY = 10
_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


def steps_of(prompts: int, batch_size: int, epochs: float) -> int:
    """Steps in `epochs` passes over the prompts."""
    return max(1, math.ceil(epochs * prompts / batch_size))


def prompts_of_step(
    prompts: Sequence[Prompt], step: int, *, batch_size: int, seed: int
) -> list[Prompt]:
    """What step `step`, from 0 on, answers: each pass shuffles by `seed` and its number."""
    import numpy as np

    orders: dict[int, list[int]] = {}
    found = []
    for place in range(step * batch_size, (step + 1) * batch_size):
        epoch, within = divmod(place, len(prompts))
        if epoch not in orders:
            orders[epoch] = np.random.default_rng([seed, epoch]).permutation(len(prompts)).tolist()
        found.append(prompts[orders[epoch][within]])
    return found


def learn(
    learner: Learner,
    prompts: Sequence[Prompt],
    folder: Path,
    *,
    steps: int,
    validate: Callable[[Learner], Mapping[str, float]],
    log: TrainingLog,
    show: Callable[[Step], None] = lambda step: None,
) -> Progress:
    """Make the steps that are left; `validate` gives "reward" and more, every process alike.

    Raises:
        ModelError: training broke, as the module's head says; what to do stands in it.
        StorageError: the disk refuses.
    """
    settings, world = learner.settings, learner.world
    progress = state.restore(folder, learner) or Progress(beta=settings.kl)
    if world.first:
        log.rewind(progress.step)
    world.wait()
    saved = progress.step
    while progress.step < steps and progress.since_best < settings.patience:
        began = time.monotonic()
        chosen = prompts_of_step(
            prompts, progress.step, batch_size=settings.batch_size, seed=settings.seed
        )
        with _breakage(folder, progress.step, saved):
            found = take_step(learner, chosen, progress.step, progress.beta)
            _advance(progress, found, learner)
        values = {f"train/{name}": value for name, value in found.items()}
        if progress.step % settings.validate_every == 0 or progress.step == steps:
            held_out = validate(learner)
            values |= {f"valid/{name}": value for name, value in held_out.items()}
        if world.first:
            log.record(progress.step, values)
        if "valid/reward" in values:
            _compare(folder, learner, progress, values["valid/reward"])
        progress.seconds += time.monotonic() - began
        ends = progress.step == steps or progress.since_best >= settings.patience
        if world.first and (progress.step % settings.save_every == 0 or ends):
            state.save(folder, learner, progress)
            saved = progress.step
        world.wait()
        show(_shown(progress, found, steps))
    return progress


def _advance(progress: Progress, found: Mapping[str, float], learner: Learner) -> None:
    """Count the step, steer β, and look for runaways.

    Raises:
        ModelError: the actor ran away, or the reward collapsed.
    """
    settings = learner.settings
    if found["kl"] > settings.kl_bound:
        raise ModelError(
            f"the actor is {found['kl']:.2f} nats per token from the reference, beyond "
            f"{settings.kl_bound} (raise --kl, or lower --rate)"
        )
    smoothed = found["reward"]
    if progress.step:
        smoothed = _SMOOTHING * progress.smoothed + (1 - _SMOOTHING) * found["reward"]
    highest = max(progress.highest, smoothed)
    if progress.step >= _EARLY and smoothed < _COLLAPSED * highest:
        raise ModelError(
            f"the reward collapsed from {highest:.2f} to {smoothed:.2f} (lower --rate, raise --kl)"
        )
    progress.smoothed, progress.highest = smoothed, highest
    progress.beta = steered(
        progress.beta,
        found["kl"],
        target=settings.kl_target,
        answers=settings.batch_size,
        horizon=settings.kl_horizon,
    )
    progress.step += 1


def _compare(folder: Path, learner: Learner, progress: Progress, reward: float) -> None:
    progress.since_best += 1
    if reward > progress.best:
        progress.best, progress.best_step, progress.since_best = reward, progress.step, 0
        if learner.world.first:
            state.keep_best(folder, learner, progress)


def _shown(progress: Progress, found: Mapping[str, float], steps: int) -> Step:
    stage = f"reward {found['reward']:.2f}, KL {found['kl']:.3f}, {found['length']:.0f} tokens"
    best = f"held-out reward {progress.best:.2f}" if progress.best_step else ""
    return Step(stage=stage, done=progress.step, total=steps, best=best)


@contextlib.contextmanager
def _breakage(folder: Path, step: int, saved: int) -> Iterator[None]:
    """What breaks a step, in one line that says what is kept and what to do."""
    kept = f"{folder} keeps the state of step {saved}"
    try:
        yield
    except ModelError as error:
        raise ModelError(f"step {step + 1}: {error}; {kept}: train into another folder") from error
    except (RuntimeError, MemoryError) as error:
        short = isinstance(error, MemoryError) or any(
            sign in str(error).lower() for sign in _OUT_OF_MEMORY
        )
        if not short:
            raise
        raise ModelError(
            f"step {step + 1}: memory is short; {kept}: resume with a smaller --micro-batch, or "
            "with --gradient-checkpointing"
        ) from error
