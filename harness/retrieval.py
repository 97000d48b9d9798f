"""Similar contexts by BM25: shared by the retrieval baseline and by retrieved demonstrations.

BM25 over words (Robertson & Zaragoza 2009; bm25s, Lucene's variant, k1 1.5, b 0.75). A context is
read as all its turns, the last speaker turn twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.dialogue import Example

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # Queries (B) → similarity to every indexed context, (B, n).
    Search = Callable[[Sequence[str]], NDArray[np.floating[Any]]]

__all__ = ["BM25", "DEMONSTRATIONS", "bm25", "context_query", "retrieve_demonstrations"]

BM25 = "bm25 lucene k1 1.5 b 0.75"
# Enters the header: a change of any rule of `retrieve_demonstrations` is a new version.
DEMONSTRATIONS = f"{BM25}|other dialogue|other context|one a dialogue|nearest last|v1"

_WORD = re.compile(r"\w+")
_FIRST_LOOK = 64


def bm25(contexts: Sequence[str]) -> Search:
    """An index over `contexts` (n); a query without a word is like nothing (zeros)."""
    import bm25s
    import numpy as np

    index = bm25s.BM25()
    index.index([_words(text) for text in contexts], show_progress=False)

    def search(queries: Sequence[str]) -> NDArray[np.floating[Any]]:
        rows = [_words(query) for query in queries]
        nothing = np.zeros(len(contexts), dtype=np.float32)
        return np.stack([index.get_scores(row) if row else nothing for row in rows])

    return search


def context_query(example: Example) -> str:
    """The context as one text, the last speaker turn twice."""
    spoken = [turn.text for turn in example.context]
    last = next((turn.text for turn in reversed(example.context) if turn.role == "speaker"), "")
    return " ".join([*spoken, last])


def retrieve_demonstrations(
    examples: Sequence[Example], pool: Sequence[Example], count: int
) -> list[tuple[Example, ...]]:
    """For each example the `count` examples of `pool` with the most similar contexts.

    The most similar stands last, next to the question. None is of the example's own dialogue or
    has its context (case and white space aside), and no two are of one dialogue. Ties go to the
    earlier in `pool`. No label and no reference is looked at.
    """
    if count <= 0 or not any(_words(context_query(candidate)) for candidate in pool):
        return [() for _ in examples]
    search = bm25([context_query(candidate) for candidate in pool])
    contexts = [_plain_context(candidate) for candidate in pool]
    return [
        _nearest_allowed(search([context_query(example)])[0], example, pool, contexts, count)
        for example in examples
    ]


def _nearest_allowed(
    similarity: NDArray[np.floating[Any]],
    example: Example,
    pool: Sequence[Example],
    contexts: Sequence[str],
    count: int,
) -> tuple[Example, ...]:
    """Walk down `similarity` (n) until enough demonstrations are found, most similar last."""
    own = _plain_context(example)
    looked = min(len(pool), max(_FIRST_LOOK, 4 * count))
    while True:
        chosen: dict[str, Example] = {}
        for index in _highest(similarity, looked):
            candidate = pool[index]
            if candidate.dialogue_id != example.dialogue_id and contexts[index] != own:
                chosen.setdefault(candidate.dialogue_id, candidate)
            if len(chosen) == count:
                break
        if len(chosen) == count or looked == len(pool):
            return tuple(reversed(chosen.values()))
        looked = min(len(pool), 8 * looked)


def _highest(similarity: NDArray[np.floating[Any]], count: int) -> list[int]:
    """Indices of at least the `count` largest values, falling; equals in order of index."""
    import numpy as np

    bound = np.partition(similarity, -count)[-count]
    high = np.flatnonzero(similarity >= bound)
    ordered: list[int] = high[np.argsort(-similarity[high], kind="stable")].tolist()
    return ordered


def _plain_context(example: Example) -> str:
    return "\n".join(" ".join(turn.text.casefold().split()) for turn in example.context)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
