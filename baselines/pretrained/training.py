"""Fine-tuning from examples to a kept model: rows, leak rule, lock, exact resume.

FOLDER/settings.json   what was asked      FOLDER/model/         best weights, tokenizer
FOLDER/curve.jsonl     how it went         FOLDER/checkpoints/   last state, for --resume
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.pretrained.models import Base, build, find_base, quieten, settle
from baselines.pretrained.passes import positions
from baselines.pretrained.rows import Rows, make_rows
from baselines.pretrained.settings import Settings, check
from harness import checkpoint
from harness.checkpoint import Step
from harness.errors import DataError, EmpathyBenchError, ModelError, StorageError
from harness.files import canonical_json, disk_errors, sha256_text
from harness.training_log import TrainingLog

if TYPE_CHECKING:
    from baselines.pretrained.loop import Progress
    from harness.dialogue import Example

__all__ = ["Trained", "train"]

_DISK_FULL = ("No space left", "os error 28", "PytorchStreamWriter", "File too large")


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` leaves: the folder, how it went, which rows were used."""

    folder: Path
    settings: Settings
    base: Base
    progress: Progress
    steps: int
    train: Rows
    valid: Rows
    parameters: int
    trained_parameters: int


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
    wanted = {**asdict(settings), "base_revision": base.revision, "data": data}
    with checkpoint.locked(output):
        prepare = partial(checkpoint.prepare, output, wanted, resume=resume, may_grow=("patience",))
        begun = (output / checkpoint.SETTINGS).is_file()
        if begun:
            prepare()
        settle(output)
        _choose_device(device)
        model, tokenizer = _begun(settings, base, device)
        rows = _rows((examples, held_out), tokenizer, settings, positions(model))
        if not begun:  # a base that cannot be used leaves no trace of a run
            prepare()
        log = TrainingLog(output, mirror=mirror)
        with _saving(output):
            progress, steps = _fit(
                (model, tokenizer), rows, output, settings=settings, device=device, log=log,
                show=show,
            )  # fmt: skip
    return Trained(
        folder=output,
        settings=settings,
        base=base,
        progress=progress,
        steps=steps,
        train=rows[0],
        valid=rows[1],
        parameters=sum(p.numel() for p in model.parameters()),
        trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _fit(
    model: tuple[Any, Any], rows: tuple[Rows, Rows], output: Path, **given: Any
) -> tuple[Progress, int]:
    """How far it came, and the steps that it was to make."""
    from baselines.pretrained.loop import fit, steps_per_epoch

    settings: Settings = given["settings"]
    per_epoch = steps_per_epoch(len(rows[0]), settings)
    steps = settings.steps or max(1, round(settings.epochs * per_epoch))
    return fit(*model, *rows, output, steps=steps, **given), steps


def _begun(settings: Settings, base: Base, device: str) -> tuple[Any, Any]:
    """The model before the first step; adapters are drawn by the run's seed."""
    quieten()
    from transformers import set_seed

    set_seed(settings.seed)
    # Adapters learn in float32 beside a frozen base; a base that learns needs float32 itself.
    dtype = "bfloat16" if settings.lora and device.startswith("cuda") else "float32"
    return build(settings, base, dtype=dtype)


def _check_split(examples: Sequence[Example], held_out: Sequence[Example]) -> None:
    if not examples or not held_out:
        raise DataError("training needs examples to learn from and others to stop by; found none")
    both = {e.dialogue_id for e in examples} & {e.dialogue_id for e in held_out}
    if both:
        raise DataError(f"{len(both)} dialogues are on both sides, such as {min(both)}")


def _rows(
    sides: tuple[Sequence[Example], Sequence[Example]],
    tokenizer: Any,
    settings: Settings,
    bound: int | None,
) -> tuple[Rows, Rows]:
    """Both sides as tokens.

    Raises:
        DataError: nothing is left of one side.
    """
    learn, stop_by = (make_rows(side, tokenizer, settings, positions=bound) for side in sides)
    for rows, name in ((learn, "train"), (stop_by, "validation")):
        if not len(rows):
            raise DataError(
                f"no {name} example is left: {rows.too_long:,} do not fit into --max-len "
                f"{settings.max_len}, {rows.empty:,} have no reply or label; raise --max-len"
            )
    return learn, stop_by


def _choose_device(device: str) -> None:
    """Show the trainer the one GPU that is meant; it would take all that it sees.

    Raises:
        ModelError: the device is unknown or not there.
    """
    name, _, number = device.partition(":")
    if name not in ("cpu", "cuda", "mps") or not (number or "0").isdigit():
        raise ModelError(f"--device must be cpu, cuda, cuda:N or mps, found {device!r}")
    if name == "cuda":
        seen = [x for x in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if x]
        if "LOCAL_RANK" not in os.environ:
            place = int(number or 0)
            os.environ["CUDA_VISIBLE_DEVICES"] = seen[place] if place < len(seen) else str(place)
    import torch

    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if name in there and not there[name]():
        raise ModelError(f"--device {device}: no such device here; use --device cpu")


@contextlib.contextmanager
def _saving(folder: Path) -> Iterator[None]:
    """Disk errors in our words, whichever library met them."""
    with disk_errors(folder):
        try:
            yield
        except (OSError, EmpathyBenchError):
            raise
        except Exception as error:
            if not any(sign in str(error) for sign in _DISK_FULL):
                raise
            raise StorageError(
                f"cannot write {folder}: the disk is full; free some space and add --resume"
            ) from error
