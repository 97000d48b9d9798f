"""How a training run shows itself: bar with ETA, running loss, best validation score so far."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from harness.checkpoint import Step
from harness.commands.show import rich_progress

__all__ = ["fitting_progress"]


@contextmanager
def fitting_progress(*, quiet: bool) -> Iterator[Callable[[Step], None]]:
    """A bar with ETA, running loss and best validation score; lines where there is no terminal."""
    if quiet:
        yield lambda step: None
    elif sys.stderr.isatty():
        with _bar() as advance:
            yield advance
    else:
        yield _lines()


def _label(step: Step) -> str:
    parts = [step.stage]
    if step.loss is not None:
        parts.append(f"loss {step.loss:.3f}")
    if step.best:
        parts.append(f"best {step.best}")
    return " · ".join(parts)


@contextmanager
def _bar() -> Iterator[Callable[[Step], None]]:
    with rich_progress() as bar:
        tasks: dict[bool, Any] = {}

        def advance(step: Step) -> None:
            fitting = step.loss is not None
            if fitting not in tasks:
                # A resumed run begins in the middle: what it skipped took no time.
                tasks[fitting] = bar.add_task("", total=step.total, completed=step.done - 1)
            bar.update(
                tasks[fitting], description=_label(step), completed=step.done, total=step.total
            )

        yield advance


def _lines() -> Callable[[Step], None]:
    began: dict[bool, tuple[float, int]] = {}
    last = 0.0

    def advance(step: Step) -> None:
        nonlocal last
        now = time.monotonic()
        started, skipped = began.setdefault(step.loss is not None, (now, step.done - 1))
        if now - last < 10 and step.done < step.total:
            return
        last = now
        rate = (now - started) / max(step.done - skipped, 1)
        left = rate * (step.total - step.done)
        typer.echo(f"  {_label(step)}: {step.done}/{step.total}, about {left:.0f} s left", err=True)

    return advance
