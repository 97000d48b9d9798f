"""Fine-tuning of a task's baseline: from examples, with a leak rule, to a kept model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.pretrained.models import build, label_ids
from baselines.pretrained.rows import make_rows
from baselines.pretrained.settings import Settings, check
from harness.checkpoint import Step
from harness.errors import DataError
from harness.files import canonical_json, sha256_text
from harness.tuning.bases import Base, find_base
from harness.tuning.passes import first_logits
from harness.tuning.tokens import IGNORED, Rows
from harness.tuning.training import Fitted, Job, tune

if TYPE_CHECKING:
    from harness.dialogue import Example
    from harness.tuning.loop import Fitting, Measure

__all__ = ["Trained", "train"]


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` leaves: how it was asked, upon which base, and how it went."""

    settings: Settings
    base: Base
    run: Fitted


def train(
    examples: Sequence[Example],
    held_out: Sequence[Example],
    output: Path,
    *,
    settings: Settings,
    resume: bool = False,
    device: str = "cpu",
    mirror: Callable[[Path], None] | None = None,
    show: Callable[[Step], None] = lambda step: None,
) -> Trained:
    """Fine-tune `settings.base` on `examples`, stop by `held_out`; `output`/model is the best.

    Raises:
        DataError: no example fits, or a dialogue stands on both sides.
        InputError: settings that cannot work, or `output` holds another run.
        ModelError: the base cannot be loaded, or the loss is no number any more.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    check(settings)
    _check_split(examples, held_out)
    base = find_base(settings.base)
    data = sha256_text(canonical_json([[e.id for e in examples], [e.id for e in held_out]]))[:16]

    def rows(tokenizer: Any, positions: int | None) -> tuple[Rows, Rows]:
        learn, stop_by = (
            make_rows(side, tokenizer, settings, positions=positions)
            for side in (examples, held_out)
        )
        return learn, stop_by

    # Adapters learn in float32 beside a frozen base; a base that learns needs float32 itself.
    dtype = "bfloat16" if settings.lora and device.startswith("cuda") else "float32"
    job = Job(
        wanted={**asdict(settings), "base_revision": base.revision, "data": data},
        seed=settings.seed,
        max_len=settings.max_len,
        build=lambda: build(settings, base, dtype=dtype),
        rows=rows,
        fitting=lambda count, processes: _fitting(settings, count, processes, device),
        measure=(lambda tokenizer, valid: _accuracy(tokenizer, valid, settings))
        if settings.joint
        else None,
    )
    run = tune(job, output, resume=resume, device=device, mirror=mirror, show=show)
    return Trained(settings, base, run)


def _fitting(settings: Settings, rows: int, processes: int, device: str) -> Fitting:
    from harness.tuning.loop import Fitting, steps_per_epoch

    per_epoch = steps_per_epoch(rows, settings.batch_size, settings.accumulate, processes=processes)
    return Fitting(
        kind=settings.kind,
        steps=settings.steps or max(1, round(settings.epochs * per_epoch)),
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        rate=settings.rate,
        warm_up=settings.warm_up,
        validate_every=settings.validate_every,
        patience=settings.patience,
        gradient_checkpointing=settings.gradient_checkpointing,
        seed=settings.seed,
        device=device,
    )


def _check_split(examples: Sequence[Example], held_out: Sequence[Example]) -> None:
    if not examples or not held_out:
        raise DataError("training needs examples to learn from and others to stop by; found none")
    both = {e.dialogue_id for e in examples} & {e.dialogue_id for e in held_out}
    if both:
        raise DataError(f"{len(both)} dialogues are on both sides, such as {min(both)}")


def _accuracy(tokenizer: Any, valid: Rows, settings: Settings) -> Measure:
    """Share of held-out rows, in %, whose gold label is the likeliest label token."""
    chosen, size = label_ids(settings, tokenizer), settings.batch_size
    ordered = sorted(valid.rows, key=lambda row: len(row["input_ids"]))

    def measure(model: Any) -> Mapping[str, float]:
        right = sum(
            _named_right(model, ordered[start : start + size], chosen, tokenizer.pad_token_id,
                         settings)
            for start in range(0, len(ordered), size)
        )  # fmt: skip
        return {"accuracy": 100 * right / len(ordered)}

    return measure


def _named_right(
    model: Any,
    rows: Sequence[Mapping[str, Sequence[int]]],
    chosen: Sequence[int],
    pad: int,
    settings: Settings,
) -> int:
    """How many rows' gold label has the highest probability of all labels."""
    read, gold = [], []
    for row in rows:
        begins = next(i for i, token in enumerate(row["labels"]) if token != IGNORED)
        gold.append(row["labels"][begins])
        read.append(row["input_ids"] if settings.kind == "seq2seq" else row["input_ids"][:begins])
    found = first_logits(model, settings.kind, read, chosen, pad).argmax(-1).tolist()
    return sum(chosen[place] == token for place, token in zip(found, gold, strict=True))
