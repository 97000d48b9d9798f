"""What other places ask of a result: its model and data set by their names there, safe paths."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from harness.datasets.hub import ED, ESCONV
from harness.files import sha256_text
from harness.results import Result
from leaderboards.rows import row_kind
from leaderboards.words import example_set_words

__all__ = ["hub_dataset", "hub_model", "is_measured_model", "is_whole", "safe_name"]

_HUB_NAME = re.compile(r"/([A-Za-z0-9][\w.-]{0,95})/([A-Za-z0-9][\w.-]{0,95})")


def is_measured_model(result: Result) -> bool:
    """Whether the result speaks of a model and was measured: no floor, no people, no print."""
    return row_kind(result) in ("model", "baseline")


def is_whole(result: Result) -> bool:
    """Whether every example of a known benchmark was asked."""
    words = example_set_words(str(result.protocol.get("example_set") or ""))
    return words.size is not None and words.size == result.protocol.get("size")


def hub_dataset(result: Result) -> str | None:
    """The hub repository that holds the example set's dialogues; None for other data."""
    corpus = str(result.protocol.get("example_set") or "").partition("/")[0]
    if example_set_words(str(result.protocol.get("example_set") or "")).size is None:
        return None
    return {"ed": ED, "esconv": ESCONV}.get(corpus)


def hub_model(result: Result) -> tuple[str, str] | None:
    """(organisation, name) where the model card's link leads to the hub."""
    link = urlsplit(str(result.model.get("url") or ""))
    if link.scheme != "https" or link.hostname not in ("huggingface.co", "hf.co"):
        return None
    found = _HUB_NAME.fullmatch(link.path.rstrip("/"))
    return (found[1], found[2]) if found else None


def safe_name(name: str) -> str:
    """`name` as one part of a path, which never leaves its folder."""
    kept = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:60]
    return kept or sha256_text(name)[:8]
