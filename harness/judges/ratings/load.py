"""One door to every human-rated set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import InputError, UnknownNameError
from harness.judges.ratings.own import own_ratings
from harness.judges.ratings.published import duo, empo, kumar, welivita
from harness.judges.ratings.records import RatingSet

__all__ = ["load_ratings", "sources"]

_LOADERS: Mapping[str, Callable[[Path], RatingSet]] = {
    "empo": empo,
    "welivita": welivita,
    "kumar": kumar,
    "duo": duo,
    "csv": own_ratings,
}


def sources() -> dict[str, str]:
    """The sources by name, each with a word on what it reads."""
    return {
        name: (loader.__doc__ or "").strip().splitlines()[0] for name, loader in _LOADERS.items()
    }


def load_ratings(
    spec: str, *, scales: Mapping[str, tuple[float, float]] | None = None
) -> RatingSet:
    """The ratings of `SOURCE:PATH`; `scales` bounds the criteria of one's own table by name.

    Raises:
        DataError: the file is missing, damaged or of another kind.
        InputError: no path is given, or scales for a source that has its own.
        UnknownNameError: there is no such source.
    """
    name, _, place = spec.partition(":")
    if name not in _LOADERS:
        raise UnknownNameError("source of ratings", name, _LOADERS)
    if not place:
        raise InputError(f"--ratings {spec}: write {name}:PATH")
    path = Path(place).expanduser()
    if scales:
        if name != "csv":
            raise InputError(f"--scale: {name} has scales of its own; leave it out")
        return own_ratings(path, scales)
    return _LOADERS[name](path)
