"""What an evaluator takes for the reply and for the reference, and the counts that follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.metrics.contract import Scored, Statistics
from harness.metrics.legacy.words import label_stripped
from harness.metrics.tokens import tokens_space

if TYPE_CHECKING:
    from harness.metrics.arrays import Additive
    from harness.metrics.coding import Coded
    from harness.metrics.contract import IntArray

__all__ = [
    "Reading",
    "bleu_rows",
    "dist_rows",
    "glued",
    "glued_rows",
    "printed_reference",
    "reply",
    "stripped_reading",
]


def reply(item: Scored) -> str:
    """The reply as it was said."""
    return item.text


def printed_reference(item: Scored) -> str:
    """The reference as the file prints it, where it does."""
    return item.reference if item.file_reference is None else item.file_reference


def without_label(item: Scored, *, label: str) -> str:
    """The reply after `label_stripped`."""
    return label_stripped(item.text, label)


def reference_without_label(item: Scored) -> str:
    """The printed reference after `label_stripped` of "Ref:"."""
    return label_stripped(printed_reference(item), "Ref:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Which text of an example is scored, and how it is cut; `parts` say so in signatures."""

    tokenise: Callable[[str], tuple[str, ...]]
    parts: dict[str, Any]
    said: Callable[[Scored], str] = reply
    meant: Callable[[Scored], str] = printed_reference

    def replies(self, scored: Sequence[Scored]) -> Coded:
        """The replies' tokens."""
        from harness.metrics.coding import code_texts

        return code_texts(tuple(self.said(item) for item in scored), self.tokenise)

    def references(self, scored: Sequence[Scored]) -> Coded:
        """The references' tokens."""
        from harness.metrics.coding import code_texts

        return code_texts(tuple(self.meant(item) for item in scored), self.tokenise)

    def matches(self, scored: Sequence[Scored], order: int) -> tuple[IntArray, IntArray, IntArray]:
        """Clipped matches, n-grams of the reply, n-grams of the reference: each (n, order)."""
        from harness.metrics.coding import clipped_matches

        return clipped_matches(self.replies(scored), self.references(scored), order)

    def lengths(self, scored: Sequence[Scored]) -> tuple[IntArray, IntArray]:
        """Tokens of reply and of reference, (n,) each."""
        return self.replies(scored).lengths, self.references(scored).lengths


def stripped_reading(label: str) -> Reading:
    """Space-cut text whose label was taken off by `str.strip`, letters of the text with it."""
    return Reading(
        tokenise=tokens_space,
        parts={"tok": "space", "case": "given", "strip": "label-characters"},
        said=partial(without_label, label=label),
        meant=reference_without_label,
    )


def bleu_rows(
    scored: Sequence[Scored], *, reading: Reading, order: int, least: int = 0
) -> Additive:
    """n × (2 + 2·order): lengths of reply and reference, clipped matches, n-grams of the reply.

    `least` is what a reply too short for an n-gram counts for nonetheless.
    """
    import numpy as np

    from harness.metrics.arrays import Additive

    matches, totals, _ = reading.matches(scored, order)
    lengths = reading.lengths(scored)
    columns = [*lengths, *matches.T, *np.maximum(totals, least).T]
    return Additive(np.stack(columns, axis=1).astype(float))


def dist_rows(scored: Sequence[Scored], *, reading: Reading, n: int) -> Statistics:
    """A bag of n-grams per reply."""
    import numpy as np

    from harness.metrics.arrays import make_bags
    from harness.metrics.coding import distinct_ngrams

    replies = reading.replies(scored)
    codes, owners, vocabulary = distinct_ngrams(replies, n)
    sizes = np.maximum(replies.lengths - n + 1, 0).astype(float)
    return make_bags(codes, owners, sizes, vocabulary, "distinct")


def glued_rows(scored: Sequence[Scored], *, reading: Reading) -> Statistics:
    """A bag of word pairs per reply, each written without a space between."""
    from harness.metrics.arrays import bags

    return bags(glued(reading.said(item), reading, n=2) for item in scored)


def glued(text: str, reading: Reading, *, n: int) -> list[str]:
    """The n-grams of a text, each written as one word, so that some become the same."""
    tokens = reading.tokenise(text)
    return ["".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]
