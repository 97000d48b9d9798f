"""What the offline judge sees of a reply: its sentence vector, and a few plain numbers.

r, r ∘ c          MiniLM's vectors of the reply and, element by element, of reply and context
plain             ln(1 + words), question mark, exclamation mark, cosine of reply with context and
                  with the last turn, share of words that the context has, share of different
                  words, shares of "you" and of "i"
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PLAIN", "VERSION", "Reply", "Vectors", "features", "load_vectors"]

VERSION = 1
PLAIN = (
    "length", "question", "exclamation", "near the context", "near the last turn",
    "words of the context", "different words", "you", "i",
)  # fmt: skip
_WORD = re.compile(r"[\w']+")


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply with the texts of the turns before it, oldest first."""

    id: str
    context: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Vectors:
    """Texts → (n, d) unit vectors, and the name of all that they depend on."""

    of: Callable[[Sequence[str]], NDArray[Any]]
    model: str


def load_vectors() -> Vectors:
    """The packaged MiniLM's.

    Raises:
        ModelError: it is not installed.
    """
    from harness.metrics.neural.model_files import find_model
    from harness.metrics.neural.sentences import load_sentence_encoder

    files = find_model("")
    encoder = load_sentence_encoder(files)
    return Vectors(encoder.vectors, f"{files.name}@{files.weights}-{files.setup}")


def features(replies: Sequence[Reply], vectors: Vectors) -> NDArray[Any]:
    """(n, 2d + 9) of n replies, n at least 1."""
    import numpy as np

    contexts = [" ".join(reply.context) for reply in replies]
    lasts = [reply.context[-1] if reply.context else "" for reply in replies]
    texts = [reply.text for reply in replies]
    every = list(dict.fromkeys([*texts, *contexts, *lasts]))
    place = {text: number for number, text in enumerate(every)}
    known = vectors.of(every)
    r, c, last = (known[[place[text] for text in part]] for part in (texts, contexts, lasts))
    plain = np.array(
        [
            _plain(text, context, float(a @ b), float(a @ e))
            for text, context, a, b, e in zip(texts, contexts, r, c, last, strict=True)
        ]
    )
    found: NDArray[Any] = np.hstack([r, r * c, plain])
    return found


def _plain(text: str, context: str, near: float, near_last: float) -> list[float]:
    words = _WORD.findall(text.lower())
    told = set(_WORD.findall(context.lower()))
    count = max(len(words), 1)
    return [
        math.log1p(len(words)), float("?" in text), float("!" in text), near, near_last,
        sum(word in told for word in words) / count, len(set(words)) / count,
        sum(word in ("you", "your", "you're") for word in words) / count,
        sum(word in ("i", "i'm", "my", "me") for word in words) / count,
    ]  # fmt: skip
