"""Fine-tuning an encoder for labels: resumable after every validation, bit for bit.

    token ids ─▶ steps of (batch → cross-entropy → AdamW) ─every `validate_every`─▶ macro-F1
              ─▶ last.safetensors, model.safetensors (best)

The order of an epoch follows from (seed, epoch), the dropout of a step from (seed, step), and
last.safetensors holds weights and optimiser: a run that was killed and resumed ends in the weights
of one that was not (same kind of machine, same number of threads).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from baselines.classifiers.contexts import ContextTokens
from baselines.classifiers.network import EncoderClassifier, build, log_probabilities, pad
from baselines.classifiers.scores import measure
from harness import checkpoint
from harness.checkpoint import Step
from harness.encoders import load_tokenizer
from harness.errors import ModelError
from harness.fitting import linear_rate, optimizer_tensors, restore_optimizer, shuffled_batches
from harness.training_log import TrainingLog

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.classifiers.rows import Rows
    from baselines.classifiers.settings import Settings

__all__ = ["ENCODER", "fit_encoder"]

# The encoder as it came, within the trained folder.
ENCODER = "encoder"
_CLIP = 1.0


@dataclass(slots=True)
class _Progress:
    """What a resumed run must know beside weights and optimiser."""

    step: int = 0
    best: float = -1.0
    best_step: int = 0
    since_best: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Run:
    """The things that stay while steps go by; `places` are the learnt labels' in the task."""

    folder: Path
    settings: Settings
    model: EncoderClassifier
    optimizer: torch.optim.AdamW
    weights: Tensor | None
    learn: Sequence[Sequence[int]]
    gold: Tensor
    stop_by: Sequence[Sequence[int]]
    stop_gold: Any
    places: Any
    labels: int
    padding: int
    device: str
    total: int
    per_epoch: int
    log: TrainingLog
    show: Callable[[Step], None]


def fit_encoder(
    learn: Rows,
    stop_by: Rows,
    folder: Path,
    *,
    settings: Settings,
    device: str,
    log: TrainingLog,
    show: Callable[[Step], None],
) -> dict[str, Any]:
    """Train on `learn`, stop by `stop_by`; how it went. `folder` holds the encoder already.

    Raises:
        ModelError: the encoder cannot read so much, or the loss is no number any more.
        StorageError: `folder` cannot be written.
    """
    run = _assemble(learn, stop_by, folder, settings, device, log, show)
    progress = _restore(run)
    log.rewind(progress.step)
    _loop(run, progress)
    best, _ = checkpoint.load(folder / checkpoint.BEST)
    run.model.load_state_dict(best, strict=False)
    return {
        "best_step": progress.best_step,
        "steps": progress.step,
        "early_stop": progress.since_best >= settings.patience,
        "validation": _validate(run),
        "parameters": sum(weights.numel() for weights in run.model.parameters()),
        "trained_parameters": sum(weights.numel() for weights in run.model.trained().values()),
        "fitting_seconds": progress.seconds,
    }


def _assemble(
    learn: Rows,
    stop_by: Rows,
    folder: Path,
    settings: Settings,
    device: str,
    log: TrainingLog,
    show: Callable[[Step], None],
) -> _Run:
    tokenizer = load_tokenizer(folder / ENCODER, max_len=settings.max_len, device=device).inner
    tokens = ContextTokens(tokenizer, settings.max_len, settings.history)
    places, gold = np.unique(learn.gold, return_inverse=True)
    model = build(
        folder / ENCODER,
        labels=len(places),
        max_len=settings.max_len,
        dropout=settings.dropout,
        frozen_layers=settings.frozen_layers,
        seed=settings.seed,
    ).to(device)
    groups = [
        {"params": [value for name, value in model.trained().items() if name.startswith(prefix)]}
        for prefix in ("inner.", "head.")
    ]
    counts = torch.bincount(torch.from_numpy(gold), minlength=len(places))
    per_epoch = math.ceil(len(learn) / settings.batch_size)
    total = settings.epochs * per_epoch
    return _Run(
        folder=folder,
        settings=settings,
        model=model,
        optimizer=torch.optim.AdamW(
            [group for group in groups if group["params"]], weight_decay=settings.weight_decay
        ),
        weights=(len(gold) / (len(places) * counts)).to(device) if settings.balanced else None,
        learn=[tokens(example) for example in learn.examples],
        gold=torch.from_numpy(gold),
        stop_by=[tokens(example) for example in stop_by.examples],
        stop_gold=stop_by.gold,
        places=places,
        labels=len(learn.labels),
        padding=tokenizer.pad_token_id or 0,
        device=device,
        total=min(total, settings.steps or total),
        per_epoch=per_epoch,
        log=log,
        show=show,
    )


