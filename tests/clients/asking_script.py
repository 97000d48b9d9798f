"""Asks COUNT numbered questions: `asking_script.py URL FOLDER COUNT [BYTES]`, as its own process.

BYTES limits the size of a file, as a full disk would.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from harness.clients import Cache, Message, Request, ask, load_endpoint
from harness.errors import EmpathyBenchError

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


def main(url: str, folder: str, count: str, size: str = "") -> int:
    """Print how many were answered, or one line about what went wrong."""
    if size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    asked = [
        Request(messages=(Message("user", f"item {n}"),), schema=SCHEMA, max_tokens=9)
        for n in range(int(count))
    ]
    client = load_endpoint(f"{url}#m", concurrency=16, attempts=60, timeout=0.6, backoff=0.002,
                           longest_wait=0.05)  # fmt: skip
    try:
        with Cache(Path(folder)) as cache:
            replies = ask(client, asked, cache=cache)
            print(sum(reply.failure is None for reply in replies), cache.in_flight)
    except EmpathyBenchError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # A shell's background jobs ignore interrupts, and pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:]))
