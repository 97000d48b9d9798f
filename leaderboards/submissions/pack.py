"""Runs and a model card → a submission in the store, whole or not at all, and an archive of it.

Equal runs and cards make equal bytes: nothing of the clock, the user or the machine is written.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from harness.errors import InputError
from harness.files import canonical_json, disk_errors, sha256_file
from harness.predictions import Header, read_predictions
from harness.results import FILE_NAME as RESULT
from harness.tasks import TASKS
from leaderboards.submissions.card import ModelCard
from leaderboards.submissions.layout import (
    CARD,
    CLAIMS,
    MANIFEST,
    PARTIAL,
    PREDICTIONS,
    PROTOCOL,
    SCHEMA,
)

__all__ = ["Packed", "check_archive_name", "pack", "protocol_of", "write_archive"]

_ARCHIVES = (".zip", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class Packed:
    """A submission in the store; `new` is False where it stood there already, equal."""

    folder: Path
    tasks: tuple[str, ...]
    new: bool


def pack(runs: Sequence[Path], card: ModelCard, store: Path) -> Packed:
    """Put the runs of one model into `store`/<org__model>/<revision>/.

    A run is a folder with predictions.jsonl (result.json beside it becomes the claims), such a
    file, or a folder of runs. The folder appears under its name only when every file is on disk.

    Raises:
        InputError: no run, two runs of one task, or the revision is there with other content.
        PredictionsError: a predictions file is damaged or has no header.
        StorageError: the disk refuses.
    """
    found = _runs(runs)
    target = store / card.name / card.revision
    with disk_errors(store):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=target.parent))
        try:
            _write_all(partial, card, found)
            new = _place(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return Packed(target, tuple(found), new)


def protocol_of(header: Header) -> dict[str, object]:
    """The protocol card: the header without the model, which the model card speaks of."""
    card = asdict(header)
    del card["model"]
    card["generated_with"] = card.pop("harness_version")
    return card


def write_archive(folder: Path, archive: Path) -> None:
    """One file with a submission's folder, <org__model>/<revision>/…, the same bytes every time.

    Raises:
        InputError: the name ends in none of .zip, .tar.gz, .tgz.
        StorageError: the disk refuses.
    """
    check_archive_name(archive)
    prefix = f"{folder.parent.name}/{folder.name}"
    files = {f"{prefix}/{name}": folder / name for name in sorted(_listing(folder))}
    with disk_errors(archive):
        archive.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=archive.parent, prefix=f".{archive.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                (_write_zip if archive.suffix == ".zip" else _write_tar)(file, files)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(archive)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()


def check_archive_name(archive: Path) -> None:
    """Refuse a name of another format.

    Raises:
        InputError: it ends in none of .zip, .tar.gz, .tgz.
    """
    if not archive.name.endswith(_ARCHIVES):
        raise InputError(f"--archive {archive}: name it .zip or .tar.gz")


def _runs(paths: Sequence[Path]) -> dict[str, tuple[Path, Header]]:
    """Task → predictions file and its header, in the order of names."""
    found: dict[str, tuple[Path, Header]] = {}
    for file in _files(paths):
        header, _ = read_predictions(file)
        if header is None:
            raise InputError(
                f"{file} has no header; make it a run first: "
                f"empathy-bench score --predictions {file} --task … --output runs"
            )
        if header.task not in TASKS:
            raise InputError(f"{file} answers {header.task!r}, no task of this version")
        if header.task in found:
            raise InputError(
                f"{file} and {found[header.task][0]} both answer {header.task}; a revision holds "
                "one run of a task: give other seeds and settings a revision of their own"
            )
        found[header.task] = (file, header)
    return dict(sorted(found.items()))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            files = sorted(path.rglob(PREDICTIONS))
            if not files:
                raise InputError(f"{path}: holds no {PREDICTIONS}; `empathy-bench run` writes it")
        else:
            files = [path]
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _write_all(folder: Path, card: ModelCard, runs: Mapping[str, tuple[Path, Header]]) -> None:
    _write(folder / CARD, _text(card.to_json()))
    for task, (file, header) in runs.items():
        _write(folder / task / PROTOCOL, _text(protocol_of(header)))
        _write(folder / task / PREDICTIONS, file.read_bytes())
        result = file.parent / RESULT
        if result.is_file():
            _write(folder / task / CLAIMS, result.read_bytes())
    _write(folder / MANIFEST, _text(_manifest(folder, card)))
    for path in (*folder.iterdir(), folder):
        if path.is_dir():
            _sync(path)
    folder.chmod(0o755)


def _manifest(folder: Path, card: ModelCard) -> dict[str, object]:
    files = {
        name: {"sha256": sha256_file(folder / name), "bytes": (folder / name).stat().st_size}
        for name in sorted(_listing(folder))
    }
    return {"schema": SCHEMA, "name": card.name, "revision": card.revision, "files": files}


def _listing(folder: Path) -> list[str]:
    return [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]


def _place(partial: Path, target: Path) -> bool:
    """Give a whole folder its name; False where an equal one has it already."""
    try:
        partial.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        changed = _differences(partial, target)
        if not changed:
            return False
        raise InputError(
            f"{target} is there already with other content ({', '.join(changed)}); "
            "a revision never changes: give all runs at once under a new revision"
        ) from error
    _sync(target.parent)
    return True


def _differences(mine: Path, theirs: Path) -> list[str]:
    """Names of the files that are not the same on both sides."""
    if not theirs.is_dir():
        return [theirs.name]
    names = sorted({*_listing(mine), *_listing(theirs)} - {MANIFEST})
    return [name for name in names if not _same(mine / name, theirs / name)]


def _same(mine: Path, theirs: Path) -> bool:
    if not (mine.is_file() and theirs.is_file()):
        return False
    if mine.name == CLAIMS:
        return _measured(mine) == _measured(theirs)
    return sha256_file(mine) == sha256_file(theirs)


def _measured(path: Path) -> str:
    """A result without its date and machine: scoring again is no other content."""
    try:
        value = json.loads(path.read_bytes())
        return canonical_json([value["id"], value["metrics"]])
    except (ValueError, KeyError, TypeError, RecursionError):
        return sha256_file(path)


def _text(value: object) -> bytes:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Wait until the disk has the folder's own entries."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_zip(file: IO[bytes], files: Mapping[str, Path]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, path in files.items():
            member = zipfile.ZipInfo(name)  # dated 1980, as long as nothing else is said
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            archive.writestr(member, path.read_bytes(), compresslevel=9)


def _write_tar(file: IO[bytes], files: Mapping[str, Path]) -> None:
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=9) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in files.items():
            data = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
