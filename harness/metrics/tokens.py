"""Text to tokens. Who tokenises a corpus does it once: `harness.metrics.coding` remembers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

__all__ = ["normalised", "rouge_tokens", "tokens_13a", "tokens_space"]

# What 13a's rules treat by its neighbours. Text without it is cut at white space and around each
# mark, which one expression does several times faster than the rules one after another.
_DIGITS_OR_MARKUP = re.compile(r"[0-9&<\n]")
_MARKS = r"!-%(-,./:-@\[-`{-~"
_WORD_OR_MARK = re.compile(rf"[{_MARKS}]|[^{_MARKS}\s]+")
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=1)
def _sacrebleu_13a() -> Callable[[str], str]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenise: Callable[[str], str] = Tokenizer13a()
    return tokenise


def tokens_13a(text: str) -> tuple[str, ...]:
    """Lower-cased tokens of mteval-v13a, as by sacreBLEU's tokeniser."""
    if _DIGITS_OR_MARKUP.search(text):
        return tuple(_sacrebleu_13a()(text.lower().rstrip()).split())
    return tuple(_WORD_OR_MARK.findall(text.lower()))


def tokens_space(text: str) -> tuple[str, ...]:
    """What stands between white space, as given: for text that is tokenised already."""
    return tuple(text.split())


def rouge_tokens(text: str) -> tuple[str, ...]:
    """Lower-cased runs of a–z and 0–9, as in Lin's ROUGE script."""
    return tuple(_NOT_ALPHANUMERIC.sub(" ", text.lower()).split())


def normalised(text: str) -> str:
    """The reply without differences of case and white space."""
    return " ".join(text.lower().split())
