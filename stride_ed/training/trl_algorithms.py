"""GRPO and RLOO through TRL, from the same SFT model, prompts and rewards as PPO, for comparison.

Neither has a critic: an answer's advantage is its reward against that of the other answers to the
same prompt (GRPO: Shao et al. 2024, eq. 3; RLOO: Ahmadian et al. 2024, eq. 7). A step answers
`batch_size` / 8 prompts eight times each.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback

from harness.checkpoint import Step
from harness.errors import InputError, ModelError
from harness.tuning.kept import keep
from harness.tuning.loop import CHECKPOINTS, keep_checkpoint, last_checkpoint
from stride_ed.prompts import model_messages
from stride_ed.training.ppo.loop import steps_of
from stride_ed.training.ppo.rollout import ending, write
from stride_ed.training.practice import Practised, Session
from stride_ed.training.questions import Questions, judge_of, stops_of

__all__ = ["make_trainer", "train_grpo", "train_rloo"]

# Answers to one prompt; TRL's default.
_GROUP = 8


@dataclass(slots=True)
class _Progress:
    step: int = 0
    best: float = -1.0
    best_step: int = 0
    seconds: float = 0.0


def train_grpo(session: Session) -> Practised:
    """TRL's GRPOTrainer.

    Raises:
        InputError: a step's answers are no multiple of eight.
        ModelError: the loss is no number any more.
    """
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    return _train(session, GRPOTrainer, GRPOConfig)


def train_rloo(session: Session) -> Practised:
    """TRL's RLOOTrainer; raises as `train_grpo` does."""
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    return _train(session, RLOOTrainer, RLOOConfig)


def _train(session: Session, trainer_kind: Any, config_kind: Any) -> Practised:
    settings = session.settings
    if settings.batch_size % _GROUP or settings.batch_size % settings.micro_batch:
        raise InputError(
            f"--batch-size {settings.batch_size} must be a multiple of {_GROUP} answers to a "
            f"prompt and of --micro-batch {settings.micro_batch}"
        )
    prompts = len(session.train.prompts)
    steps = settings.steps or steps_of(prompts, settings.batch_size // _GROUP, settings.epochs)
    if session.world.first:
        session.log.rewind(last_checkpoint(session.output, _Progress)[1].step)
    session.world.wait()
    checkpoint, progress = last_checkpoint(session.output, _Progress)
    trainer = make_trainer(session, trainer_kind, config_kind, steps)
    trained = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    if progress.step < steps:
        watch = _Watch(session, progress, steps)
        watch.trainer = trainer
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(watch)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return Practised(progress.step, steps, progress.best_step, progress.seconds, trained)


def make_trainer(session: Session, trainer_kind: Any, config_kind: Any, steps: int) -> Any:
    """TRL's trainer of this kind, on a session's prompts and rewards."""
    from peft import LoraConfig

    settings, cuda = session.settings, session.device.startswith("cuda")
    tokenizer = session.tokenizer
    tokenizer.padding_side = "left"
    config = config_kind(
        output_dir=str(session.output / CHECKPOINTS),
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=settings.batch_size // settings.micro_batch,
        num_generations=_GROUP,
        max_completion_length=settings.max_response,
        temperature=settings.temperature,
        top_k=0,
        top_p=1.0,
        beta=settings.kl,
        epsilon=settings.clip,
        learning_rate=settings.rate,
        lr_scheduler_type="constant",
        max_grad_norm=settings.max_grad_norm,
        max_steps=steps,
        gradient_checkpointing=settings.gradient_checkpointing,
        chat_template_kwargs={"enable_thinking": False},
        generation_kwargs={"eos_token_id": stops_of(tokenizer)},
        seed=settings.seed,
        bf16=cuda,
        use_cpu=session.device == "cpu",
        dataloader_pin_memory=cuda,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        report_to="none",
    )
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=settings.rank, lora_alpha=settings.alpha, lora_dropout=0.0,
        target_modules="all-linear",
    )  # fmt: skip
    stages = session.variant.stages
    rows = [
        {"prompt": model_messages(session.train.items[number][0], stages), "number": number}
        for number, _ in session.train.prompts
    ]
    return trainer_kind(
        model=session.model,
        reward_funcs=_reward(session.train, session),
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora if settings.lora else None,
    )


