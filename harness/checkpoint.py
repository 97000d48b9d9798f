"""A training run's progress and files: what it was asked, where it stands, the best weights.

settings.json        what the run was asked to do; written first, compared on --resume
last.safetensors     after every validation: weights, optimizer, progress (one file, replaced whole,
                     so that a kill leaves the old state or the new one)
model.safetensors    the weights with the best validation score so far
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InputError, StorageError
from harness.files import canonical_json, disk_errors, write_atomic

__all__ = ["BEST", "LAST", "SETTINGS", "Step", "load", "locked", "prepare", "save", "settings_of"]

SETTINGS = "settings.json"
LAST = "last.safetensors"
BEST = "model.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a run stands: `done` of `total` steps of a stage; running loss; best score in words."""

    stage: str
    done: int
    total: int
    loss: float | None = None
    best: str = ""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` against a second process.

    Raises:
        StorageError: another process trains into it, or it cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StorageError(
                f"{folder} is being trained into by another process; "
                "wait for it or choose another --output"
            ) from error
        yield


def prepare(
    folder: Path, wanted: Mapping[str, Any], *, resume: bool, may_grow: Collection[str] = ()
) -> None:
    """Write down what is asked for, or check that a started run was asked the same.

    `may_grow` names numbers, such as that of steps, that a resumed run may be given more of.

    Raises:
        InputError: the folder holds a run and `resume` is off, or the run had other settings, or
            the folder holds something else.
    """
    path = folder / SETTINGS
    wanted = json.loads(json.dumps(wanted))  # as it will come back: lists for tuples
    if not path.is_file():
        if any(entry.name != ".lock" for entry in folder.iterdir()):
            raise InputError(f"{folder} holds other files; choose an empty folder as --output")
        write_atomic(path, json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
        return
    if not resume:
        raise InputError(
            f"{folder} holds a training run; go on with --resume or choose another --output"
        )
    found = settings_of(folder)
    for key in wanted:
        was = found.get(key)
        grows = key in may_grow and isinstance(was, int) and wanted[key] > was
        if was != wanted[key] and not grows:
            raise InputError(
                f"{path}: the run was started with {key} {was!r}, now it is {wanted[key]!r}; "
                "resume with the same or choose another --output"
            )
    if found != wanted:
        write_atomic(path, json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")


def settings_of(folder: Path) -> dict[str, Any]:
    """What the run in `folder` was asked to do.

    Raises:
        InputError: there is no run, or its settings cannot be read.
    """
    path = folder / SETTINGS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{folder}: holds no training run ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: is damaged ({error}); choose another --output") from error
    return found if isinstance(found, dict) else {}


def save(path: Path, tensors: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Tensors and a JSON state in one safetensors file, replaced whole.

    Raises:
        StorageError: the disk is full or may not be written.
    """
    from safetensors.torch import save as to_bytes

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomic(path, to_bytes(plain, metadata={"state": canonical_json(state)}))


def load(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `save` wrote: tensors, state.

    Raises:
        StorageError: the file is not what `save` wrote.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except FileNotFoundError as error:
        raise StorageError(f"{path}: not there; train into a new folder") from error
    except (SafetensorError, KeyError, ValueError) as error:
        raise StorageError(f"{path}: is damaged ({error}); train into a new folder") from error
