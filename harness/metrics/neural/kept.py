"""Sentence vectors kept in the user's cache: those of a training set take minutes to make."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.files import cache_directory, canonical_json, sha256_text, write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["kept_vectors"]


def kept_vectors(
    texts: Sequence[str], vectors: Callable[[Sequence[str]], NDArray[Any]], *, model: str
) -> NDArray[Any]:
    """(n, d) float32 of n texts, out of the cache if `vectors` made them before for `model`.

    `model` names everything that a vector depends on beside its text.
    """
    import numpy as np

    key = sha256_text(canonical_json([model, list(texts)]))[:24]
    path = cache_directory() / "vectors" / f"{key}.npy"
    if path.is_file():
        try:
            found: NDArray[Any] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):  # torn or foreign: made again below
            found = np.empty(0)
        if found.ndim == 2 and len(found) == len(texts):
            return found
    made = vectors(texts).astype(np.float32)
    buffer = io.BytesIO()
    np.save(buffer, made, allow_pickle=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, buffer.getvalue())
    return made
