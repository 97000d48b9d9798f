"""`list`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.commands import options as o

__all__ = ["list_"]

What = Literal["tasks", "models", "metrics", "datasets", "profiles", "formats"]
Rows = list[tuple[str, str]]


def list_(
    what: Annotated[What, typer.Argument(help="What to list.")],
    path: Annotated[
        bool, typer.Option("--path", help="tasks: print the folder to give lm-eval instead.")
    ] = False,
    json: o.Json = False,
) -> None:
    """List tasks, models, metrics, datasets, profiles or formats.

    Example: empathy-bench list tasks
    """
    if path:
        import harness.tasks

        typer.echo(Path(harness.tasks.__file__).parent)
        return
    rows = _LISTS[what]()
    if json:
        from harness.commands.show import print_json

        print_json(dict(rows))
        return
    width = max(len(name) for name, _ in rows)
    for name, description in rows:
        first, *others = description.split("\n")
        typer.echo(f"{name:<{width}}  {first}")
        for line in others:
            typer.echo(f"{'':<{width}}    {line}")


def _tasks() -> Rows:
    from harness.tasks import GROUPS, TASKS

    tasks = [(task.name, f"v{task.version}  {task.description}") for task in TASKS.values()]
    groups = [(name, f"group: {', '.join(members)}") for name, members in GROUPS.items()]
    return tasks + groups


def _models() -> Rows:
    from harness.models import model_names

    return sorted(model_names().items())


def _metrics() -> Rows:
    from harness.metrics import describe_metrics

    return list(describe_metrics().items())


def _datasets() -> Rows:
    from harness.datasets import EXAMPLE_SETS

    return [(name, spec.description) for name, spec in EXAMPLE_SETS.items()]


def _profiles() -> Rows:
    from harness.metrics.profiles import PROFILES

    return [
        (name, "\n".join([profile.description, *profile.differences, profile.caveat]).rstrip())
        for name, profile in PROFILES.items()
    ]


def _formats() -> Rows:
    from harness.imports import FORMATS

    return list(FORMATS.items())


_LISTS: dict[str, Callable[[], Rows]] = {
    "tasks": _tasks,
    "models": _models,
    "metrics": _metrics,
    "datasets": _datasets,
    "profiles": _profiles,
    "formats": _formats,
}
