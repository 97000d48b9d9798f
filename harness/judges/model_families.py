"""Are candidate and judge of one model family? Judges favour their own (arXiv 2604.06996).

Names come as people write them: `meta-llama/Llama-3.1-8B-Instruct`, `llama3:8b`, `gpt-4o-2024-08`,
`hf:pretrained=Qwen/Qwen2.5-7B,dtype=auto`. Organisation, size and version do not matter. A model
distilled or tuned from another belongs to both (DeepSeek-R1-Distill-Qwen). Gemma counts as Gemini,
from whose work its makers say it was built. What nobody listed is unknown: that is not "different".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

__all__ = ["Kinship", "model_families", "same_family"]

Kinship = Literal["same", "different", "unknown"]

# Family → the words that show it, as regular expressions; derived models stand with their base.
_WORDS: Mapping[str, str] = {
    "aya": "aya",
    "bart": "bart",
    "blenderbot": "blenderbot",
    "bloom": "bloomz?",
    "claude": "claude",
    "command": "command(?=-?(?:r|a|light|nightly|xlarge)|$)|c4ai",
    "deepseek": "deepseek",
    "ernie": "ernie",
    "eleuther": "pythia|gpt-?(?:neox?|j)",
    "exaone": "exaone",
    "falcon": "falcon",
    "gemini": "gemini|gemma|codegemma|medgemma|shieldgemma",
    "glm": "(?:chat)?glm",
    "gpt": "(?:chat)?gpt(?=-?(?:[3-9]|oss|latest|$))|text-davinci"
    r"|(?<![\d.-])o[134](?=-mini|-pro|-preview|-20|$)",
    "gpt-2": "(?:distil)?gpt-?2|dialogpt|dialo-?rpt",
    "granite": "granite",
    "grok": "grok",
    "hunyuan": "hunyuan",
    "internlm": "internlm",
    "jamba": "jamba",
    "kimi": "kimi|moonlight|moonshot",
    "llama": "(?:code|tiny|open)?llama|vicuna|alpaca|tulu|guanaco",
    "minimax": "minimax|abab",
    "mistral": "(?:open-?)?mi[sx]tral|ministral|magistral|codestral|devstral|pixtral|zephyr"
    "|prometheus|voxtral|biomistral",
    "mpt": "mpt(?=-?\\d)",
    "nemotron": "nemotron",
    "nova": "nova",
    "olmo": "olmo(?:e)?",
    "opt": "opt(?=-?\\d)",
    "phi": "phi(?=-?\\d)",
    "qwen": "(?:code)?qwen|qwq|qvq",
    "smollm": "smol-?lm|smol-?vlm",
    "solar": "solar(?=-)",
    "stablelm": "stable-?lm",
    "t5": "(?:flan-|m|by)?t5",
    "yi": "yi(?=-|$)",
}
# A family's word is no part of another word; digits may follow at once, as in llama3.
_PATTERNS = {
    family: re.compile(rf"(?<![a-z])(?:{words})(?![a-z])") for family, words in _WORDS.items()
}


def model_families(name: str) -> frozenset[str]:
    """The families that `name` tells of, none where it tells nothing.

    The part after the last `/` counts; the organisation only where that says nothing.
    """
    plain = name.strip().lower().replace("_", "-").rstrip("/")
    organisation, _, own = plain.rpartition("/")
    return _found(own) or _found(organisation)


def _found(text: str) -> frozenset[str]:
    return frozenset(family for family, pattern in _PATTERNS.items() if pattern.search(text))


def same_family(candidate: str, judge: str) -> Kinship:
    """ "same" for one name, or a family in common; "unknown" where either tells of none."""
    if candidate.strip().lower() == judge.strip().lower():
        return "same"
    one, other = model_families(candidate), model_families(judge)
    if not one or not other:
        return "unknown"
    return "same" if one & other else "different"
