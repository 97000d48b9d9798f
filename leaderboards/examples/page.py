"""Browser → one HTML file. Texts lie in it compressed, and are unpacked when they are asked for."""

from __future__ import annotations

import base64
import dataclasses
import gzip
from pathlib import Path
from typing import Any

from harness import pages
from leaderboards.examples.gather import Browser
from leaderboards.words import metric_words

__all__ = ["render_examples"]

_TEMPLATES = Path(__file__).parents[1] / "templates"


def render_examples(browser: Browser) -> str:
    """The page as text; equal browsers give equal pages."""
    values = [system.values for system in browser.systems]
    chunks = {
        "examples": _packed(browser.examples),
        "values": _packed(values),
        **{
            f"system-{i}": _packed([system.replies, system.extras])
            for i, system in enumerate(browser.systems)
        },
    }
    return pages.render(
        _TEMPLATES,
        "examples",
        data=_facts(browser),
        context={"browser": browser, "chunks": chunks},
        shared="page",
    )


def _facts(browser: Browser) -> dict[str, Any]:
    """What the page needs before any text is unpacked."""
    return {
        "count": len(browser.examples),
        "systems": [
            {"id": system.id, "name": system.name, "kind": system.kind, "detail": system.detail}
            for system in browser.systems
        ],
        "metrics": [
            {
                "name": name,
                "label": metric_words(name, kind="response", profile="harness").label,
                "direction": direction,
            }
            for name, direction in browser.metrics
        ],
        "claims": [dataclasses.asdict(claim) for claim in browser.claims],
    }


def _packed(value: object) -> str:
    text = pages.embedded_json(value).encode("ascii")
    return base64.b64encode(gzip.compress(text, 9, mtime=0)).decode("ascii")
