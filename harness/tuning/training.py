"""Fine-tuning from rows to a kept model: lock, device, exact resume, disk errors in words.

FOLDER/settings.json   what was asked      FOLDER/model/         best weights, tokenizer
FOLDER/curve.jsonl     how it went         FOLDER/checkpoints/   last state, for --resume
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import checkpoint
from harness.checkpoint import Step
from harness.errors import DataError, EmpathyBenchError, StorageError
from harness.files import disk_errors
from harness.parallel import World, join
from harness.training_log import TrainingLog
from harness.tuning.bases import choose_device, quieten
from harness.tuning.kept import settle
from harness.tuning.passes import positions
from harness.tuning.tokens import Rows

if TYPE_CHECKING:
    from harness.tuning.loop import Fitting, Measure, Progress

__all__ = ["Fitted", "Job", "saving", "tune", "writing"]

_DISK_FULL = ("No space left", "os error 28", "PytorchStreamWriter", "File too large")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is tuned on what.

    `wanted` is written down and compared on resume. `build` gives model and tokenizer before the
    first step; adapters are drawn by `seed`. `rows` makes training and validation rows, given the
    tokenizer and the most positions that the model knows; `max_len` is named where none fits.
    `fitting` says how, given the number of training rows and of processes. `measure` finds more of
    a model, given tokenizer and validation rows.
    """

    wanted: Mapping[str, Any]
    seed: int
    max_len: int
    build: Callable[[], tuple[Any, Any]]
    rows: Callable[[Any, int | None], tuple[Rows, Rows]]
    fitting: Callable[[int, int], Fitting]
    measure: Callable[[Any, Rows], Measure] | None = None


@dataclass(frozen=True, slots=True)
class Fitted:
    """What `tune` leaves: the folder, how it went, which rows were used."""

    folder: Path
    progress: Progress
    steps: int
    train: Rows
    valid: Rows
    parameters: int
    trained_parameters: int


def tune(
    job: Job,
    output: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    mirror: Callable[[Path], None] | None = None,
    show: Callable[[Step], None] = lambda step: None,
) -> Fitted:
    """Fine-tune; `output`/model is the best model by validation loss.

    Under torchrun or `accelerate launch` every process takes its share of each batch.

    Raises:
        DataError: no row fits.
        InputError: `output` holds another run.
        ModelError: the model cannot be loaded, or the loss is no number any more.
        StorageError: `output` cannot be written, or another process trains into it.
    """
    choose_device(device)
    world = join()
    with writing(output, world):
        prepare = partial(
            checkpoint.prepare, output, job.wanted, resume=resume, may_grow=("patience",)
        )
        begun = (output / checkpoint.SETTINGS).is_file()
        world.wait()
        if begun and world.first:
            prepare()
            settle(output)
        model, tokenizer = _begun(job)
        train, valid = job.rows(tokenizer, positions(model))
        for rows, name in ((train, "train"), (valid, "validation")):
            if not len(rows):
                raise DataError(
                    f"no {name} example is left: {rows.too_long:,} do not fit into --max-len "
                    f"{job.max_len}, {rows.empty:,} have no reply or label; raise --max-len"
                )
        if not begun and world.first:  # a base that cannot be used leaves no trace of a run
            prepare()
        with saving(output):
            from harness.tuning.loop import fit

            fitting = job.fitting(len(train), world.size)
            more = {"measure": job.measure(tokenizer, valid)} if job.measure else {}
            log = TrainingLog(output, mirror=mirror)
            progress = fit(model, tokenizer, train, valid, output, fitting=fitting, log=log,
                           show=show, world=world, **more)  # fmt: skip
        world.wait()
    return Fitted(
        folder=output,
        progress=progress,
        steps=fitting.steps,
        train=train,
        valid=valid,
        parameters=sum(p.numel() for p in model.parameters()),
        trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


@contextlib.contextmanager
def writing(folder: Path, world: World) -> Iterator[None]:
    """The first of several processes holds `folder` against all others.

    Raises:
        StorageError: another training holds it, or it cannot be written.
    """
    with checkpoint.locked(folder) if world.first else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def saving(folder: Path) -> Iterator[None]:
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


def _begun(job: Job) -> tuple[Any, Any]:
    quieten()
    from transformers import set_seed

    set_seed(job.seed)
    return job.build()
