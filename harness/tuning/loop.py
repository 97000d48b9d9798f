"""The steps themselves: TRL's SFTTrainer or transformers' Seq2SeqTrainer, watched by one callback.

    every step                 loss finite? progress
    every `validate_every`     NLL of all held-out tokens ─▶ curve ─▶ best weights ─▶ checkpoint

A checkpoint counts once its progress.json stands, which is written last; older ones go after that.
What the trainer draws (order of rows, dropout) comes back with the checkpoint, so that a run that
was killed and resumed ends in the weights of one that was not.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from datasets import Dataset
from torch.nn import functional
from transformers import (
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from harness.checkpoint import Step
from harness.errors import ModelError, StorageError
from harness.files import write_atomic
from harness.parallel import World
from harness.training_log import TrainingLog
from harness.tuning.bases import Kind
from harness.tuning.kept import keep
from harness.tuning.passes import padded, start_token
from harness.tuning.tokens import IGNORED, Rows

__all__ = [
    "CHECKPOINTS",
    "Collator",
    "Fitting",
    "Measure",
    "Progress",
    "fit",
    "keep_checkpoint",
    "last_checkpoint",
    "steps_per_epoch",
    "token_loss",
]

CHECKPOINTS = "checkpoints"
_PROGRESS = "progress.json"
# What else is measured of the model at a validation, beside its loss.
Measure = Callable[[Any], Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """How a model is fitted: `batch_size` is of one process and one pass, `steps` of optimisers.

    `rate` falls linearly to 0 after `warm_up` (a share of all steps). `grouped`: batches of rows of
    like length, for less padding.
    """

    kind: Kind
    steps: int
    batch_size: int
    accumulate: int
    rate: float
    warm_up: float
    validate_every: int
    patience: int
    gradient_checkpointing: bool
    seed: int
    device: str
    grouped: bool = False


class _Counts(Protocol):
    step: int


P = TypeVar("P", bound=_Counts)


@dataclass(slots=True)
class Progress:
    """How far a run is; what a resumed one must know beside the trainer's own state."""

    step: int = 0
    best: float = sys.float_info.max  # infinity has no JSON
    best_step: int = 0
    since_best: int = 0
    seconds: float = 0.0

    def finished(self, steps: int, patience: int) -> bool:
        return self.step >= steps or self.since_best >= patience


def steps_per_epoch(rows: int, batch_size: int, accumulate: int, *, processes: int = 1) -> int:
    """Optimizer steps in one pass over `rows`, a last incomplete one included."""
    return math.ceil(math.ceil(rows / (batch_size * processes)) / accumulate)


def last_checkpoint(folder: Path, kind: type[P]) -> tuple[Path | None, P]:
    """The newest whole checkpoint and its progress; what a kill left half written is removed.

    Raises:
        StorageError: a checkpoint's progress cannot be read.
    """
    found: list[tuple[P, Path]] = []
    for path in sorted((folder / CHECKPOINTS).glob("checkpoint-*")):
        try:
            text = (path / _PROGRESS).read_text(encoding="utf-8")
            found.append((kind(**json.loads(text)), path))
        except FileNotFoundError:
            shutil.rmtree(path)
        except (OSError, ValueError, TypeError) as error:
            raise StorageError(f"{path}: is damaged ({error}); delete it and resume") from error
    if not found:
        return None, kind()
    progress, path = max(found, key=lambda item: item[0].step)
    return path, progress


def keep_checkpoint(folder: Path, progress: Any) -> None:
    """Make the checkpoint of `progress.step` whole, and remove the older ones.

    Raises:
        StorageError: the disk refuses.
    """
    place = folder / CHECKPOINTS / f"checkpoint-{progress.step}"
    write_atomic(place / _PROGRESS, json.dumps(asdict(progress)) + "\n")
    for path in place.parent.glob("checkpoint-*"):
        if path != place:
            shutil.rmtree(path)


def fit(
    model: Any,
    tokenizer: Any,
    train: Rows,
    valid: Rows,
    folder: Path,
    *,
    fitting: Fitting,
    log: TrainingLog,
    show: Callable[[Step], None],
    measure: Measure = lambda model: {},
    world: World = World(),  # noqa: B008 (frozen)
) -> Progress:
    """Train until all steps are made or validation stops getting better, from the last checkpoint.

    Of several processes the first alone writes.

    Raises:
        ModelError: the loss is no number any more; the last good checkpoint stays.
        OSError: the disk refuses; torch and safetensors raise their own as well.
    """
    if world.first:
        log.rewind(last_checkpoint(folder, Progress)[1].step)
    world.wait()
    checkpoint, progress = last_checkpoint(folder, Progress)
    if progress.finished(fitting.steps, fitting.patience):
        return progress
    watch = _Watch(tokenizer, valid, folder, fitting, progress, log, show, measure, world)
    trainer = _trainer(model, tokenizer, train, folder, fitting)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(watch)
    watch.trainer = trainer
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return progress


def _trainer(model: Any, tokenizer: Any, train: Rows, folder: Path, fitting: Fitting) -> Any:
    cuda = fitting.device.startswith("cuda")
    options: dict[str, Any] = {
        "output_dir": str(folder / CHECKPOINTS),
        "per_device_train_batch_size": fitting.batch_size,
        "gradient_accumulation_steps": fitting.accumulate,
        "max_steps": fitting.steps,
        "learning_rate": fitting.rate,
        "warmup_steps": round(fitting.steps * fitting.warm_up),
        "lr_scheduler_type": "linear",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "gradient_checkpointing": fitting.gradient_checkpointing,
        "train_sampling_strategy": "group_by_length" if fitting.grouped else "random",
        "seed": fitting.seed,
        "bf16": cuda,
        "use_cpu": fitting.device == "cpu",
        "dataloader_pin_memory": cuda,
        # Validation and checkpoints are the callback's, which hears of every step's loss.
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        "report_to": "none",
    }
    data = Dataset.from_list(list(train.rows))
    if fitting.kind == "causal":
        config = SFTConfig(**options, max_length=None)
        return _Causal(model=model, args=config, train_dataset=data, processing_class=tokenizer)
    return Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(**options, remove_unused_columns=False),
        train_dataset=data,
        processing_class=tokenizer,
        data_collator=Collator(start_token(model), tokenizer.pad_token_id),
        compute_loss_func=token_loss,
    )


