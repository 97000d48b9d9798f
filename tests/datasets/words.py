"""Comparing texts that other people's tokenisers have been through."""

from __future__ import annotations

import re

CONTRACTIONS = {"can't": "can not", "won't": "will not", "cannot": "can not", "n't": " not",
                "'m": " am", "'re": " are", "'s": " is", "'ve": " have", "'ll": " will",
                "'d": " would"}  # fmt: skip


def letters(text: str) -> str:
    """Letters and digits, contractions written out."""
    text = text.lower()
    for short, full in CONTRACTIONS.items():
        text = text.replace(short, full)
    return re.sub(r"[^a-z0-9]", "", text)
