"""What is wrong with machine, installation, data and stores, said before it costs a night.

Each check looks at one thing, changes nothing that stays, and names the fix.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import EmpathyBenchError

__all__ = ["Finding", "examine"]

State = Literal["good", "note", "wrong"]
PACKAGE = "empathy-bench"
# The bundled model, converted, and a run with its store.
_ROOM_GB = 2.0
_KEYS = ("OPENAI_API_KEY", "HF_TOKEN", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands, and what to do where it does not stand well."""

    area: str
    state: State
    said: str
    fix: str = ""


def examine(*, data: str | None = None, mlflow: str | None = None, output: Path) -> list[Finding]:
    """Every check, in order; one that breaks is a finding, and stops no other."""
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "python": _python,
        "packages": _packages,
        "devices": _devices,
        "disk": lambda: _disk(output),
        "bundled model": _bundled,
        "data": lambda: _data(data),
        "MLflow": lambda: _store(mlflow, output),
        "runs": lambda: _runs(output),
        "environment": _environment,
    }
    found: list[Finding] = []
    for area, check in checks.items():
        try:
            found += check()
        except EmpathyBenchError as error:
            found.append(Finding(area, "wrong", str(error)))
        except Exception as error:  # a broken installation breaks in any way
            words = f"cannot be examined: {type(error).__name__}: {error}"
            found.append(Finding(area, "wrong", words, "install anew: make install"))
    return found


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "good", f"{version}, {sys.executable}")
    if sys.getfilesystemencoding().lower() != "utf-8":
        words = f"file names are {sys.getfilesystemencoding()}"
        yield Finding("python", "note", words, "set PYTHONUTF8=1")


def _packages() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    asked = [Requirement(text) for text in requires(PACKAGE) or []]
    own = [r for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]
    good = 0
    for requirement in own:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            fix = f"pip install '{requirement}'"
            yield Finding("packages", "wrong", f"{requirement.name} is not installed", fix)
            continue
        if requirement.specifier.contains(found, prereleases=True):
            good += 1
            continue
        words = f"{requirement.name} {found} is outside {requirement.specifier}"
        yield Finding("packages", "wrong", words, f"pip install '{requirement}'")
    yield Finding("packages", "good", f"{good} of {len(own)} as {PACKAGE} asks")


def _devices() -> Iterator[Finding]:
    import torch

    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    words = f"torch {torch.__version__}; {cores} cores, {threads} threads, {memory:.0f} GB"
    yield Finding("devices", "good", words)
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        words = f"cuda:{number} {about.name}, {about.total_memory / 2**30:.0f} GB, {bf16}"
        yield Finding("devices", "good", words)
    if torch.version.cuda and not torch.cuda.is_available():
        words = f"torch is built for CUDA {torch.version.cuda}, and no GPU answers"
        yield Finding("devices", "note", words, "see nvidia-smi, or install the CPU build")
    if threads > cores:
        words = f"{threads} threads on {cores} cores slow each other"
        yield Finding("devices", "note", words, f"set OMP_NUM_THREADS={cores}")


def _disk(output: Path) -> Iterator[Finding]:
    from harness.files import cache_directory

    for name, folder in (("cache", cache_directory()), ("--output", output.absolute())):
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            words = f"{name} {folder}: {error.strerror}"
            yield Finding("disk", "wrong", words, f"choose another folder for {name}")
            continue
        free = shutil.disk_usage(there).free / 2**30
        state: State = "good" if free >= _ROOM_GB else "note"
        fix = "" if state == "good" else f"free some space: {_ROOM_GB:g} GB are soon used"
        yield Finding("disk", state, f"{name} {folder}: {free:.1f} GB free", fix)


def _bundled() -> Iterator[Finding]:
    from harness.models.bundled import bundled_directory

    folder = bundled_directory()
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        count = len(file.keys())
    yield Finding("bundled model", "good", f"{folder.name}: {count} tensors")


def _data(data: str | None) -> Iterator[Finding]:
    from harness.datasets.locate import find
    from harness.errors import DataError

    for dataset in ("ed", "esconv"):
        try:
            place = find(dataset, data)
        except DataError as error:
            yield Finding("data", "wrong", str(error))
            continue
        if place.layout == "hub":
            words = f"{dataset}: not on this machine; the hub would be asked"
            fix = "--data DIR, EMPATHY_BENCH_DATA, or --data sample"
            yield Finding("data", "note", words, fix)
        else:
            sample = ", the embedded sample" if place.sample else ""
            words = f"{dataset}: {place.layout} in {place.path}{sample}"
            yield Finding("data", "good", words, "")
    yield Finding("data", "note", "contents are not read here", "empathy-bench data check")


def _store(mlflow: str | None, output: Path) -> Iterator[Finding]:
    from harness.tracking import check_store, resolve_store

    store = resolve_store(mlflow, output)
    if store is None:
        yield Finding("MLflow", "good", "off")
        return
    check_store(store)
    yield Finding("MLflow", "good", store.label)


def _runs(output: Path) -> Iterator[Finding]:
    """Every run below `output`: whole, unfinished, or other than when it was scored."""
    from harness.files import sha256_file
    from harness.predictions import FILE_NAME, read_predictions
    from harness.results import read_result, result_files

    whole = 0
    scored = result_files(output) if output.is_dir() else []
    for path in scored:
        try:
            files = read_result(path).files
        except EmpathyBenchError as error:
            yield Finding("runs", "wrong", str(error), "score it again: empathy-bench score")
            continue
        changed = [
            about["name"]
            for about in files.values()
            if not (path.parent / about["name"]).is_file()
            or sha256_file(path.parent / about["name"]) != about.get("sha256")
        ]
        if changed:
            words = f"{path}: made of another {', '.join(changed)} than lies there"
            yield Finding("runs", "wrong", words, "score it again: empathy-bench score")
        else:
            whole += 1
    known = {path.parent for path in scored}
    for path in sorted(output.rglob(FILE_NAME)) if output.is_dir() else []:
        if path.parent in known or "mlartifacts" in path.parts:
            continue
        header, rows = read_predictions(path)
        of = header.size if header else "?"
        words = f"{path}: {len(rows)} of {of} answers, not scored"
        yield Finding("runs", "note", words, "the same command with --resume goes on")
    yield Finding("runs", "good", f"{whole} whole in {output}")


def _environment() -> Iterator[Finding]:
    there = [name for name in _KEYS if os.environ.get(name)]
    # Names only: what they hold is nobody's business.
    yield Finding("environment", "good", f"keys set: {', '.join(there) or 'none'}")
    if os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "True"):
        words = "HF_HUB_OFFLINE is set: models and data of the hub are not fetched"
        yield Finding("environment", "note", words)
