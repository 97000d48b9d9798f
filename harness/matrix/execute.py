"""Doing the cells: each a process, its words in a log, a failure its own and nobody else's.

OUTPUT/matrix.json says after every cell how each stands; a cell that is done, and whose command has
not changed, is not done again. All else goes on where it stopped (`--resume`, stored answers).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from harness.errors import InputError
from harness.files import write_atomic
from harness.matrix.plan import Cell

__all__ = ["FILE_NAME", "Done", "execute", "known_seconds", "read_state"]

FILE_NAME = "matrix.json"
SCHEMA = "empathy-bench/matrix/1"
State = Literal["done", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a cell ended. `folders` are its runs', `why` the last line that a failed one said."""

    id: str
    name: str
    state: State
    seconds: float = 0.0
    folders: tuple[str, ...] = ()
    why: str = ""


def execute(
    cells: Sequence[Cell],
    output: Path,
    *,
    jobs: int = 1,
    told: Callable[[Done, bool], None] = lambda done, anew: None,
) -> list[Done]:
    """Do every cell that is not done, `jobs` at once; judges when their runs have ended.

    `told` is called after each, with whether it was done now. A judge without two, or any, of its
    runs is skipped.

    Raises:
        StorageError: the state or a log cannot be written.
    """
    earlier = read_state(output / FILE_NAME)
    ended: dict[str, Done] = {}
    waiting = list(cells)
    running: dict[Future[Done], Cell] = {}

    def end(cell: Cell, done: Done, anew: bool) -> None:
        ended[cell.name] = done
        _write(output, cells, {**earlier, **ended})
        told(done, anew)

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        while waiting or running:
            for cell in [c for c in waiting if all(name in ended for name in c.after)]:
                known = earlier.get(cell.name)
                if known and _stands(known, cell):
                    end(cell, known, False)
                elif len(running) < jobs:
                    running[pool.submit(_do, cell, output, ended)] = cell
                else:
                    continue
                waiting.remove(cell)
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                end(running.pop(future), future.result(), True)
    return [ended[cell.name] for cell in cells]


def _stands(known: Done, cell: Cell) -> bool:
    there = all((Path(folder) / "result.json").is_file() for folder in known.folders)
    return known.state == "done" and known.id == cell.id and bool(known.folders) and there


def _do(cell: Cell, output: Path, ended: Mapping[str, Done]) -> Done:
    runs = [f for name in cell.after if ended[name].state == "done" for f in ended[name].folders]
    if cell.after and not runs:
        return Done(id=cell.id, name=cell.name, state="skipped", why="none of its runs is done")
    log = output / "logs" / f"{cell.id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with log.open("ab") as file:
        process = subprocess.run(
            [sys.executable, "-m", "harness.cli", *cell.arguments, *runs],
            stdout=subprocess.PIPE, stderr=file, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        file.write(process.stdout)
    seconds = time.monotonic() - began
    if process.returncode != 0:
        return Done(id=cell.id, name=cell.name, state="failed", seconds=seconds,
                    why=_last_words(log, process.returncode))  # fmt: skip
    folders = _folders(cell, process.stdout)
    return Done(id=cell.id, name=cell.name, state="done", seconds=seconds, folders=folders)


def _folders(cell: Cell, said: bytes) -> tuple[str, ...]:
    """Where the results lie that the command printed as JSON."""
    from harness.run import folder_name

    rows = json.loads(said)
    names = [folder_name(str(row["model"]["name"])) for row in rows]
    if cell.kind == "run":
        return tuple(str(cell.folder / row["task"] / n) for row, n in zip(rows, names, strict=True))
    return tuple(
        str(cell.folder / row["protocol"]["asking"]["protocol"]
            / folder_name(str(row["protocol"]["judge"]["name"])) / name)
        for row, name in zip(rows, names, strict=True)
    )  # fmt: skip


def _last_words(log: Path, code: int) -> str:
    lines = log.read_text("utf-8", "replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    # Killed by a signal, a process has no last words of its own.
    words = f"killed by signal {-code}" if code < 0 else said
    return f"{words} (see {log})"


def _write(output: Path, cells: Sequence[Cell], known: Mapping[str, Done]) -> None:
    rows = [asdict(known[cell.name]) for cell in cells if cell.name in known]
    text = json.dumps({"schema": SCHEMA, "cells": rows}, indent=2, ensure_ascii=False)
    write_atomic(output / FILE_NAME, text + "\n")


def read_state(path: Path) -> dict[str, Done]:
    """How the cells of an earlier call stand, by name.

    Raises:
        InputError: the file is damaged.
    """
    if not path.is_file():
        return {}
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
        found = [Done(**{**row, "folders": tuple(row["folders"])}) for row in rows]
    except (ValueError, TypeError, KeyError) as bad:
        raise InputError(f"{path}: is damaged ({bad}); delete it, the runs stay") from bad
    return {done.name: done for done in found}


def known_seconds(cell: Cell, state: Mapping[str, Done]) -> float | None:
    """How long the cell took before, else on average under other seeds; None: unknown."""
    known = state.get(cell.name)
    if known and known.state == "done":
        return known.seconds
    alike = [
        done.seconds
        for done in state.values()
        if done.state == "done" and _without_seed(done.name) == _without_seed(cell.name)
    ]
    return sum(alike) / len(alike) if alike else None


def _without_seed(name: str) -> str:
    return name.rpartition(" · seed ")[0]