class _Causal(SFTTrainer):
    """SFTTrainer without its README.md beside every checkpoint: the folder has a card."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        return


@dataclass(frozen=True, slots=True)
class Collator:
    """Rows of an encoder–decoder to a batch; the decoder reads its labels shifted by one."""

    start: int
    pad: int

    def __call__(self, rows: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, torch.Tensor]:
        tokens, mask = padded([row["input_ids"] for row in rows], self.pad, left=False)
        labels, _ = padded([row["labels"] for row in rows], IGNORED, left=False)
        shifted = labels.roll(1, dims=1)
        shifted[:, 0] = self.start
        return {
            "input_ids": tokens,
            "attention_mask": mask,
            "labels": labels,
            "decoder_input_ids": shifted.masked_fill(shifted == IGNORED, self.pad),
        }


def token_loss(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Mean NLL per token of the whole step, whatever the number of accumulated batches."""
    loss = functional.cross_entropy(
        outputs.logits.flatten(0, 1).float(), labels.flatten(), reduction="sum"
    )
    return loss / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


class _Watch(TrainerCallback):
    """Measures, records, keeps and ends; see the module's head."""

    def __init__(
        self,
        tokenizer: Any,
        valid: Rows,
        folder: Path,
        fitting: Fitting,
        progress: Progress,
        log: TrainingLog,
        show: Callable[[Step], None],
        measure: Measure,
        world: World,
    ) -> None:
        self.trainer: Any = None
        self._tokenizer = tokenizer
        self._valid = valid
        self._folder = folder
        self._fitting = fitting
        self._progress = progress
        self._log = log
        self._show = show
        self._measure = measure
        self._world = world
        self._losses: list[float] = []
        self._since = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """After every step, and once more at the very end, without a loss."""
        logs = kwargs["logs"]
        if "loss" not in logs:
            return
        state.log_history.clear()  # the curve is ours; theirs would grow by a row a step
        loss, step, progress = float(logs["loss"]), int(state.global_step), self._progress
        if not math.isfinite(loss) or not math.isfinite(float(logs.get("grad_norm", 0.0))):
            raise ModelError(
                f"the loss is {loss} at step {step}; {self._folder} keeps the state of step "
                f"{progress.step}: train into another folder with a smaller --rate"
            )
        self._losses.append(loss)
        self._show(
            Step(
                stage=f"epoch {math.ceil(state.epoch)}",
                done=step,
                total=self._fitting.steps,
                loss=sum(self._losses) / len(self._losses),
                best=f"PPL {math.exp(progress.best):.2f}" if progress.best_step else "",
            )
        )
        if step % self._fitting.validate_every and step < self._fitting.steps:
            return
        self._validated(step, float(logs["learning_rate"]))
        control.should_save = True
        control.should_training_stop = progress.finished(
            self._fitting.steps, self._fitting.patience
        )

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        progress = self._progress
        progress.seconds += time.monotonic() - self._since
        self._since = time.monotonic()
        self._world.wait()
        if self._world.first:
            keep_checkpoint(self._folder, progress)

    def _validated(self, step: int, rate: float) -> None:
        found = validate(self.trainer, self._valid, self._fitting.batch_size, self._measure)
        values = {"train/loss": sum(self._losses) / len(self._losses), "rate": rate}
        if self._world.first:
            self._log.record(step, values | {f"valid/{name}": x for name, x in found.items()})
        self._losses = []
        progress = self._progress
        progress.step, progress.since_best = step, progress.since_best + 1
        if found["loss"] < progress.best:
            progress.best, progress.best_step, progress.since_best = found["loss"], step, 0
            self._keep()

    def _keep(self) -> None:
        accelerator, model = self.trainer.accelerator, self.trainer.model
        # Gathering is the work of all processes, where each holds a part. DeepSpeed's engine, which
        # can, is the wrapped model; under FSDP the two are one.
        whole = self.trainer.model_wrapped
        weights = accelerator.get_state_dict(whole) if self._world.size > 1 else None
        if self._world.first:
            keep(accelerator.unwrap_model(model), self._tokenizer, self._folder, weights=weights)


def validate(trainer: Any, valid: Rows, size: int, measure: Measure) -> dict[str, float]:
    """Loss and perplexity per token of `valid`, in batches of `size` rows; what `measure` finds."""
    model = trainer.model
    ordered = sorted(valid.rows, key=lambda row: len(row["input_ids"]))
    total, count = 0.0, 0
    model.eval()
    for start in range(0, len(ordered), size):
        batch = trainer._prepare_inputs(trainer.data_collator(ordered[start : start + size]))
        tokens = int((batch["labels"] != IGNORED).sum())
        with torch.no_grad(), trainer.compute_loss_context_manager():
            total += float(trainer.compute_loss(model, batch)) * tokens
        count += tokens
    with trainer.compute_loss_context_manager():
        more = measure(model)
    model.train()
    loss = total / count
    return {"loss": loss, "ppl": math.exp(min(loss, 700.0)), **more}
