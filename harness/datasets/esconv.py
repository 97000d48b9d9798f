"""ESConv: the official JSON with its 910/195/195 split, released split files, strategy TSV.

ESConv's seeker is the speaker, its supporter the listener. A dialogue's key is its place in
ESConv.json, whichever file it is read from, so ids agree between readers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from harness.dialogue import ESCONV_STRATEGIES, Dialogue, Role, Turn
from harness.errors import DataError, located

__all__ = [
    "dialogue_of",
    "read_json",
    "read_split",
    "read_tsv",
    "released_keys",
    "split_places",
]

_ROLES: Mapping[str, Role] = {
    "seeker": "speaker",
    "usr": "speaker",
    "supporter": "listener",
    "sys": "listener",
}
_SPELLINGS = {label.casefold(): label for label in ESCONV_STRATEGIES} | {
    "questions": "Question",
    "other": "Others",
}


def read_json(path: Path, split: str) -> tuple[Dialogue, ...]:
    """The dialogues of a split out of ESConv.json.

    Raises:
        DataError: missing file, not JSON, or a dialogue that lacks a field.
    """
    rows = _load(path)
    if not isinstance(rows, list) or not rows:
        raise DataError(f"{path}: expected a list of dialogues")
    places = split_places(len(rows))[split]
    if not places:
        raise DataError(f"{path}: {len(rows)} dialogue(s) are too few to give a {split} split")
    return tuple(
        dialogue_of(rows[place], split, str(place), f"{path}: dialogue {place}") for place in places
    )


def read_split(folder: Path, split: str) -> tuple[Dialogue, ...]:
    """The dialogues of `<folder>/<split>.jsonl`, a dialogue a line.

    The released files hold 1,300 dialogues in shuffled order, whose places in ESConv.json are
    known; dialogues of other files are numbered `<line>` from 0.

    Raises:
        DataError: missing file, damaged line, or a dialogue that lacks a field.
    """
    path = folder / f"{split}.jsonl"
    rows = _load_lines(path)
    if not rows:
        raise DataError(f"{path}: holds no dialogue")
    return tuple(
        dialogue_of(row, split, key, located(path, line, "dialogue"))
        for key, (line, row) in zip(released_keys(len(rows), split), rows, strict=True)
    )


def released_keys(count: int, split: str) -> list[str]:
    """Keys for the dialogues of a split given without ESConv.json, in their order.

    The released splits' places in ESConv.json are known by their size; others count from 0.
    """
    official = split_places(1300)[split]
    return [str(place) for place in (official if count == len(official) else range(count))]


def split_places(count: int) -> dict[str, list[int]]:
    """Which dialogues are train, valid, test: shuffled by seed 13, then 15 % valid, 15 % test.

    Of 1,300 dialogues these are the released 910/195/195, in the released order.
    """
    order = list(range(count))
    Random(13).shuffle(order)
    held_out = int(0.15 * count)
    return {
        "train": order[2 * held_out :],
        "valid": order[:held_out],
        "test": order[held_out : 2 * held_out],
    }


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error})") from error


def _load_lines(path: Path) -> list[tuple[int, Any]]:
    rows = []
    number = None
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                rows.append((number, json.loads(line)))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (ValueError, RecursionError) as error:
        raise DataError(located(path, number, f"not JSON ({error})")) from error
    return rows


def dialogue_of(row: Any, split: str, key: str, place: str) -> Dialogue:
    """One dialogue in either layout: content and annotation, or text and strategy.

    Raises:
        DataError: a field is missing or of the wrong kind; the message begins with `place`.
    """
    if not isinstance(row, dict) or not isinstance(row.get("dialog"), list):
        raise DataError(f"{place}: no list under 'dialog'")
    turns = []
    for index, turn in enumerate(row["dialog"]):
        where = f"{place}, turn {index}"
        if not isinstance(turn, dict) or str(turn.get("speaker")) not in _ROLES:
            raise DataError(f"{where}: speaker must be seeker, supporter, usr or sys")
        text = turn.get("content", turn.get("text"))
        if not isinstance(text, str):
            raise DataError(f"{where}: no text under 'content' or 'text'")
        annotation = turn.get("annotation")
        label = turn.get("strategy") or (
            annotation.get("strategy") if isinstance(annotation, dict) else None
        )
        role = _ROLES[str(turn["speaker"])]
        strategy = canonical_strategy(str(label), where) if label and role == "listener" else None
        if text.strip():
            turns.append(Turn(index, role, " ".join(text.split()), strategy))
    about = [row.get(name) for name in ("emotion_type", "situation", "problem_type")]
    if not all(value is None or isinstance(value, str) for value in about):
        raise DataError(f"{place}: emotion_type, situation and problem_type must be text")
    emotion, situation, problem = about
    return Dialogue(
        dataset="esconv",
        split=split,
        key=key,
        turns=tuple(turns),
        emotion=emotion,
        situation=situation,
        problem=problem,
    )


def canonical_strategy(label: str, place: str) -> str:
    """The strategy in ESConv.json's spelling.

    Raises:
        DataError: it is none of the eight.
    """
    found = _SPELLINGS.get(" ".join(label.casefold().split()))
    if found is None:
        raise DataError(f"{place}: unknown strategy {label!r}")
    return found


# "0.0 1 5 [Strategy] text": a flag, 0 seeker or 1 supporter, the turn's number.
_UTTERANCE = re.compile(r"\s*[\d.]+ ([01]) (\d+) ?(?:\[([^\]]+)\])?\s*(.*)", re.DOTALL)


def read_tsv(path: Path, split: str = "test") -> tuple[tuple[Dialogue, int], ...]:
    """The released strategy TSV: a window of up to five utterances a line, the last one to predict.

    Returns each line's window as a dialogue with the number of the dialogue it was cut from,
    which a turn number that does not grow begins anew.

    Raises:
        DataError: missing file, or a line in another layout.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    windows = []
    number, last = -1, None
    for line, text in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not text.strip():
            continue
        turns = []
        for part in text.split(" EOS"):
            match = _UTTERANCE.fullmatch(part)
            if match is None:
                raise DataError(located(path, line, f"not an utterance: {part[:60]!r}"))
            role: Role = "listener" if match[1] == "1" else "speaker"
            label = match[3] if role == "listener" else None
            strategy = canonical_strategy(label, located(path, line, "strategy")) if label else None
            turns.append(Turn(int(match[2]), role, " ".join(match[4].split()), strategy))
        target = turns[-1]
        if last is None or target.index <= last:
            number += 1
        last = target.index
        if target.role != "listener" or target.strategy is None:
            raise DataError(located(path, line, "the last utterance is no supporter turn"))
        windows.append((Dialogue("esconv", split, f"original-{number}", tuple(turns)), number))
    if not windows:
        raise DataError(f"{path}: holds no line")
    return tuple(windows)
