"""HTTP for one board: a handful of paths, read only, to whom it is meant for."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from leaderboards.serving.site import Site

__all__ = ["BoardServer"]

_KEEP_ALIVE = 15.0


class BoardServer(ThreadingHTTPServer):
    """A server of `site` that is bound but does not serve yet; port 0 takes any free one.

    A request for another host than the bound one (or this machine) is refused, so that no page
    elsewhere can read the board through a name that points here; bound to every address (0.0.0.0)
    it is open to all. Readers that still wait do not keep it from ending.

    Raises:
        OSError: the address cannot be bound.
    """

    daemon_threads = True

    def __init__(self, site: Site, host: str, port: int) -> None:
        self.site = site
        self._host = host
        super().__init__((host, port), _Handler)

    def meant(self, asked: str) -> bool:
        """Whether a request whose Host header is `asked` is for this server."""
        if self._host == "0.0.0.0":  # noqa: S104  asked for by name
            return True
        name, _, port = asked.strip().lower().partition(":")
        own = {self._host.lower(), "localhost", "127.0.0.1"}
        return name in own and port in ("", str(self.server_port))


class _Handler(BaseHTTPRequestHandler):
    server: BoardServer
    protocol_version = "HTTP/1.1"
    server_version = "empathy-bench"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not worth a line in the terminal."""

    def _answer(self, *, body: bool) -> None:
        site = self.server.site
        path = self.path.partition("?")[0]
        if not self.server.meant(self.headers.get("Host", "")):
            self._send(403, "text/plain", b"another host than this server's\n", body=body)
        elif path == "/events" and body:
            self._events()
        elif path == "/health":
            told = {"version": site.copy.version, "problem": site.problem}
            self._send(200, "application/json", json.dumps(told).encode() + b"\n", body=body)
        elif path in site.copy.files:
            self._send(200, *site.copy.files[path], body=body)
        else:
            self._send(404, "text/plain", b"no such page\n", body=body)

    def _send(self, status: int, kind: str, data: bytes, *, body: bool) -> None:
        self._head(status, kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "DENY")

    def _events(self) -> None:
        """Server-sent events: the version served now, and each that comes after it."""
        self.close_connection = True
        self._head(200, "text/event-stream")
        self.end_headers()
        version = ""
        try:
            while True:
                now = self.server.site.await_other(version, seconds=_KEEP_ALIVE)
                self.wfile.write(b": still here\n\n" if now == version else _event(now))
                self.wfile.flush()
                version = now
        except OSError:  # the reader has gone
            return


def _event(version: str) -> bytes:
    return f"data: {version}\n\n".encode()
