"""`train`: fit a model. Each sub-command is a trainer behind an entry point.

A trainer is a plain function with Typer options (or a Typer app), named in the group
`empathy_bench.trainers`; it is loaded when it is called or listed, never before, so that rooms with
heavy trainers cost the rest of the command line nothing.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from harness.errors import InputError, UnknownNameError

__all__ = ["GROUP", "app"]

GROUP = "empathy_bench.trainers"


def _points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _command(point: EntryPoint) -> Any:
    try:
        loaded = point.load()
    except Exception as error:
        raise InputError(
            f"trainer {point.name!r} ({point.value}) cannot be loaded: {error}; "
            "mend or uninstall the package that brings it"
        ) from error
    if isinstance(loaded, typer.Typer):
        return typer.main.get_command(loaded)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(point.name)(loaded)
    return typer.main.get_command(single)


class _Trainers(TyperGroup):
    """A group that knows its sub-commands by name and loads them on demand."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(_points())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        points = _points()
        if cmd_name not in points:
            raise UnknownNameError("trainer", cmd_name, points)
        return _command(points[cmd_name])


app = typer.Typer(
    cls=_Trainers,
    help="Fit a model or a classifier: `train epitome`, …",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _train() -> None:
    """Fit a model or a classifier. Training goes on after an interrupt with --resume."""
