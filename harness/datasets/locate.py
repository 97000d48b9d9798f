"""Where a data set is: --data, else EMPATHY_BENCH_DATA, else the user's cache, else the hub.

A folder may be a root that holds `ed/csv/*.csv` and `esconv/ESConv.json` (or
`esconv/split/*.jsonl`), or the data set itself in any layout that a reader knows. The embedded
sample answers to "sample" and is never a fallback.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import DataError
from harness.files import cache_directory

__all__ = ["SAMPLE", "TSV", "VARIABLE", "Place", "cache", "find"]

SAMPLE = "sample"
VARIABLE = "EMPATHY_BENCH_DATA"
TSV = "testWithStrategy_short.tsv"

Dataset = Literal["ed", "esconv"]
Layout = Literal["csv", "archive", "npy", "json", "split", "tsv", "hub"]

_EMBEDDED = Path(__file__).parent / "sample"


@dataclass(frozen=True, slots=True)
class Place:
    """A data set found: its layout, its file or folder (None for the hub), whether ours."""

    layout: Layout
    path: Path | None = None
    sample: bool = False


def find(dataset: Dataset, data: str | Path | None = None) -> Place:
    """The place of `dataset`.

    Raises:
        DataError: what --data or the variable names does not exist or holds no such data set.
    """
    if data is not None and str(data) == SAMPLE:
        found = _look(dataset, _EMBEDDED)
        assert found is not None, "the sample is part of the package"
        return Place(found.layout, found.path, sample=True)
    named = [("--data", data), (VARIABLE, os.environ.get(VARIABLE))]
    for origin, value in named:
        if value:
            path = Path(value).expanduser()
            found = _look(dataset, path)
            if found is None:
                raise DataError(_nothing(dataset, path, origin))
            return found
    return _look(dataset, cache()) or Place("hub")


def cache() -> Path:
    """The user's own folder for data sets; it need not exist."""
    return cache_directory() / "data"


def _look(dataset: Dataset, path: Path) -> Place | None:
    """The data set at or below `path`, in the layout of the first sign found."""
    return _look_ed(path) if dataset == "ed" else _look_esconv(path)


def _look_ed(path: Path) -> Place | None:
    if path.is_file():
        return Place("archive", path) if path.name.endswith((".tar.gz", ".tgz", ".tar")) else None
    for folder in (path / "ed" / "csv", path / "ed", path):
        if any((folder / f"{split}.csv").is_file() for split in ("train", "valid", "test")):
            return Place("csv", folder)
    for folder in (path, path / "ed"):
        if (folder / "empatheticdialogues.tar.gz").is_file():
            return Place("archive", folder / "empatheticdialogues.tar.gz")
    for folder in (path, path / "ed" / "npy"):
        if any(folder.glob("sys_dialog_texts.*.npy")):
            return Place("npy", folder)
    return None


def _look_esconv(path: Path) -> Place | None:
    if path.is_file():
        layouts: dict[str, Layout] = {".json": "json", ".tsv": "tsv"}
        return Place(layouts[path.suffix], path) if path.suffix in layouts else None
    for folder in (path / "esconv", path):
        if (folder / "ESConv.json").is_file():
            return Place("json", folder / "ESConv.json")
    for folder in (path / "esconv" / "split", path / "split", path):
        if any((folder / f"{split}.jsonl").is_file() for split in ("train", "valid", "test")):
            return Place("split", folder)
    for folder in (path / "esconv" / "tsv", path / "tsv", path):
        if (folder / TSV).is_file():
            return Place("tsv", folder / TSV)
    return None


def _nothing(dataset: Dataset, path: Path, origin: str) -> str:
    if not path.exists():
        return f"{path} ({origin}): no such folder; try --data sample to use the embedded sample"
    wanted = (
        "ed/csv/{train,valid,test}.csv, the official archive, or the preprocessed npy arrays"
        if dataset == "ed"
        else "esconv/ESConv.json, esconv/split/*.jsonl, or the strategy TSV"
    )
    return (
        f"{path} ({origin}): found no {wanted}; point --data to the folder that holds them, "
        "or try --data sample"
    )
