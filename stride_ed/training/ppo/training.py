"""`stride ppo`: from an SFT model to one that has practised; see step.py for what a step is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import checkpoint
from harness.checkpoint import Step
from harness.errors import DataError, InputError
from harness.parallel import World, join
from harness.training_log import TrainingLog, read_curve
from harness.tuning.bases import choose_device, quieten
from harness.tuning.kept import keep, settle, weights_hash
from harness.tuning.tokens import end_of_turn
from harness.tuning.training import saving, writing
from stride_ed.offline.evaluators import Item
from stride_ed.rewards import reward
from stride_ed.training.checkpoints import Checkpoint, load_weights, read_checkpoint
from stride_ed.training.data import Lessons
from stride_ed.training.rows import prompt_tokens
from stride_ed.training.settings import PpoSettings
from stride_ed.training.variants import Variant, find_variant

if TYPE_CHECKING:
    from stride_ed.training.ppo.policy import Policy
    from stride_ed.training.ppo.state import Progress
    from stride_ed.training.ppo.step import Judge, Learner, Prompt

__all__ = ["stops_of", "train_ppo"]


@dataclass(frozen=True, slots=True)
class _Questions:
    """Prompts within bounds, with the items that they are of; `too_long` were left out."""

    prompts: list[Prompt]
    items: list[Item]
    too_long: int


def train_ppo(
    learnt: Lessons,
    output: Path,
    *,
    settings: PpoSettings,
    resume: bool = False,
    device: str = "cpu",
    mirror: Callable[[Path], None] | None = None,
    show: Callable[[Step], None] = lambda step: None,
) -> dict[str, Any]:
    """Train; `output`/model is the actor at its best held-out reward, merged. The card.

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
        wanted = {
            "stage": "ppo",
            **asdict(settings),
            "sft_weights": begun.card["weights"],
            "data": learnt.digest,
        }
        if world.first:
            checkpoint.prepare(output, wanted, resume=resume, may_grow=("steps", "patience"))
            settle(output)
        world.wait()
        policy = _policy(begun, settings, device)
        with saving(output):
            learner, train, valid, progress, steps = _practise(
                policy, learnt, output, settings, variant, world, mirror, show
            )
            if world.first:
                _keep_best(output, learner)
            world.wait()
    return _card(output, settings, variant, begun, learnt, policy, progress, train, valid, steps)


def stops_of(tokenizer: Any) -> list[int]:
    """The tokens that end a turn."""
    ends = tokenizer(end_of_turn(tokenizer, chat=True), add_special_tokens=False)["input_ids"]
    return sorted({tokenizer.eos_token_id, *(ends if len(ends) == 1 else [])})


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


def _policy(begun: Checkpoint, settings: PpoSettings, device: str) -> Policy:
    quieten()
    import torch
    from transformers import set_seed

    from stride_ed.training.ppo.policy import make_policy

    set_seed(settings.seed)
    dtype = "bfloat16" if settings.lora and device.startswith("cuda") else "float32"
    model, tokenizer = load_weights(begun, dtype=dtype)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    place = "cuda" if device.startswith("cuda") and torch.cuda.is_available() else device
    model = model.to(place).train(settings.gradient_checkpointing)
    return make_policy(
        model, tokenizer, lora=settings.lora, rank=settings.rank, alpha=settings.alpha,
        checkpointing=settings.gradient_checkpointing,
    )  # fmt: skip


def _practise(
    policy: Policy,
    learnt: Lessons,
    output: Path,
    settings: PpoSettings,
    variant: Variant,
    world: World,
    mirror: Callable[[Path], None] | None,
    show: Callable[[Step], None],
) -> tuple[Learner, _Questions, _Questions, Progress, int]:
    from stride_ed.training.ppo.loop import learn, steps_of
    from stride_ed.training.ppo.rollout import ending
    from stride_ed.training.ppo.step import make_learner

    asked = partial(_questions, tokenizer=policy.tokenizer, variant=variant, settings=settings)
    train, valid = asked(learnt.traced), asked(learnt.valid[: settings.validate_size])
    learner = make_learner(
        policy,
        ended=ending(policy.tokenizer, stops_of(policy.tokenizer)),
        judge=_judge(train.items, variant),
        settings=settings,
        world=world,
    )
    steps = settings.steps or steps_of(len(train.prompts), settings.batch_size, settings.epochs)
    progress = learn(
        learner,
        train.prompts,
        output,
        steps=steps,
        validate=partial(_validate, valid=valid, judge=_judge(valid.items, variant)),
        log=TrainingLog(output, mirror=mirror),
        show=show,
    )
    return learner, train, valid, progress, steps


