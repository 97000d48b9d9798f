"""EmpatheticDialogues in its official layout: three CSV files, in a folder or in the archive.

    conv_id,utterance_idx,context,prompt,speaker_idx,utterance,selfeval,tags

`context` is the emotion label, `prompt` the situation, `_comma_` stands for a comma, and nothing
is quoted. Whoever speaks first in a conversation is the speaker, everybody else the listener: the
official files number crowd workers in `speaker_idx`, other copies write 0 and 1.
"""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.dialogue import ED_EMOTIONS, Dialogue, Role, Turn
from harness.errors import DataError, located

__all__ = ["COLUMNS", "escape", "read_archive", "read_csv", "rows_to_dialogues", "unescape"]

COLUMNS = ("conv_id", "utterance_idx", "context", "prompt", "speaker_idx", "utterance")
# The official archive unpacks to 33 MB; anything much larger is not it.
_MAX_BYTES = 200_000_000

Row = dict[str, str]


def unescape(text: str) -> str:
    """Text as it was typed."""
    return text.replace("_comma_", ",").strip()


def escape(text: str) -> str:
    """Text as the official files hold it."""
    return " ".join(text.replace(",", "_comma_").split())


def read_csv(path: Path, split: str) -> tuple[Dialogue, ...]:
    """One official CSV file.

    Raises:
        DataError: missing or empty file, missing column, damaged line, unknown emotion.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return rows_to_dialogues(_rows(file, str(path)), split, str(path))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; ED needs train.csv, valid.csv, test.csv") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text") from error


def read_archive(path: Path, split: str) -> tuple[Dialogue, ...]:
    """The same out of empatheticdialogues.tar.gz; nothing is unpacked to disk.

    Raises:
        DataError: no readable archive, no such member, or one that is no plain file of sane size.
    """
    try:
        with tarfile.open(fileobj=_unpacked(path), mode="r:") as archive:
            member = next(
                (m for m in archive if Path(m.name).name == f"{split}.csv" and m.isreg()), None
            )
            if member is None:
                raise DataError(f"{path}: holds no {split}.csv")
            stream = archive.extractfile(member)
            assert stream is not None, "a regular member has content"
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
            place = f"{path}:{member.name}"
            return rows_to_dialogues(_rows(text, place), split, place)
    except (OSError, tarfile.TarError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable tar archive ({error})") from error


def _unpacked(path: Path) -> io.BytesIO:
    """The whole tar in memory: gzip's checksum is only compared by whoever reads to the end."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else path.open("rb") as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise DataError(f"{path}: unpacks to more than {_MAX_BYTES} bytes, so it is not ED")
    return io.BytesIO(data)


def _rows(lines: Iterable[str], place: str) -> Iterator[tuple[int, Row]]:
    """(line number, row) for every row; quotation marks are ordinary characters."""
    reader = csv.reader(lines, quoting=csv.QUOTE_NONE)
    try:
        head = next(reader, None)
        if head is None:
            raise DataError(f"{place}: the file is empty")
        missing = [name for name in COLUMNS if name not in head]
        if missing:
            raise DataError(
                located(place, 1, f"no column {missing[0]!r}; expected {', '.join(COLUMNS)}")
            )
        for values in reader:
            if not values:
                continue
            if len(values) < len(COLUMNS):
                raise DataError(
                    located(place, reader.line_num, f"{len(values)} fields, expected {len(head)}")
                )
            yield reader.line_num, dict(zip(head, values, strict=False))
    except csv.Error as error:
        raise DataError(located(place, reader.line_num, str(error))) from error


def rows_to_dialogues(
    rows: Iterable[tuple[int, Row]], split: str, place: str
) -> tuple[Dialogue, ...]:
    """Group rows by conversation, in file order.

    A row given twice counts once; two different rows of one number are an error. Empty utterances
    are dropped, the others keep their numbers.

    Raises:
        DataError: unknown emotion, utterance number that is none, conflicting rows.
    """
    conversations: dict[str, dict[int, tuple[int, Row]]] = {}
    for line, row in rows:
        try:
            index = int(row["utterance_idx"])
        except ValueError as error:
            found = row["utterance_idx"]
            raise DataError(
                located(place, line, f"utterance_idx {found!r} is no number")
            ) from error
        if row["context"] not in ED_EMOTIONS:
            raise DataError(located(place, line, f"context {row['context']!r} is no ED emotion"))
        known = conversations.setdefault(row["conv_id"], {})
        if index in known and any(known[index][1][name] != row[name] for name in COLUMNS):
            raise DataError(
                located(place, line, f"{row['conv_id']} has another utterance {index} already")
            )
        known.setdefault(index, (line, row))
    if not conversations:
        raise DataError(f"{place}: holds no conversation")
    return tuple(
        _dialogue(key, [row for _, (_, row) in sorted(turns.items())], split)
        for key, turns in conversations.items()
    )


def _dialogue(key: str, rows: list[Row], split: str) -> Dialogue:
    opener = rows[0]["speaker_idx"]
    turns = []
    for row in rows:
        text = unescape(row["utterance"])
        role: Role = "speaker" if row["speaker_idx"] == opener else "listener"
        if text:
            turns.append(Turn(int(row["utterance_idx"]), role, text))
    return Dialogue(
        dataset="ed",
        split=split,
        key=key,
        turns=tuple(turns),
        emotion=rows[0]["context"],
        situation=unescape(rows[0]["prompt"]),
    )
