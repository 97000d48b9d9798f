"""Fitting the EPITOME classifier: resumable after every epoch, bit for bit.

    pairs ─split─▶ seeker states, computed once ─▶ epochs of (batches → loss → AdamW) ─▶ validation
          ─▶ last.safetensors, model.safetensors (best) ─▶ … ─▶ test ─▶ card.json, README.md

Batch order and dropout of an epoch follow from (seed, epoch) alone, and `last.safetensors` holds
weights and optimizer, so a run that was killed and resumed ends in the weights of one that was not
(same machine kind, same number of threads).

The loss is the sum over mechanisms of the cross-entropy, levels weighted by the square root of
their inverse frequency: weak explorations are 3 % of the pairs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import checkpoint
from harness.checkpoint import Step
from harness.epitome.data import (
    LEVELS,
    MECHANISMS,
    Pair,
    Split,
    fingerprint,
    read_epitome,
    split_pairs,
)
from harness.epitome.settings import ENCODER, Settings, check
from harness.errors import InputError
from harness.fitting import linear_rate, optimizer_tensors, restore_optimizer, shuffled_batches
from harness.training_log import TrainingLog

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.encoders import Tokenizer
    from harness.epitome.model import BiEncoder

__all__ = ["train_epitome"]

_WARM_UP = 0.1


@dataclass(slots=True)
class _State:
    """What a resumed run must know beside the weights."""

    epoch: int
    best: float
    best_epoch: int
    seconds: float
    history: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Run:
    """The things that stay while epochs go by."""

    folder: Path
    settings: Settings
    split: Split
    model: BiEncoder
    tokenizer: Tokenizer
    seekers: Mapping[str, Tensor]
    optimizer: torch.optim.AdamW
    weights: Tensor
    show: Callable[[Step], None]
    log: TrainingLog


def train_epitome(
    data: str | Path,
    output: str | Path,
    *,
    settings: Settings | None = None,
    encoder: str | None = None,
    limit: int | None = None,
    resume: bool = False,
    device: str = "cpu",
    show: Callable[[Step], None] = lambda step: None,
    mirror: Callable[[Path], None] | None = None,
) -> dict[str, Any]:
    """Fit a classifier on the three CSV files below `data`; the card of what came out.

    `limit` takes the first pairs only; `encoder` is a folder or an id, the packaged MiniLM if None.
    `mirror` is called with `output` after every epoch and at the end.

    Raises:
        DataError: the files are missing or damaged, or too few pairs are left.
        ModelError: the encoder cannot be loaded.
        InputError: `output` holds another run, or one that `resume` was not given for.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    from harness.encoders import encoder_name, keep_encoder
    from harness.epitome.card import finished_card, write_card

    settings = settings or Settings()
    check(settings, limit)
    pairs = read_epitome(data)[:limit]
    split = split_pairs(pairs, seed=settings.seed)
    asked = {
        **asdict(settings),
        "encoder": encoder_name(encoder),
        "limit": limit,
        "data": fingerprint(pairs),
    }
    folder = Path(output)
    with checkpoint.locked(folder):
        checkpoint.prepare(folder, asked, resume=resume)
        done = finished_card(folder)
        if done is not None:
            if mirror is not None:
                mirror(folder)
            return done
        encoder_hash = keep_encoder(encoder, folder / ENCODER)
        run = _assemble(folder, settings, split, device, show, TrainingLog(folder, mirror=mirror))
        state = _run_epochs(run)
        best, _ = checkpoint.load(folder / checkpoint.BEST)
        run.model.load_state_dict(best, strict=False)
        return write_card(
            folder,
            run.log,
            asked=asked,
            encoder_hash=encoder_hash,
            split=split,
            state=asdict(state),
            parameters=sum(value.numel() for value in run.model.parameters()),
            predicted={side: _predict(run, getattr(split, side)) for side in ("valid", "test")},
        )


def _assemble(
    folder: Path,
    settings: Settings,
    split: Split,
    device: str,
    show: Callable[[Step], None],
    log: TrainingLog,
) -> _Run:
    import torch

    from harness.epitome.classifier import build, encode_seekers
    from harness.epitome.model import trained_parameters

    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        model, tokenizer = build(
            folder,
            max_len=settings.max_len,
            dropout=settings.dropout,
            frozen_layers=settings.frozen_layers,
            device=device,
        )
    posts = [pair.seeker for side in (split.train, split.valid, split.test) for pair in side]
    seekers = encode_seekers(
        model,
        tokenizer,
        posts,
        progress=lambda done, total: show(Step(stage="seeker posts", done=done, total=total)),
    )
    trained = trained_parameters(model)
    groups = [
        {"params": [value for name, value in trained.items() if name.startswith(prefix)]}
        for prefix in ("response.", "mechanisms.")
    ]
    optimizer = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    return _Run(
        folder=folder,
        settings=settings,
        split=split,
        model=model,
        tokenizer=tokenizer,
        seekers=seekers,
        optimizer=optimizer,
        weights=_level_weights(split.train).to(device),
        show=show,
        log=log,
    )


