"""`empathy-bench`: the command line. Each command parses, calls one function, prints.

Exit codes: 0 done, 1 the work failed, 2 usage or bad input, 130 interrupted. Other rooms and third
parties mount their commands through the entry-point group `empathy_bench.commands`.
"""

from __future__ import annotations

import os
import signal
import sys

import typer

from harness.commands import (
    compare,
    data,
    demo,
    doctor,
    listing,
    matrix,
    power,
    run,
    score,
    track,
    train,
)
from harness.errors import EmpathyBenchError

__all__ = ["app", "main"]

app = typer.Typer(
    name="empathy-bench",
    help="Evaluate empathetic dialogue models on EmpatheticDialogues and ESConv.",
    epilog="Start with: empathy-bench demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from harness import __version__

        typer.echo(f"empathy-bench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Evaluate empathetic dialogue models on EmpatheticDialogues and ESConv."""


app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("predict")(run.predict)
app.command("score")(score.score)
app.command("matrix")(matrix.matrix)
app.command("compare")(compare.compare)
app.command("power")(power.power)
app.command("track")(track.track)
app.command("list")(listing.list_)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")


def _mount() -> None:
    """Add the commands of other rooms and of third parties."""
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group="empathy_bench.commands"), key=lambda p: p.name):
        app.add_typer(point.load(), name=point.name)


class _Interrupt(BaseException):
    """Ctrl-C or a polite kill. Typer would answer a KeyboardInterrupt itself, without advice."""


def _interrupt(*_: object) -> None:
    raise _Interrupt


def main() -> None:
    """Entry point of the console script: every expected failure is one line and an exit code."""
    _mount()
    # Libraries draw a bar for every call; the commands show one for the whole run.
    os.environ.setdefault("TQDM_DISABLE", "1")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        app()
    except EmpathyBenchError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _fail(f"{error.filename or 'file'}: {error.strerror or error}", 2)
    except _Interrupt:
        _fail("interrupted; what was finished is kept, go on with --resume", 130)


def _fail(message: str, code: int) -> None:
    typer.secho(f"error: {' '.join(message.split())}", fg=typer.colors.RED, err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
