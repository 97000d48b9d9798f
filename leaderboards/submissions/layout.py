"""Where the files of a submission lie, and what else lies there.

Walked without following links and within bounds: nothing here opens what it has not looked at.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from leaderboards.submissions.findings import Findings, shown
from leaderboards.submissions.limits import LIMITS, Limits

__all__ = [
    "CARD",
    "CLAIMS",
    "MANIFEST",
    "PARTIAL",
    "PREDICTIONS",
    "PROTOCOL",
    "SCHEMA",
    "Place",
    "files_below",
    "submission_folders",
]

SCHEMA = "empathy-bench/submission/1"
MANIFEST, CARD = "manifest.json", "card.json"
PREDICTIONS, PROTOCOL, CLAIMS = "predictions.jsonl", "protocol.json", "claims.json"
# A folder that is being written; a submission only gets its name when it is whole.
PARTIAL = ".partial-"
_AT_ROOT = {"README.md", "LICENSE", ".gitkeep", ".gitattributes"}


@dataclass(frozen=True, slots=True)
class Place:
    """A submission's folder, the name by which messages call it, the folders it lies in.

    `above` ends with its own name; an archive may have fewer than two.
    """

    folder: Path
    label: str
    above: tuple[str, ...] = ()

    def name(self, *parts: str) -> str:
        return "/".join([self.label, *parts]) if self.label else "/".join(parts)


def submission_folders(
    root: Path,
    label: str,
    found: Findings,
    limits: Limits = LIMITS,
    *,
    above: tuple[str, ...] = (),
) -> list[Place]:
    """Every folder at or below `root` that holds a manifest; strays on the way are findings.

    A submission, a model's folder and a whole store are all taken. `above` are the names of the
    folders that `root` lies in, its own last.
    """
    places: list[Place] = []
    budget = limits.members * 100
    queue: list[tuple[Path, int]] = [(root, 0)]
    while queue:
        folder, depth = queue.pop()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
        budget -= len(entries)
        if budget < 0:
            found.add("error", "too-many-files", label, "more files than a store holds")
            return places
        relative = folder.relative_to(root).as_posix() if folder != root else ""
        name = "/".join(filter(None, [label, relative]))
        if any(entry.name == MANIFEST for entry in entries):
            places.append(Place(folder, name, (*above, *folder.relative_to(root).parts)))
            continue
        for entry in entries:
            _entry(entry, depth, f"{name}/{entry.name}", found, queue)
    return sorted(places, key=lambda place: place.label)


def _entry(
    entry: os.DirEntry[str],
    depth: int,
    name: str,
    found: Findings,
    queue: list[tuple[Path, int]],
) -> None:
    if entry.is_dir(follow_symlinks=False):
        if entry.name.startswith(PARTIAL):
            found.add(
                "warning", "left-over", name, "left behind by a submit that was cut off",
                fix="delete it",
            )  # fmt: skip
        elif depth >= 2 or entry.name.startswith("."):
            found.add(
                "error", "stray-file", name, f"a folder without {MANIFEST}",
                fix="keep submissions at <org__model>/<revision>/; delete the rest",
            )  # fmt: skip
        else:
            queue.append((Path(entry.path), depth + 1))
    elif depth or entry.name not in _AT_ROOT or not entry.is_file(follow_symlinks=False):
        found.add(
            "error", "stray-file", name, "belongs to no submission",
            fix="delete it; `leaderboard submit` writes every file there is",
        )  # fmt: skip


def files_below(place: Place, found: Findings, limits: Limits = LIMITS) -> dict[str, Path]:
    """Plain files of a submission by relative path; links, devices and the like are findings."""
    files: dict[str, Path] = {}
    for entry, relative in _walk(place.folder, "", limits.depth):
        name = place.name(relative)
        if len(files) >= limits.members:
            found.add("error", "too-many-files", place.label, f"more than {limits.members:,} files")
            break
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            files[relative] = Path(entry.path)
        elif stat.S_ISLNK(mode):
            found.add(
                "error", "symlink", name, "a symbolic link, which is never followed",
                fix="put the file itself there", value=shown(str(Path(entry.path).readlink())),
            )  # fmt: skip
        elif not stat.S_ISDIR(mode):
            found.add("error", "not-a-file", name, "a pipe, socket or device", fix="delete it")
    return files


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[tuple[os.DirEntry[str], str]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        relative = prefix + entry.name
        yield entry, relative
        if depth and entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{relative}/", depth - 1)
