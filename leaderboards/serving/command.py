"""`leaderboard serve`: the board in a browser while runs come in."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands.options import Data
from leaderboards.options import Mlflow, Results, Task

__all__ = ["serve"]

_LOOPBACK = ("127.0.0.1", "localhost")


def serve(
    results: Results = None,
    mlflow: Mlflow = None,
    task: Task = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")
    ] = 8000,
    host: Annotated[
        str, typer.Option("--host", help="Others than this machine need their own address here.")
    ] = "127.0.0.1",
    every: Annotated[
        float, typer.Option("--every", min=0.2, help="Seconds between looks at the sources.")
    ] = 5.0,
    data: Data = None,
    title: Annotated[str, typer.Option("--title", help="Heading.")] = "Empathy leaderboard",
) -> None:
    """Serve the board on this machine; the page reloads itself when results change.

    Example: empathy-bench leaderboard serve runs/ --mlflow http://127.0.0.1:5000
    """
    import threading

    from harness.errors import InputError
    from leaderboards.assemble import Sources
    from leaderboards.serving.server import BoardServer
    from leaderboards.serving.site import Site

    def said(text: str) -> None:
        typer.echo(text, err=True)

    sources = Sources(tuple(results or ()), mlflow=mlflow, task=task, data=data)
    site = Site(sources, title=title, say=said)
    try:
        server = BoardServer(site, host, port)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"--host {host} --port {port} cannot be used ({error}); --port 0 takes any free port"
        ) from error
    if host not in _LOOPBACK:
        said(f"warning: whoever reaches {host} can read this board")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    typer.echo(f"http://{host}:{server.server_port}/  (Ctrl-C ends it)")
    pause = threading.Event()
    try:
        while not pause.wait(every):
            site.refresh()
    finally:
        server.shutdown()
        server.server_close()
