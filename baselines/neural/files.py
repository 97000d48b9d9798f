"""Files that a training run may be given: word vectors, commonsense relations.

A run's settings hold a file's name and hash, never its place: `signature`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.files import sha256_file

if TYPE_CHECKING:
    from torch import Tensor

    from baselines.neural.vocabulary import Vocabulary

__all__ = ["fill_vectors", "read_relations", "signature"]


def signature(path: Path) -> str:
    """`NAME sha256:…`.

    Raises:
        DataError: there is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    return f"{path.name} sha256:{sha256_file(path)[:16]}"


def fill_vectors(path: Path, vocabulary: Vocabulary, weight: Tensor) -> int:
    """Write a text file's vectors into the rows (V, d) of the words it knows; how many.

    GloVe's layout (a word, then d numbers a line) or word2vec's (the same below a line "count d").
    The first of several lines for one word counts.

    Raises:
        DataError: another width than d, a line that cannot be read, or no word in common.
    """
    import torch

    index = {word: number for number, word in enumerate(vocabulary.words)}
    width, filled = weight.shape[1], set()
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            fields = line.rstrip("\n ").split(" ")
            if number == 1 and len(fields) == 2:
                continue
            # A word may hold spaces of its own (GloVe 840B), but not that of the first two lines.
            found = len(fields) - 1
            if found < width or (number <= 2 and found != width):
                raise DataError(
                    f"{path}:{number}: a vector of {found} numbers, expected {width}; "
                    f"give --width {found} or vectors of {width}"
                )
            row = index.get(" ".join(fields[:-width]))
            if row is None or row in filled:
                continue
            values = _floats(fields[-width:], path, number, width)
            with torch.no_grad():
                weight[row] = torch.tensor(values)
            filled.add(row)
    if not filled:
        raise DataError(f"{path}: none of its words is in the vocabulary of {len(index):,}")
    return len(filled)


def _floats(fields: list[str], path: Path, number: int, width: int) -> list[float]:
    try:
        return [float(field) for field in fields]
    except ValueError as error:
        raise DataError(
            f"{path}:{number}: {error}; expected a word and {width} numbers, spaces between"
        ) from error


def read_relations(
    path: Path, names: Iterable[str], ids: Iterable[str] = ()
) -> dict[str, tuple[str, ...]]:
    """Per example id the inferences of each relation, joined by spaces, in the order of `names`.

    The file holds a JSON object a line: {"id": example id, "xIntent": [texts], …}. "none" is
    COMET's way to say nothing and is left out.

    Raises:
        DataError: a line is no such object, or an id of `ids` has none.
    """
    names = tuple(names)
    found: dict[str, tuple[str, ...]] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    key, texts = _relations(line, names, f"{path}:{number}")
                    found[key] = texts
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    wanted = list(ids)
    missing = [key for key in wanted if key not in found]
    if missing:
        raise DataError(
            f"{path}: no relations for {len(missing):,} of {len(wanted):,} examples, "
            f"such as {missing[0]}"
        )
    return found


def _relations(line: str, names: tuple[str, ...], place: str) -> tuple[str, tuple[str, ...]]:
    try:
        row: Mapping[str, Any] = json.loads(line)
        texts = tuple(
            " ".join(text for text in map(str.strip, row[name]) if text.lower() != "none")
            for name in names
        )
        return str(row["id"]), texts
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{place}: {type(error).__name__} {error}; expected one JSON object with id, "
            f"{', '.join(names)}, each a list of texts"
        ) from error