def _level_weights(pairs: Sequence[Pair]) -> Tensor:
    """(mechanisms, 3): √(n / (3 · count)) of each level; 1 for a level that never occurs."""
    import torch

    levels = torch.tensor([pair.levels for pair in pairs])
    counts = torch.stack([torch.bincount(column, minlength=LEVELS) for column in levels.T])
    weights = (len(pairs) / (LEVELS * counts.clamp(min=1))).sqrt()
    return torch.where(counts > 0, weights, torch.ones_like(weights))


def _run_epochs(run: _Run) -> _State:
    """Train to the end or until validation stops getting better, saving after every epoch."""
    from harness.epitome.model import trained_parameters

    state = _restore(run)
    run.log.rewind(state.epoch)
    while state.epoch < run.settings.epochs:
        if state.epoch - state.best_epoch >= run.settings.patience and state.history:
            break
        started = time.monotonic()
        loss = _train_epoch(run, state)
        score, per_mechanism = _validate(run)
        state.epoch += 1
        state.seconds += time.monotonic() - started
        state.history.append(
            {"epoch": state.epoch, "loss": loss, "macro_f1": score, **per_mechanism}
        )
        values = {"train/loss": loss, "valid/macro_f1": 100 * score}
        values |= {f"valid/{name}_f1": 100 * f1 for name, f1 in per_mechanism.items()}
        run.log.record(state.epoch, values)
        weights = trained_parameters(run.model)
        if score > state.best:
            state.best, state.best_epoch = score, state.epoch
            checkpoint.save(run.folder / checkpoint.BEST, weights, {"epoch": state.epoch})
        tensors = {f"model.{name}": value for name, value in weights.items()}
        tensors |= optimizer_tensors(run.optimizer)
        checkpoint.save(run.folder / checkpoint.LAST, tensors, asdict(state))
    return state


def _restore(run: _Run) -> _State:
    """The state of `last.safetensors`, with weights and optimizer set to it; else the beginning."""
    path = run.folder / checkpoint.LAST
    if not path.is_file():
        return _State(epoch=0, best=-1.0, best_epoch=0, seconds=0.0, history=[])
    tensors, state = checkpoint.load(path)
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    run.model.load_state_dict(weights, strict=False)
    restore_optimizer(run.optimizer, tensors)
    return _State(**state)


def _train_epoch(run: _Run, state: _State) -> float:
    """One pass over the training pairs; the mean loss."""
    import torch
    from torch.nn import functional

    from harness.epitome.model import trained_parameters

    settings, pairs = run.settings, run.split.train
    lengths = [len(pair.response) for pair in pairs]
    batches = shuffled_batches(
        lengths, size=settings.batch_size, seed=settings.seed, epoch=state.epoch
    )
    total = len(batches) * settings.epochs
    parameters = list(trained_parameters(run.model).values())
    best = f"macro-F1 {100 * state.best:.1f}" if state.history else ""
    losses = 0.0
    run.model.train()
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed * 100_003 + state.epoch + 1)
        for number, batch in enumerate(batches):
            done = state.epoch * len(batches) + number
            _set_rates(run.optimizer, settings, done / total)
            rows = [pairs[index] for index in batch]
            logits = _forward(run, rows)
            gold = torch.tensor([pair.levels for pair in rows], device=logits.device)
            loss = sum(
                functional.cross_entropy(logits[:, m], gold[:, m], weight=run.weights[m])
                for m in range(len(MECHANISMS))
            )
            run.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            run.optimizer.step()
            losses += loss.item()
            mean = losses / (number + 1)
            name = f"epoch {state.epoch + 1}/{settings.epochs}"
            run.show(Step(stage=name, done=done + 1, total=total, loss=mean, best=best))
    return losses / len(batches)


def _set_rates(optimizer: torch.optim.AdamW, settings: Settings, progress: float) -> None:
    """Linear warm-up, then linear decay to nothing; `progress` runs from 0 to 1."""
    factor = linear_rate(progress, warm_up=_WARM_UP)
    rates = (settings.learning_rate, settings.head_learning_rate)
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate * factor


def _forward(run: _Run, rows: Sequence[Pair]) -> Tensor:
    """B pairs → (B, mechanisms, 3) logits."""
    tokens, mask = run.tokenizer([pair.response for pair in rows])
    logits: Tensor = run.model([run.seekers[pair.seeker] for pair in rows], tokens, mask)
    return logits


def _validate(run: _Run) -> tuple[float, dict[str, float]]:
    """Macro-F1 on the validation pairs, in shares of 1: mean over mechanisms, and each."""
    import numpy as np

    from harness.epitome.evaluation import macro_f1

    gold = np.array([pair.levels for pair in run.split.valid])
    predicted = _predict(run, run.split.valid)
    codes = np.eye(LEVELS * LEVELS)[gold * LEVELS + predicted].sum(0)
    scores = macro_f1(codes) / 100
    if not all(map(math.isfinite, scores)):
        raise InputError("the validation pairs are too few for a score; raise --limit")
    return float(scores.mean()), dict(zip(MECHANISMS, map(float, scores), strict=True))


def _predict(run: _Run, pairs: Sequence[Pair]) -> NDArray[np.int64]:
    """n pairs → (n, mechanisms) most probable levels."""
    import numpy as np
    import torch

    run.model.eval()
    with torch.inference_mode():
        parts = [
            _forward(run, pairs[start : start + 64]).argmax(-1).cpu().numpy()
            for start in range(0, len(pairs), 64)
        ]
    return np.concatenate(parts).astype(np.int64)