def _loop(run: _Run, progress: _Progress) -> None:
    """Steps until the end or until validation stops getting better."""
    settings = run.settings
    every = settings.validate_every or run.per_epoch
    lengths = [len(row) for row in run.learn]
    batches: list[list[int]] = []
    epoch, losses = -1, list[float]()
    while progress.step < run.total and progress.since_best < settings.patience:
        started = time.monotonic()
        if progress.step // run.per_epoch != epoch:
            epoch = progress.step // run.per_epoch
            batches = shuffled_batches(
                lengths, size=settings.batch_size, seed=settings.seed, epoch=epoch
            )
        losses.append(_update(run, batches[progress.step % run.per_epoch], progress.step))
        progress.step += 1
        run.show(
            Step(
                stage=f"epoch {epoch + 1}",
                done=progress.step,
                total=run.total,
                loss=sum(losses) / len(losses),
                best=f"macro-F1 {progress.best:.1f}" if progress.best_step else "",
            )
        )
        progress.seconds += time.monotonic() - started
        if progress.step % every == 0 or progress.step == run.total:
            _validated(run, progress, losses)
            losses = []


def _update(run: _Run, batch: Sequence[int], step: int) -> float:
    """One step on the examples of these indices; its loss.

    Raises:
        ModelError: the loss is no number any more.
    """
    settings = run.settings
    factor = linear_rate(step / run.total, warm_up=settings.warm_up)
    rates = (settings.rate, settings.head_rate)[-len(run.optimizer.param_groups) :]
    for group, rate in zip(run.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor
    run.model.train()
    devices = [run.device] if run.device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(settings.seed * 1_000_003 + step + 1)
        tokens, mask = pad([run.learn[index] for index in batch], run.padding)
        logits = run.model(tokens.to(run.device), mask.to(run.device))
    gold = run.gold[list(batch)].to(run.device)
    loss = functional.cross_entropy(logits, gold, weight=run.weights)
    if not torch.isfinite(loss):
        raise ModelError(
            f"the loss is {loss.item()} at step {step + 1}; the last good state is in "
            f"{run.folder}: train into another folder with a smaller --rate"
        )
    run.optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(run.model.trained().values()), _CLIP)
    run.optimizer.step()
    return float(loss.item())


def _validate(run: _Run) -> dict[str, float]:
    scores = log_probabilities(run.model, run.stop_by, padding=run.padding, device=run.device)
    return measure(run.stop_gold, run.places[scores.argmax(-1).numpy()], run.labels)


def _validated(run: _Run, progress: _Progress, losses: Sequence[float]) -> None:
    """Measure on the held-out side and keep the state; `losses` are those since the last time."""
    started = time.monotonic()
    found = _validate(run)
    progress.seconds += time.monotonic() - started
    rate = run.settings.rate * linear_rate(progress.step / run.total, warm_up=run.settings.warm_up)
    values = {"train/loss": sum(losses) / len(losses), "rate": rate}
    run.log.record(progress.step, values | {f"valid/{name}": v for name, v in found.items()})
    weights = run.model.trained()
    progress.since_best += 1
    if found["macro_f1"] > progress.best:
        progress.best, progress.best_step = found["macro_f1"], progress.step
        progress.since_best = 0
        checkpoint.save(run.folder / checkpoint.BEST, weights, {"step": progress.step})
    tensors = {f"model.{name}": value for name, value in weights.items()}
    tensors |= optimizer_tensors(run.optimizer)
    checkpoint.save(run.folder / checkpoint.LAST, tensors, asdict(progress))


def _restore(run: _Run) -> _Progress:
    """The state of last.safetensors, with the run set to it; else the beginning."""
    path = run.folder / checkpoint.LAST
    if not path.is_file():
        return _Progress()
    tensors, state = checkpoint.load(path)
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    run.model.load_state_dict(weights, strict=False)
    restore_optimizer(run.optimizer, tensors)
    return replace(_Progress(), **state)
