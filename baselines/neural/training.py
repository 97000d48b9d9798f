"""Training from scratch: Noam-scheduled Adam, validation perplexity, early stop, exact resume.

    examples ─▶ vocabulary, batches ─▶ steps of (encode → word loss + terms → Adam)
             ─▶ every `validate_every` steps: perplexity, accuracy, both checkpoints

What a step draws (order of examples, dropout, oracle) follows from the seed and the step's number
alone, and last.safetensors holds weights and optimiser: a run that was killed and resumed ends in
the weights of one that was not (same kind of machine, same number of threads).

The word loss is the mean over tokens, and perplexity is exp of the summed loss over all tokens of
the validation set, EOS included: never a mean of batch means.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from baselines.neural.batches import Batch, Encoded, collate, encode, shuffled, sorted_batches
from baselines.neural.parallel import World, join
from baselines.neural.settings import Settings, assemble, check
from baselines.neural.vocabulary import PAD, Vocabulary, build
from harness import checkpoint
from harness.checkpoint import Step
from harness.errors import DataError, ModelError
from harness.files import canonical_json, sha256_text

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.architecture import Architecture
    from harness.dialogue import Example

__all__ = ["VOCABULARY", "Trained", "noam", "train", "validate", "word_loss"]

VOCABULARY = "vocabulary.json"


@dataclass(slots=True)
class Progress:
    """What a resumed run must know beside weights and optimiser."""

    step: int = 0
    best: float = math.inf
    best_step: int = 0
    since_best: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` leaves: the folder, how it went, and what the model knows."""

    folder: Path
    progress: Progress
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    parameters: int
    finished: bool


@dataclass(frozen=True, slots=True)
class _Run:
    """The things that stay while steps go by."""

    folder: Path
    settings: Settings
    model: Architecture
    optimizer: torch.optim.Adam
    train: Sequence[Encoded]
    valid: Sequence[Encoded]
    device: str
    show: Callable[[Step], None]
    world: World


def train(
    examples: Sequence[Example],
    held_out: Sequence[Example],
    output: Path,
    *,
    settings: Settings,
    resume: bool = False,
    device: str = "cpu",
    show: Callable[[Step], None] = lambda step: None,
) -> Trained:
    """Train on `examples`, stop by `held_out`; model.safetensors holds the best weights.

    Raises:
        DataError: there is no example, or a dialogue stands on both sides.
        InputError: settings that cannot work, or `output` holds another run.
        ModelError: the loss is no number any more; the last good checkpoint stays.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    check(settings)
    _check_split(examples, held_out)
    labels = tuple(sorted({gold for e in examples if (gold := _gold(e, settings))}))
    texts = [text for e in examples for text in (*(t.text for t in e.context), e.reference)]
    vocabulary = build(texts, min_count=settings.min_count)
    data = sha256_text(canonical_json([[e.id for e in examples], [e.id for e in held_out]]))[:16]
    world = join()
    with checkpoint.locked(output) if world.first else nullcontext():
        if world.first:
            wanted = {**asdict(settings), "data": data}
            checkpoint.prepare(output, wanted, resume=resume, may_grow=("steps", "patience"))
            vocabulary.save(output / VOCABULARY)
        world.wait()
        model = assemble(settings, vocabulary=len(vocabulary), labels=labels).to(device)
        rows, valid = (
            [_encoded(e, vocabulary, labels, settings) for e in side]
            for side in (examples, held_out)
        )
        optimizer = torch.optim.Adam(
            model.parameters(), lr=0.0, betas=(0.9, 0.98), eps=1e-9, fused=True
        )
        run = _Run(output, settings, model, optimizer, rows, valid, device, show, world)
        progress = _loop(run)
    return Trained(
        folder=output,
        progress=progress,
        vocabulary=vocabulary,
        labels=labels,
        parameters=sum(weights.numel() for weights in model.parameters()),
        finished=_finished(progress, settings),
    )


def _check_split(examples: Sequence[Example], held_out: Sequence[Example]) -> None:
    if not examples or not held_out:
        raise DataError("training needs examples to learn from and others to stop by; found none")
    both = {e.dialogue_id for e in examples} & {e.dialogue_id for e in held_out}
    if both:
        raise DataError(f"{len(both)} dialogues are on both sides, such as {min(both)}")


def _gold(example: Example, settings: Settings) -> str | None:
    return example.emotion if settings.label == "emotion" else example.strategy


def _encoded(
    example: Example, vocabulary: Vocabulary, labels: Sequence[str], settings: Settings
) -> Encoded:
    return encode(
        example,
        vocabulary,
        labels,
        label=_gold(example, settings),
        max_context=settings.max_context,
        max_target=settings.max_target,
    )


def _finished(progress: Progress, settings: Settings) -> bool:
    return progress.step >= settings.steps or progress.since_best >= settings.patience


def _loop(run: _Run) -> Progress:
    """Steps until the end or until validation stops getting better."""
    settings, progress = run.settings, _restore(run)
    per_epoch = math.ceil(len(run.train) / settings.batch_size)
    batches: list[list[int]] = []
    epoch = -1
    losses: list[float] = []
    while not _finished(progress, settings):
        started = time.monotonic()
        if progress.step // per_epoch != epoch:
            epoch = progress.step // per_epoch
            batches = shuffled(run.train, size=settings.batch_size, seed=settings.seed, epoch=epoch)
        chosen = [run.train[i] for i in batches[progress.step % per_epoch]]
        losses.append(_step(run, chosen, progress.step))
        progress.step += 1
        run.show(
            Step(
                stage=f"epoch {epoch + 1}",
                done=progress.step,
                total=settings.steps,
                loss=sum(losses[-100:]) / len(losses[-100:]),
                best=f"PPL {progress.best:.2f}" if progress.history else "",
            )
        )
        progress.seconds += time.monotonic() - started
        if progress.step % settings.validate_every == 0 or progress.step == settings.steps:
            _validated(run, progress)
    return progress


def _step(run: _Run, rows: Sequence[Encoded], step: int) -> float:
    """One update on a batch, of which this process reads its share; the batch's word loss."""
    settings, world = run.settings, run.world
    # A batch smaller than the number of processes gives some a row of the others, at weight 0.
    mine = world.share(rows)
    batch = collate(mine or rows[:1]).to(run.device)
    run.model.train()
    seed = settings.seed * 1_000_003 + step
    for group in run.optimizer.param_groups:
        group["lr"] = noam(step + 1, settings)
    with torch.random.fork_rng(), _autocast(run.device):
        torch.manual_seed(seed)
        memory = run.model.encode(batch, draw=torch.Generator().manual_seed(seed))
        words = word_loss(run.model, memory, batch, smoothing=settings.smoothing)
        parts = {"words": words, **run.model.terms(memory, batch)}
        weight = 1.0 if mine else 0.0
        counts = world.totals([weight * number for _, number in parts.values()])
        shares = [
            weight * loss / max(over, 1.0)
            for (loss, _), over in zip(parts.values(), counts, strict=True)
        ]
        total = torch.stack(shares).sum()
    value, word_mean = world.totals([total.item(), shares[0].item()])
    if not math.isfinite(value):
        raise ModelError(
            f"the loss is {value} at step {step + 1}; the last good state is in {run.folder}: "
            "train into another folder with a smaller --rate"
        )
    run.optimizer.zero_grad()
    total.backward()
    world.sum_gradients(run.model)
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), settings.clip)
    run.optimizer.step()
    return word_mean