def _questions(
    items: Sequence[Item], *, tokenizer: Any, variant: Variant, settings: PpoSettings
) -> _Questions:
    kept: list[Item] = []
    prompts: list[Prompt] = []
    for item in items:
        tokens = prompt_tokens(tokenizer, item[0], variant.stages)
        if len(tokens) <= settings.max_prompt:
            prompts.append((len(kept), tokens))
            kept.append(item)
    if not kept:
        raise DataError(f"no prompt fits into --max-prompt {settings.max_prompt} tokens; raise it")
    return _Questions(prompts, kept, len(items) - len(kept))


def _judge(items: Sequence[Item], variant: Variant) -> Judge:
    """Rewards by gold: the data set's emotion, the annotated strategy of the person's reply."""

    def judge(number: int, text: str) -> Mapping[str, float]:
        example, trace = items[number]
        found = reward(text, emotion=example.emotion, strategy=trace.strategy)
        return {
            "reward": found.of(variant.parts),
            "format": found.format,
            **{part: getattr(found, part) for part in variant.parts},
        }

    return judge


def _validate(learner: Learner, *, valid: _Questions, judge: Judge) -> dict[str, float]:
    """Mean rewards of greedy answers to held-out prompts."""
    from stride_ed.training.ppo.rollout import write

    settings, policy = learner.settings, learner.policy
    mine = learner.world.share(valid.prompts)
    sums: dict[str, float] = {}
    for start in range(0, len(mine), settings.batch_size):
        part = mine[start : start + settings.batch_size]
        with policy.acting() as actor:
            answers = write(
                actor, [tokens for _, tokens in part], pad=policy.tokenizer.pad_token_id,
                most=settings.max_response, ended=learner.ended,
            )  # fmt: skip
        for (number, _), answer in zip(part, answers, strict=True):
            text = policy.tokenizer.decode(answer.tokens, skip_special_tokens=True)
            for name, value in judge(number, text).items():
                sums[name] = sums.get(name, 0.0) + value
    names = sorted(sums)
    totals = learner.world.totals([sums[name] for name in names])
    return {name: x / len(valid.prompts) for name, x in zip(names, totals, strict=True)}


def _keep_best(output: Path, learner: Learner) -> None:
    """Merge the best actor and keep it as a model of its own."""
    from stride_ed.training.ppo.state import restore_best

    policy = learner.policy
    restore_best(output, learner)
    with policy.acting() as actor:
        whole = actor.merge_and_unload(adapter_names=["actor"]) if policy.lora else actor
        keep(whole, policy.tokenizer, output)


def _card(
    output: Path,
    settings: PpoSettings,
    variant: Variant,
    begun: Checkpoint,
    learnt: Lessons,
    policy: Policy,
    progress: Progress,
    train: _Questions,
    valid: _Questions,
    steps: int,
) -> dict[str, Any]:
    from harness import __version__

    best = next(row for row in read_curve(output) if row["step"] == progress.best_step)
    base = begun.card["base"]
    return {
        "name": f"{variant.title}, {base['name']} (seed {settings.seed})",
        "stage": "ppo",
        "settings": asdict(settings),
        "base": base,
        "sft": {"name": begun.card["name"], "weights": begun.card["weights"]},
        "whole": True,
        "variant": variant.name,
        "stages": list(variant.stages),
        "method": f"{begun.card['method']}, then {'LoRA ' if settings.lora else ''}PPO",
        "parameters": begun.card["parameters"],
        "trained_parameters": sum(w.numel() for w in policy.actor_weights().values()),
        "seed": settings.seed,
        "trained_on": f"{len(train.prompts):,} prompts of {learnt.source.name}",
        "dataset": {"name": learnt.source.name, "fingerprint": learnt.source.fingerprint},
        "fingerprint": learnt.source.fingerprint,
        "data": learnt.digest,
        "examples": {
            "prompts": len(train.prompts),
            "valid": len(valid.prompts),
            "too_long": train.too_long + valid.too_long,
        },
        "steps": progress.step,
        "early_stop": progress.step < steps,
        "best_step": progress.best_step,
        "best_by": "held-out reward",
        "validation": {
            name.removeprefix("valid/"): value
            for name, value in best.items()
            if name.startswith("valid/")
        },
        "seconds": round(progress.seconds, 1),
        "weights": weights_hash(output),
        "harness_version": __version__,
    }
