"""What neural metrics say while they work: lines on standard error, which no bar is broken by."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

__all__ = ["note", "reporter"]

_SECONDS_BETWEEN_LINES = 10.0


def reporter(label: str, total: int) -> Callable[[int], None]:
    """A function of how much is done that prints a line with the time left, every ten seconds."""
    started = last = time.monotonic()

    def report(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < _SECONDS_BETWEEN_LINES or done >= total:
            return
        last = now
        left = (now - started) / max(done, 1) * (total - done)
        note(f"{label}: {done:,} of {total:,}, about {left:.0f} s left")

    return report


def note(message: str) -> None:
    """One line on standard error."""
    print(f"  {message}", file=sys.stderr, flush=True)