def _reward(asked: Questions, session: Session) -> Callable[..., list[float]]:
    judge = judge_of(asked.items, session.variant)

    def stride_reward(
        completions: Sequence[Sequence[Mapping[str, str]]],
        number: Sequence[int],
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float]:
        """R of every completion; its parts go to the log."""
        found = [judge(n, said[0]["content"]) for n, said in zip(number, completions, strict=True)]
        if log_metric is not None:
            for part in found[0]:
                log_metric(part, sum(parts[part] for parts in found) / len(found))
        return [parts["reward"] for parts in found]

    return stride_reward


class _Watch(TrainerCallback):
    """The curve, held-out rewards, the best model, and what `--resume` needs."""

    def __init__(self, session: Session, progress: _Progress, steps: int) -> None:
        self.trainer: Any = None
        self._session = session
        self._progress = progress
        self._steps = steps
        self._since = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After every step, and once more at the very end, without a loss."""
        logs, session, progress = kwargs["logs"], self._session, self._progress
        if "loss" not in logs:
            return
        state.log_history.clear()
        step, settings = int(state.global_step), session.settings
        values = {"train/loss": float(logs["loss"])}
        for name, key in _LOGGED.items():
            if key in logs:
                values[name] = float(logs[key])
        broken = [name for name, value in values.items() if not math.isfinite(value)]
        if broken:
            raise ModelError(
                f"step {step}: {broken[0]} is no number; {session.output} keeps the state of step "
                f"{progress.step}: train into another folder with a smaller --rate"
            )
        due = step % settings.validate_every == 0 or step == self._steps
        if due:
            values |= {f"valid/{name}": x for name, x in self._validated().items()}
        if session.world.first:
            session.log.record(step, values)
        progress.step = step
        if due:
            self._compare(values["valid/reward"])
        control.should_save = step % settings.save_every == 0 or step == self._steps
        best = f"held-out reward {progress.best:.2f}" if progress.best_step else ""
        stage = f"reward {values.get('train/reward', 0.0):.2f}"
        session.show(Step(stage=stage, done=step, total=self._steps, best=best))

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        progress = self._progress
        progress.seconds += time.monotonic() - self._since
        self._since = time.monotonic()
        self._session.world.wait()
        if self._session.world.first:
            keep_checkpoint(self._session.output, progress)

    def _validated(self) -> dict[str, float]:
        session = self._session
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        tokenizer, sums = session.tokenizer, dict[str, float]()
        judge = judge_of(session.valid.items, session.variant)
        model.eval()
        answers = write(
            model,
            [tokens for _, tokens in session.valid.prompts],
            pad=tokenizer.pad_token_id,
            most=session.settings.max_response,
            ended=ending(tokenizer, stops_of(tokenizer)),
        )
        model.train()
        for (number, _), answer in zip(session.valid.prompts, answers, strict=True):
            text = tokenizer.decode(answer.tokens, skip_special_tokens=True)
            for name, value in judge(number, text).items():
                sums[name] = sums.get(name, 0.0) + value / len(answers)
        return sums

    def _compare(self, reward: float) -> None:
        progress, session = self._progress, self._session
        if reward <= progress.best:
            return
        progress.best, progress.best_step = reward, progress.step
        if session.world.first:
            _keep(self.trainer, session)


_LOGGED = {
    "train/reward": "reward",
    "train/format": "format",
    "train/emotion": "emotion",
    "train/strategy": "strategy",
    "train/kl": "kl",
    "train/entropy": "entropy",
    "train/length": "completions/mean_length",
}


def _keep(trainer: Any, session: Session) -> None:
    """Keep the actor whole, adapters merged into a copy of the weights they change."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not session.settings.lora:
        keep(model, session.tokenizer, session.output)
        return
    model.merge_adapter()
    try:
        weights = {
            name.replace(".base_layer", ""): tensor
            for name, tensor in model.get_base_model().state_dict().items()
            if "lora_" not in name
        }
        keep(model.get_base_model(), session.tokenizer, session.output, weights=weights)
    finally:
        model.unmerge_adapter()
