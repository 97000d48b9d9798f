"""A practice by PPO, from the policy to the kept model; step.py says what a step is."""

from __future__ import annotations

from functools import partial

from harness.tuning.kept import keep
from stride_ed.training.ppo.loop import learn, steps_of
from stride_ed.training.ppo.policy import make_policy
from stride_ed.training.ppo.rollout import ending, write
from stride_ed.training.ppo.state import restore_best
from stride_ed.training.ppo.step import Learner, make_learner
from stride_ed.training.practice import Practised, Session
from stride_ed.training.questions import Judge, Questions, judge_of, stops_of

__all__ = ["held_out_rewards", "train_ppo"]


def train_ppo(session: Session) -> Practised:
    """PPO with a value critic; the best actor, merged, is kept.

    Raises:
        ModelError: training broke; see stride_ed.training.ppo.loop.
        StorageError: the disk refuses.
    """
    settings, variant = session.settings, session.variant
    policy = make_policy(
        session.model,
        session.tokenizer,
        lora=settings.lora,
        rank=settings.rank,
        alpha=settings.alpha,
        checkpointing=settings.gradient_checkpointing,
    )
    learner = make_learner(
        policy,
        ended=ending(policy.tokenizer, stops_of(policy.tokenizer)),
        judge=judge_of(session.train.items, variant),
        settings=settings,
        world=session.world,
    )
    prompts = session.train.prompts
    steps = settings.steps or steps_of(len(prompts), settings.batch_size, settings.epochs)
    trained = sum(weights.numel() for weights in policy.actor_weights().values())
    progress = learn(
        learner,
        prompts,
        session.output,
        steps=steps,
        validate=partial(
            held_out_rewards, valid=session.valid, judge=judge_of(session.valid.items, variant)
        ),
        log=session.log,
        show=session.show,
    )
    if session.world.first:
        restore_best(session.output, learner)
        with policy.acting() as actor:
            whole = actor.merge_and_unload(adapter_names=["actor"]) if policy.lora else actor
            keep(whole, policy.tokenizer, session.output)
    return Practised(progress.step, steps, progress.best_step, progress.seconds, trained)


def held_out_rewards(learner: Learner, *, valid: Questions, judge: Judge) -> dict[str, float]:
    """Mean rewards of greedy answers to held-out prompts."""
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
