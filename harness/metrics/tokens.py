"""Text to tokens, each text once however many metrics ask.

The caches hold the replies and references of two runs of ED's 5,255 examples; beyond that they
forget, and only time is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

__all__ = ["normalised", "rouge_tokens", "tokens_13a", "tokens_space"]

_SIZE = 2**15
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]+")


@lru_cache(maxsize=1)
def _sacrebleu_13a() -> Callable[[str], str]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    tokenise: Callable[[str], str] = Tokenizer13a()
    return tokenise


@lru_cache(maxsize=_SIZE)
def tokens_13a(text: str) -> tuple[str, ...]:
    """Lower-cased tokens of mteval-v13a, by sacreBLEU's own tokeniser."""
    return tuple(_sacrebleu_13a()(text.lower().rstrip()).split())


@lru_cache(maxsize=_SIZE)
def tokens_space(text: str) -> tuple[str, ...]:
    """What stands between white space, as given: for text that is tokenised already."""
    return tuple(text.split())


@lru_cache(maxsize=_SIZE)
def rouge_tokens(text: str) -> tuple[str, ...]:
    """Lower-cased runs of a–z and 0–9, as in Lin's ROUGE script."""
    return tuple(_NOT_ALPHANUMERIC.sub(" ", text.lower()).split())


def normalised(text: str) -> str:
    """The reply without differences of case and white space."""
    return " ".join(text.lower().split())
