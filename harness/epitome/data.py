"""EPITOME's Reddit annotations: three CSV files, one per mechanism, joined into pairs.

    emotional-reactions-reddit.csv ┐
    interpretations-reddit.csv     ├─▶ Pair(seeker, response, levels (3,), rationales (3,)) ─▶ Split
    explorations-reddit.csv        ┘

Source: Sharma, Miner, Atkins & Althoff 2020, "A Computational Approach to Understanding Empathy
Expressed in Text-Based Mental Health Support" (EMNLP). Level 0 is no, 1 weak, 2 strong
communication of the mechanism. 60 of the 3,023 pairs were annotated more than once and stand in
the files as often; their levels may differ, so each annotation stays a row of its own. The files
differ in spacing, and the first lacks the word "reddit" where the others have it; its text is used.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import DataError, located
from harness.files import canonical_json, sha256_text

__all__ = [
    "COLUMNS",
    "FILES",
    "LEVELS",
    "MECHANISMS",
    "NAMES",
    "Mechanism",
    "Pair",
    "Split",
    "fingerprint",
    "read_epitome",
    "split_pairs",
]

Mechanism = Literal["er", "ip", "ex"]

MECHANISMS: tuple[Mechanism, ...] = ("er", "ip", "ex")
NAMES: dict[Mechanism, str] = {
    "er": "emotional reactions",
    "ip": "interpretations",
    "ex": "explorations",
}
FILES: dict[Mechanism, str] = {
    "er": "emotional-reactions-reddit.csv",
    "ip": "interpretations-reddit.csv",
    "ex": "explorations-reddit.csv",
}
LEVELS = 3
COLUMNS = ("sp_id", "rp_id", "seeker_post", "response_post", "level", "rationales")
# Of every 20 seeker posts in a row: the paper's 75 : 5 : 20.
_BLOCK = ("train",) * 15 + ("valid",) + ("test",) * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One annotated response to one seeker post; `levels` and `rationales` follow MECHANISMS."""

    seeker_id: str
    response_id: str
    seeker: str
    response: str
    levels: tuple[int, int, int]
    rationales: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Training, validation and test pairs; no seeker post is in two of them."""

    train: tuple[Pair, ...]
    valid: tuple[Pair, ...]
    test: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    seeker: str
    response: str
    level: int
    rationales: tuple[str, ...]


# A pair's ids, and which of its annotations this is.
_Key = tuple[str, str, int]


def read_epitome(data: str | Path) -> tuple[Pair, ...]:
    """All annotated pairs below `data`, in the order of the emotional-reactions file.

    `data` holds the three files, or `annotations/epitome` does below it.

    Raises:
        DataError: a file is missing, has other columns or a damaged row, or the files disagree on
            which pairs there are or what they say.
    """
    folder = _folder(Path(data).expanduser())
    tables = {name: _read(folder / FILES[name]) for name in MECHANISMS}
    first = tables["er"]
    for name in MECHANISMS[1:]:
        _check_same(first, tables[name], folder / FILES["er"], folder / FILES[name])
    return tuple(
        Pair(
            seeker_id=key[0],
            response_id=key[1],
            seeker=row.seeker,
            response=row.response,
            levels=(row.level, tables["ip"][key].level, tables["ex"][key].level),
            rationales=(
                row.rationales,
                tables["ip"][key].rationales,
                tables["ex"][key].rationales,
            ),
        )
        for key, row in first.items()
    )


def _folder(data: Path) -> Path:
    for folder in (data / "annotations" / "epitome", data):
        if any((folder / name).exists() for name in FILES.values()):
            return folder
    if not data.is_dir():
        raise DataError(f"{data}: no such folder; point --data to EPITOME's three CSV files")
    raise DataError(
        f"{data}: found none of {', '.join(FILES.values())}; point --data to the folder that "
        "holds them (the folder `dataset` of github.com/behavioral-data/Empathy-Mental-Health)"
    )


def _read(path: Path) -> dict[_Key, _Row]:
    rows: dict[_Key, _Row] = {}
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for line, record in _records(path):
        pair = (record["sp_id"].strip(), record["rp_id"].strip())
        for column, value in zip(COLUMNS[:2], pair, strict=True):
            if not value:
                raise DataError(located(path, line, f"{column} is empty; every row needs its ids"))
        rows[(*pair, seen[pair])] = _row(path, line, record)
        seen[pair] += 1
    if not rows:
        raise DataError(f"{path}: holds no rows below its header; fetch the file again")
    return rows


def _row(path: Path, line: int, record: dict[str, str]) -> _Row:
    level = record["level"].strip()
    if level not in {"0", "1", "2"}:
        raise DataError(
            located(path, line, f"level is {level!r}, expected 0, 1 or 2; mend or drop the row")
        )
    for column in ("seeker_post", "response_post"):
        if not record[column].strip():
            raise DataError(located(path, line, f"{column} is empty; mend or drop the row"))
    parts = (part.strip() for part in record["rationales"].split("|"))
    return _Row(
        line=line,
        seeker=record["seeker_post"],
        response=record["response_post"],
        level=int(level),
        rationales=tuple(part for part in parts if part),
    )


def _records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with the lines they begin on."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            absent = [name for name in COLUMNS if name not in header]
            if absent:
                raise DataError(
                    located(path, 1, f"no column {absent[0]!r}; expected {','.join(COLUMNS)}")
                )
            line = reader.line_num + 1
            for values in reader:
                if len(values) != len(header):
                    raise DataError(
                        located(
                            path,
                            line,
                            f"{len(values)} fields, expected {len(header)}; look for a quotation "
                            "mark that is not doubled",
                        )
                    )
                yield line, dict(zip(header, values, strict=True))
                line = reader.line_num + 1
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: not there; EPITOME needs the three files {', '.join(FILES.values())}"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8 ({error.reason}); fetch the file again"
        ) from error
    except csv.Error as error:
        raise DataError(located(path, reader.line_num, f"{error}; fetch the file again")) from error


def _check_same(
    first: dict[_Key, _Row], other: dict[_Key, _Row], first_path: Path, path: Path
) -> None:
    for key, row in first.items():
        if key not in other:
            raise DataError(
                located(first_path, row.line, f"pair {key[0]} {key[1]} is not in {path.name}; ")
                + "the three files must hold the same pairs"
            )
        found = other[key]
        if not (_alike(found.seeker, row.seeker) and _alike(found.response, row.response)):
            raise DataError(
                located(path, found.line, f"pair {key[0]} {key[1]} has another text than in ")
                + f"{first_path.name}:{row.line}; the three files must be of one release"
            )
    for key, row in other.items():
        if key not in first:
            raise DataError(
                located(path, row.line, f"pair {key[0]} {key[1]} is not in {first_path.name}; ")
                + "the three files must hold the same pairs"
            )


def _alike(a: str, b: str) -> bool:
    """Whether two texts are one up to spacing and a few dropped words."""
    if a == b:
        return True
    words_a, words_b = set(a.casefold().split()), set(b.casefold().split())
    return 2 * len(words_a & words_b) >= max(len(words_a), len(words_b))


def split_pairs(pairs: Sequence[Pair], *, seed: int) -> Split:
    """75 : 5 : 20 of the seeker posts, as in the paper, and all pairs of a post on one side.

    Stratified by the three levels of a post's first pair: posts are sorted by them, ties in random
    order, and every 20 neighbours are dealt out as 15, 1 and 4. Without that, chance decides
    whether the 100 weak explorations reach the test set.

    Raises:
        DataError: fewer than 40 seeker posts, too few to fill three sides.
    """
    import numpy as np

    groups: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        groups[_post(pair)].append(pair)
    if len(groups) < 2 * len(_BLOCK):
        raise DataError(
            f"{len(groups)} seeker posts are too few to split into training, validation and test; "
            f"{2 * len(_BLOCK)} are needed: raise --limit or give more data"
        )
    rng = np.random.default_rng(seed)
    posts = sorted(groups)
    shuffled = [posts[index] for index in rng.permutation(len(posts))]
    ordered = sorted(shuffled, key=lambda post: groups[post][0].levels)
    sides: dict[str, set[str]] = defaultdict(set)
    for start in range(0, len(ordered), len(_BLOCK)):
        dealt = [_BLOCK[index] for index in rng.permutation(len(_BLOCK))]
        for post, side in zip(ordered[start:], dealt, strict=False):
            sides[side].add(post)
    return Split(
        **{
            side: tuple(pair for pair in pairs if _post(pair) in sides[side])
            for side in ("train", "valid", "test")
        }
    )


def _post(pair: Pair) -> str:
    """The seeker post as it is told apart from others: case and spacing do not count."""
    return " ".join(pair.seeker.casefold().split())


def fingerprint(pairs: Sequence[Pair]) -> str:
    """A sha256 over everything that is learned from."""
    return sha256_text(
        canonical_json(
            [[p.seeker, p.response, list(p.levels), [list(r) for r in p.rationales]] for p in pairs]
        )
    )
