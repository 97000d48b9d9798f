"""Synonyms from WordNet's own files (Fellbaum 1998): which words share a synset with a word.

Reads the `index`, `data` and `exc` files of wndb(5WN) directly, so that any folder of them serves:
Princeton's `dict`, a distribution's package, or NLTK's corpus, which may be a zip archive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from harness.errors import InputError

__all__ = ["WordNet", "find_wordnet", "open_wordnet"]

# Reads a file of the folder by name.
Read = Callable[[str], bytes]

# morphy(7WN): the endings that are taken off, and what is put in their place.
_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "verb": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}
_FILES = tuple(f"{kind}.{part}" for part in _ENDINGS for kind in ("index", "data"))
_VERSION = re.compile(rb"WordNet (\d+\.\d+) Copyright")
_MARKER = re.compile(r"\((?:a|p|ip)\)$")


class WordNet:
    """One version of WordNet.

    Raises:
        InputError: a file is missing, or is none of WordNet's.
    """

    def __init__(self, read: Read, *, place: str) -> None:
        try:
            index = {part: read(f"index.{part}") for part in _ENDINGS}
            self._data = {part: read(f"data.{part}") for part in _ENDINGS}
            irregular = {part: read(f"{part}.exc") for part in _ENDINGS}
        except (OSError, KeyError) as error:
            raise InputError(
                f"{place}: no WordNet database ({error}); give the folder that holds "
                f"{', '.join(_FILES[:2])} and their like, such as Princeton's dict folder"
            ) from error
        stated = _VERSION.search(self._data["noun"][:4096])
        if not stated:
            raise InputError(
                f"{place}: data.noun states no WordNet version in its first lines; "
                "give an unchanged dict folder of WordNet"
            )
        self.version = stated.group(1).decode()
        try:
            self._index = {part: dict(_offsets(text)) for part, text in index.items()}
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{place}: an index file has a damaged line ({error}); unpack WordNet again"
            ) from error
        self._irregular = {part: dict(_forms(text)) for part, text in irregular.items()}

    def synonyms(self, word: str) -> frozenset[str]:
        """Every single word, spelled as in WordNet, of every synset that `word` is a form of."""
        found: set[str] = set()
        lower = word.lower()
        for part in _ENDINGS:
            for form in dict.fromkeys([lower, *self._bases(lower, part)]):
                for offset in self._index[part].get(form, ()):
                    found.update(self._words(part, offset))
        return frozenset(found)

    def _bases(self, form: str, part: str) -> tuple[str, ...]:
        irregular = self._irregular[part].get(form)
        if irregular is not None:
            return irregular
        return tuple(form[: -len(old)] + new for old, new in _ENDINGS[part] if form.endswith(old))

    def _words(self, part: str, offset: int) -> Iterator[str]:
        """The words of the synset whose line begins at this byte of the data file."""
        data = self._data[part]
        # offset, lexicographer's file, kind, number of words in hexadecimal, word, id, word, …
        cells = data[offset : data.index(b"|", offset)].decode("utf-8", "replace").split()
        for word in cells[4 : 4 + 2 * int(cells[3], 16) : 2]:
            plain = _MARKER.sub("", word)
            if "_" not in plain:
                yield plain


def _lines(text: bytes) -> Iterator[str]:
    """The entries of a file: the licence at the top is indented."""
    return (
        line
        for line in text.decode("utf-8", "replace").splitlines()
        if line and not line.startswith(" ")
    )


def _offsets(text: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """lemma, part, synsets, p, p pointers, synsets, ranked synsets, offset, offset, …"""
    for line in _lines(text):
        cells = line.split()
        yield cells[0], tuple(int(cell) for cell in cells[len(cells) - int(cells[2]) :])


def _forms(text: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    for line in _lines(text):
        form, *bases = line.split()
        yield form, tuple(bases)


@lru_cache(maxsize=2)
def open_wordnet(folder: Path) -> WordNet:
    """The WordNet in this folder.

    Raises:
        InputError: it holds none.
    """
    return WordNet(lambda name: (folder / name).read_bytes(), place=str(folder))


@lru_cache(maxsize=1)
def find_wordnet() -> WordNet | None:
    """The WordNet among NLTK's data, unpacked or zipped; None if it has none."""
    from nltk.data import find

    for name in ("corpora/wordnet", "corpora/wordnet.zip/wordnet/"):
        try:
            pointer = find(name)
        except LookupError:
            continue

        def read(file: str, pointer: object = pointer) -> bytes:
            content: bytes = pointer.join(file).open().read()  # type: ignore[attr-defined]
            return content

        return WordNet(read, place=str(pointer))
    return None