def _autocast(device: str) -> torch.autocast:
    """bfloat16 where the hardware has it; on a CPU it is slower than float32."""
    return torch.autocast(device.split(":")[0], torch.bfloat16, enabled=device.startswith("cuda"))


def noam(step: int, settings: Settings) -> float:
    """The learning rate of step 1, 2, … (Vaswani et al. 2017, eq. 3)."""
    slope = float(min(step**-0.5, step * settings.warm_up**-1.5))
    return settings.rate * float(settings.width**-0.5) * slope


def word_loss(
    model: Architecture, memory: Any, batch: Batch, *, smoothing: float = 0.0
) -> tuple[Tensor, int]:
    """Label-smoothed -ln p summed over the replies' words and ends; how many there are."""
    wanted = batch.target != PAD
    logits = model.logits(memory, batch.shifted, wanted).float()
    target = batch.target[wanted]
    loss = functional.cross_entropy(logits, target, label_smoothing=smoothing, reduction="sum")
    return loss, len(target)


def _validated(run: _Run, progress: Progress) -> None:
    """Measure on the held-out side and keep the state."""
    started = time.monotonic()
    found = validate(run.model, run.valid, device=run.device, world=run.world)
    progress.seconds += time.monotonic() - started
    progress.history.append({"step": progress.step, **found})
    progress.since_best += 1
    if found["ppl"] < progress.best:
        progress.best, progress.best_step, progress.since_best = found["ppl"], progress.step, 0
        if run.world.first:
            checkpoint.save(
                run.folder / checkpoint.BEST, run.model.state_dict(), {"step": progress.step}
            )
    tensors = {f"model.{name}": value for name, value in run.model.state_dict().items()}
    tensors |= {
        f"optimizer.{index}.{key}": value
        for index, moments in run.optimizer.state_dict()["state"].items()
        for key, value in moments.items()
    }
    if run.world.first:
        checkpoint.save(run.folder / checkpoint.LAST, tensors, asdict(progress))
    run.world.wait()


def _restore(run: _Run) -> Progress:
    """The state of last.safetensors, with model and optimiser set to it; else the beginning."""
    path = run.folder / checkpoint.LAST
    if not path.is_file():
        return Progress()
    tensors, state = checkpoint.load(path)
    weights = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
    run.model.load_state_dict(weights)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            moments.setdefault(int(index), {})[key] = tensor
    groups = run.optimizer.state_dict()["param_groups"]
    run.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return Progress(**state)


@torch.inference_mode()
def validate(
    model: Architecture,
    rows: Sequence[Encoded],
    *,
    device: str = "cpu",
    size: int = 64,
    world: World | None = None,
) -> dict[str, float]:
    """Token-weighted perplexity; accuracy of the label in percent where the model names one."""
    model.eval()
    summed, words, right, labelled = 0.0, 0.0, 0.0, 0.0
    world = world or World()
    for indices in world.share(sorted_batches(rows, size=size)):
        batch = collate([rows[i] for i in indices]).to(device)
        memory = model.encode(batch)
        nll, count = word_loss(model, memory, batch)
        summed, words = summed + float(nll), words + count
        if memory.emotion is not None:
            known = batch.label >= 0
            right += int((memory.emotion.argmax(-1) == batch.label)[known].sum())
            labelled += int(known.sum())
    summed, words, right, labelled = world.totals([summed, words, right, labelled])
    found = {"ppl": math.exp(min(summed / words, 700.0))}
    return found | ({"accuracy": 100 * right / labelled} if labelled else {})
