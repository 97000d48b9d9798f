"""`stride ppo`: an SFT model answers, is rewarded, and learns; by PPO, or by TRL's GRPO or RLOO.

Here stands what the three have in common: checks, lock, prompts, the kept model, the card. Each of
them is given a Session and leaves the best model in `output`/model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness import checkpoint
from harness.checkpoint import Step
from harness.errors import InputError
from harness.parallel import World, join
from harness.training_log import TrainingLog, read_curve
from harness.tuning.bases import choose_device, quieten
from harness.tuning.kept import settle, weights_hash
from harness.tuning.training import saving, writing
from stride_ed.training.checkpoints import Checkpoint, load_weights, read_checkpoint
from stride_ed.training.data import Lessons
from stride_ed.training.questions import Questions, questions
from stride_ed.training.settings import Algorithm, PpoSettings
from stride_ed.training.variants import Variant, find_variant

__all__ = ["Practised", "Session", "practise"]


@dataclass(frozen=True, slots=True)
class Session:
    """Who practises (adapters of its SFT merged), on what, how, and where it is kept."""

    model: Any
    tokenizer: Any
    train: Questions
    valid: Questions
    variant: Variant
    settings: PpoSettings
    output: Path
    device: str
    world: World
    log: TrainingLog
    show: Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Practised:
    """How a practice went: steps made, of how many, the best and when."""

    made: int
    steps: int
    best_step: int
    seconds: float
    trained_parameters: int


def practise(
    learnt: Lessons,
    output: Path,
    *,
    algorithm: Algorithm,
    settings: PpoSettings,
    resume: bool = False,
    device: str = "cpu",
    mirror: Callable[[Path], None] | None = None,
    show: Callable[[Step], None] = lambda step: None,
) -> dict[str, Any]:
    """Practise; `output`/model is the actor at its best held-out reward, whole. The card.

    Raises:
        DataError: no prompt fits.
        InputError: settings that cannot work, or `output` holds another run.
        ModelError: the SFT model cannot be loaded, or training broke.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    variant, begun = find_variant(settings.variant), read_checkpoint(Path(settings.sft))
    _check(settings, variant, begun)
    settings = replace(settings, sft=str(begun.folder.resolve()))
    choose_device(device)
    world = join()
    with writing(output, world):
        if world.first:
            wanted = {
                "stage": algorithm,
                **asdict(settings),
                "sft_weights": begun.card["weights"],
                "data": learnt.digest,
            }
            checkpoint.prepare(output, wanted, resume=resume, may_grow=("steps", "patience"))
            settle(output)
        world.wait()
        model, tokenizer = _begun(begun, settings, device)
        longest = settings.max_prompt
        session = Session(
            model=model,
            tokenizer=tokenizer,
            train=questions(learnt.traced, tokenizer=tokenizer, variant=variant, longest=longest),
            valid=questions(
                learnt.valid[: settings.validate_size], tokenizer=tokenizer, variant=variant,
                longest=longest,
            ),
            variant=variant,
            settings=settings,
            output=output,
            device=device,
            world=world,
            log=TrainingLog(output, mirror=mirror),
            show=show,
        )  # fmt: skip
        with saving(output):
            done = _algorithm(algorithm)(session)
            world.wait()
    return _card(session, algorithm, begun, learnt, done)


def _algorithm(name: Algorithm) -> Callable[[Session], Practised]:
    if name == "ppo":
        from stride_ed.training.ppo.training import train_ppo

        return train_ppo
    from stride_ed.training.trl_algorithms import train_grpo, train_rloo

    return train_grpo if name == "grpo" else train_rloo


def _check(settings: PpoSettings, variant: Variant, begun: Checkpoint) -> None:
    if not variant.ppo:
        raise InputError(f"--variant {variant.name} has no PPO: its SFT model is the model")
    if begun.stages != variant.stages:
        raise InputError(
            f"{begun.folder} writes {', '.join(begun.stages) or 'no stage'}, but --variant "
            f"{variant.name} writes {', '.join(variant.stages)}; give the SFT model of this variant"
        )
    if settings.batch_size % settings.mini_batch:
        raise InputError(
            f"--batch-size {settings.batch_size} is no multiple of --mini-batch "
            f"{settings.mini_batch}"
        )
    if settings.temperature <= 0:
        raise InputError(f"--temperature must be above 0 to practise, found {settings.temperature}")


def _begun(begun: Checkpoint, settings: PpoSettings, device: str) -> tuple[Any, Any]:
    quieten()
    from transformers import set_seed

    set_seed(settings.seed)
    dtype = "bfloat16" if settings.lora and device.startswith("cuda") else "float32"
    model, tokenizer = load_weights(begun, dtype=dtype)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    place = device if device in ("cpu", "mps") else "cuda"
    return model.to(place).train(settings.gradient_checkpointing), tokenizer


def _card(
    session: Session, algorithm: Algorithm, begun: Checkpoint, learnt: Lessons, done: Practised
) -> dict[str, Any]:
    """Everything that a number of this model depends on, and how its practice went."""
    from harness import __version__

    output, settings, variant = session.output, session.settings, session.variant
    best = next(row for row in read_curve(output) if row["step"] == done.best_step)
    base = begun.card["base"]
    by = "" if algorithm == "ppo" else f" by {algorithm.upper()}"
    return {
        "name": f"{variant.title}{by}, {base['name']} (seed {settings.seed})",
        "stage": algorithm,
        "settings": asdict(settings),
        "base": base,
        "sft": {"name": begun.card["name"], "weights": begun.card["weights"]},
        "whole": True,
        "variant": variant.name,
        "stages": list(variant.stages),
        "method": f"{begun.card['method']}, then {'LoRA ' if settings.lora else ''}"
        + algorithm.upper(),
        "parameters": begun.card["parameters"],
        "trained_parameters": done.trained_parameters,
        "seed": settings.seed,
        "trained_on": f"{len(session.train.prompts):,} prompts of {learnt.source.name}",
        "dataset": {"name": learnt.source.name, "fingerprint": learnt.source.fingerprint},
        "fingerprint": learnt.source.fingerprint,
        "data": learnt.digest,
        "examples": {
            "prompts": len(session.train.prompts),
            "valid": len(session.valid.prompts),
            "too_long": session.train.too_long + session.valid.too_long,
        },
        "steps": done.made,
        "early_stop": done.made < done.steps,
        "best_step": done.best_step,
        "best_by": "held-out reward",
        "validation": {
            name.removeprefix("valid/"): value
            for name, value in best.items()
            if name.startswith("valid/")
        },
        "seconds": round(done.seconds, 1),
        "weights": weights_hash(output),
        "harness_version": __version__,
    }
