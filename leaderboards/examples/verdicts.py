"""What judges said of each reply, for the example browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from leaderboards.collect import read_folders
from leaderboards.examples.answers import find_files

__all__ = ["Verdicts", "find_verdicts"]

# (system's name, example id) → a line for each verdict.
Verdicts = Mapping[tuple[str, str], Sequence[str]]


def find_verdicts(paths: Sequence[Path]) -> Verdicts:
    """Every verdict in the files below `paths` that judges' results there name by their hash.

    Raises:
        InputError: a result or verdict file is damaged.
        StorageError: a file cannot be read.
    """
    from harness.judges.running import read_verdicts
    from harness.judges.verdicts import Game, Grade

    results = read_folders(paths)
    found: dict[tuple[str, str], dict[str, None]] = {}
    for path in dict.fromkeys(find_files(paths, results, role="verdicts").values()):
        for verdict in read_verdicts(path)[1]:
            told = f": {verdict.reason}" if verdict.reason else ""
            if isinstance(verdict, Grade):
                value = verdict.failure if verdict.value is None else f"{verdict.value:g}"
                line = f"{verdict.judge} · {verdict.criterion} {value}{told}"
                found.setdefault((verdict.system, verdict.item), {})[line] = None
            elif isinstance(verdict, Game):
                for system in (verdict.first, verdict.second):
                    line = (
                        f"{verdict.judge} · {verdict.criterion}, {_outcome(verdict, system)}{told}"
                    )
                    found.setdefault((system, verdict.item), {})[line] = None
    return {key: tuple(lines) for key, lines in found.items()}


def _outcome(game: object, system: str) -> str:
    from harness.judges.verdicts import Game

    assert isinstance(game, Game)
    first = game.first == system
    shown = f"shown {'first' if first else 'second'} against {game.second if first else game.first}"
    if game.preference is None:
        return f"{shown}: {game.failure}"
    won = game.preference if first else 1 - game.preference
    word = {0.0: "lost", 0.5: "tied", 1.0: "won"}.get(won, f"preferred with {won:.2f}")
    return f"{shown}: {word}"
