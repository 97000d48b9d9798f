"""METEOR (Banerjee & Lavie 2005) with the parameters of Lavie & Agarwal 2007, as NLTK computes it.

Words of the reply are aligned with words of the reference in stages: equal words, equal stems
(Porter), words with a common WordNet synset. Each word is used once; with m matches in c runs of
neighbours, P = m / |reply| and R = m / |reference|,

    F = P·R / (α·P + (1 − α)·R),   METEOR = (1 − γ·(c / m)^β)·F,   α = 0.9, β = 3, γ = 0.5.

The alignment is NLTK's, from the right, each word to the rightmost free partner; like NLTK's, the
synonym stage looks up stems, not words. It is linear in the number of words, also where an older
NLTK's is quadratic. A letter string above `LONGEST_WORD` is its own stem, since stemming takes
quadratic time. The corpus value is the mean over replies. NLTK is imported when the metric is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import InputError
from harness.metrics.contract import Metric, Scored, Statistics, signature
from harness.metrics.scores import mean
from harness.metrics.tokens import tokens_13a
from harness.metrics.wordnet import WordNet, find_wordnet, open_wordnet

if TYPE_CHECKING:
    from harness.metrics.coding import Coded

__all__ = ["LONGEST_WORD", "make"]

ALPHA, BETA, GAMMA = 0.9, 3.0, 0.5
LONGEST_WORD = 200

# A word's place in its text, and its code.
Word = tuple[int, int]
# A word's place in the reply, and its partner's in the reference.
Match = tuple[int, int]


def make(argument: str = "") -> tuple[Metric, ...]:
    """The METEOR metric; `argument` is a folder of WordNet's dict files, "" what NLTK has.

    Raises:
        InputError: the folder holds no WordNet.
    """
    wordnet = open_wordnet(Path(argument).expanduser()) if argument else find_wordnet()
    stages = "exact+stem" + (f"+wordnet-{wordnet.version}" if wordnet else "")
    return (
        Metric(
            name="meteor",
            signature=signature(
                "meteor",
                tok="13a",
                case="lower",
                stages=stages,
                alpha=str(ALPHA),
                beta=str(BETA),
                gamma=str(GAMMA),
                agg="sentence-mean",
                refs="canonical",
                lib=f"nltk-{_nltk_version()}",
            ),
            direction="higher",
            unit="percent",
            range=(0.0, 100.0),
            description="METEOR against the human reply: "
            + ("words, stems and synonyms." if wordnet else "words and stems, no synonyms."),
            statistics=partial(_statistics, wordnet=wordnet),
            score=mean,
        ),
    )


def _nltk_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nltk")
    except PackageNotFoundError as error:
        raise InputError("meteor needs NLTK's stemmer: pip install nltk") from error


def _statistics(scored: Sequence[Scored], *, wordnet: WordNet | None) -> Statistics:
    """n × 2: METEOR of each reply in percent, and 1."""
    import numpy as np

    from harness.metrics.arrays import columns
    from harness.metrics.coding import code_texts, common_ids

    replies = code_texts(tuple(item.text for item in scored), tokens_13a)
    references = code_texts(tuple(item.reference for item in scored), tokens_13a)
    reply_ids, reference_ids = (ids.tolist() for ids in common_ids(replies, references))
    stem_of, stems = _stems(replies, references)
    related = _related(stems, wordnet) if wordnet else None
    values = np.zeros(len(scored))
    for row in range(len(scored)):
        said = reply_ids[replies.starts[row] : replies.starts[row + 1]]
        meant = reference_ids[references.starts[row] : references.starts[row + 1]]
        values[row] = 100.0 * _meteor(said, meant, stem_of=stem_of, related=related)
    return columns(values)


def _stems(replies: Coded, references: Coded) -> tuple[list[int], list[str]]:
    """The stem's code of each word's code, and the stems; words numbered as by `common_ids`."""
    vocabulary = dict.fromkeys([*replies.vocabulary, *references.vocabulary])
    index: dict[str, int] = {}
    codes = [index.setdefault(_stem(str(word)), len(index)) for word in vocabulary]
    return codes, list(index)


@lru_cache(maxsize=1)
def _porter() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    stem: Callable[[str], str] = PorterStemmer().stem
    return stem


@lru_cache(maxsize=100_000)
def _stem(word: str) -> str:
    return word if len(word) > LONGEST_WORD else _porter()(word)


def _related(stems: list[str], wordnet: WordNet) -> Callable[[int], Sequence[int]]:
    """From a stem's code to the codes of all stems of the corpus that are its synonyms."""
    index = {stem: code for code, stem in enumerate(stems)}

    @cache
    def related(code: int) -> Sequence[int]:
        return [index[word] for word in wordnet.synonyms(stems[code]) if word in index]

    return related


def _itself(code: int) -> Sequence[int]:
    return (code,)


def _meteor(
    said: Sequence[int],
    meant: Sequence[int],
    *,
    stem_of: Sequence[int],
    related: Callable[[int], Sequence[int]] | None,
) -> float:
    """METEOR of one reply, 0 to 1; 0 where nothing matches."""
    left, right = list(enumerate(said)), list(enumerate(meant))
    matches = _stage(left, right, _itself)
    left, right = _unmatched(left, right, matches)
    left, right = ([(place, stem_of[code]) for place, code in words] for words in (left, right))
    for partners in (_itself, related):
        if partners and left and right:
            found = _stage(left, right, partners)
            left, right = _unmatched(left, right, found)
            matches += found
    if not matches:
        return 0.0
    precision, recall = len(matches) / len(said), len(matches) / len(meant)
    f_mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    fragmentation = _chunks(sorted(matches)) / len(matches)
    penalty: float = GAMMA * fragmentation**BETA
    return (1 - penalty) * f_mean


def _stage(
    left: Sequence[Word], right: Sequence[Word], partners: Callable[[int], Sequence[int]]
) -> list[Match]:
    """Each word of the reply, from the last, with the rightmost free word of its `partners`."""
    free: dict[int, list[int]] = {}
    for place, code in right:
        free.setdefault(code, []).append(place)
    matches = []
    for place, code in reversed(left):
        open_ = [free[partner] for partner in partners(code) if free.get(partner)]
        if open_:
            matches.append((place, max(open_, key=lambda places: places[-1]).pop()))
    return matches


def _unmatched(
    left: Iterable[Word], right: Iterable[Word], matches: Iterable[Match]
) -> tuple[list[Word], list[Word]]:
    pairs = list(matches)
    taken_left, taken_right = {a for a, _ in pairs}, {b for _, b in pairs}
    return (
        [word for word in left if word[0] not in taken_left],
        [word for word in right if word[0] not in taken_right],
    )


def _chunks(matches: Sequence[Match]) -> int:
    """Runs of matches that are neighbours in both texts."""
    return 1 + sum((c, d) != (a + 1, b + 1) for (a, b), (c, d) in pairwise(matches))
