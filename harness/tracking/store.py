"""Which MLflow store to use, and whether it answers, without importing MLflow."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import os
import re
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.errors import EmpathyBenchError, TrackingError
from harness.results import ARTIFACTS
from harness.tracking.database import SQLITE_MAGIC, database_uri, is_ready

__all__ = [
    "Store",
    "check_store",
    "database_path",
    "is_main_process",
    "make_client",
    "resolve_store",
    "store_failures",
]

DATABASE = "mlflow.db"
TIMEOUT_S = 5.0
_OFF = "go on without tracking: --mlflow off"


@dataclass(frozen=True, slots=True)
class Store:
    """Where runs are tracked.

    `artifact_location` is the URI that new experiments get; None leaves it to the server.
    `parent_run_id` is the user's own active run, below which results are then logged.
    """

    tracking_uri: str
    artifact_location: str | None = None
    parent_run_id: str | None = None

    @property
    def artifacts(self) -> str | None:
        """The artifact URI of new experiments; for a database never MLflow's own ./mlruns."""
        database = database_path(self.tracking_uri)
        if self.artifact_location or database is None:
            return self.artifact_location
        return (database.parent / ARTIFACTS).as_uri()

    @property
    def label(self) -> str:
        """The URI as it may be printed: without a password."""
        return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", self.tracking_uri)


def is_main_process() -> bool:
    """Whether this is rank 0 of a distributed run; only that one tracks."""
    return os.environ.get("RANK", "0") in {"", "0"}


def resolve_store(argument: str | None, output: Path) -> Store | None:
    """The store to track into; None for "off".

    Precedence: `argument`, the user's active MLflow run, MLFLOW_TRACKING_URI, a SQLite file in
    `output`. Nothing is created or contacted.
    """
    if argument is not None and argument.strip().lower() == "off":
        return None
    if argument and argument.strip():
        return _named(argument.strip(), output)
    active = _active_run(output)
    if active is not None:
        return active
    environment = os.environ.get("MLFLOW_TRACKING_URI", "").strip()
    if environment:
        return _named(environment, output)
    folder = output.resolve()
    return Store(database_uri(folder / DATABASE), (folder / ARTIFACTS).as_uri())


def _named(uri: str, output: Path) -> Store:
    """A store given by its URI. MLflow would put artifacts of databases into ./mlruns."""
    uri = uri.rstrip("/") if uri.startswith("http") else uri
    if database_path(uri) is not None:
        return Store(uri, Store(uri).artifacts)
    if re.match(r"(postgresql|mysql|mssql)\b", uri):
        return Store(uri, (output.resolve() / ARTIFACTS).as_uri())
    return Store(uri)


def _active_run(output: Path) -> Store | None:
    # A user who has an active run has imported MLflow; importing it to ask would cost seconds.
    mlflow = sys.modules.get("mlflow")
    if mlflow is None or not hasattr(mlflow, "active_run"):
        return None
    run = mlflow.active_run()
    if run is None:
        return None
    store = _named(str(mlflow.get_tracking_uri()), output)
    return dataclasses.replace(store, parent_run_id=str(run.info.run_id))


def database_path(uri: str) -> Path | None:
    """The absolute path of a SQLite URI's file; None for every other kind of URI."""
    match = re.match(r"sqlite(?:\+\w+)?:///([^?]*)", uri)
    if match is None or match[1] in {"", ":memory:"}:
        return None
    return Path(unquote(match[1])).absolute()


def check_store(store: Store, *, reading: bool = False) -> None:
    """Find out within seconds whether `store` can be used, before dear work begins.

    With `reading`, a database must be there and need not be writable.

    Raises:
        TrackingError: the server does not answer or refuses us, or the database cannot be written.
    """
    scheme = urlsplit(store.tracking_uri).scheme
    database = database_path(store.tracking_uri)
    if scheme in {"http", "https"}:
        _check_server(store)
    elif database is not None:
        _check_database(database, reading)
    elif scheme.startswith("sqlite"):
        raise TrackingError(
            f"{store.label} names no database file; write sqlite:///PATH/mlflow.db, or {_OFF}"
        )
    elif scheme in {"", "file"} and not os.environ.get("MLFLOW_ALLOW_FILE_STORE"):
        path = urlsplit(store.tracking_uri).path or store.tracking_uri
        raise TrackingError(
            f"{store.label} is a folder, which MLflow no longer takes as a store; "
            f"write sqlite:///{path.removesuffix('/mlflow.db')}/mlflow.db or the URL of a server, "
            f"or {_OFF}"
        )


def _check_database(path: Path, reading: bool) -> None:
    if path.is_dir():
        raise TrackingError(f"{path} is a folder, an SQLite file was expected; or {_OFF}")
    if path.exists():
        try:
            with path.open("rb" if reading else "r+b") as file:
                start = file.read(len(SQLITE_MAGIC))
        except OSError as error:
            raise TrackingError(
                f"{path} cannot be {'read' if reading else 'written'} ({error.strerror}); "
                f"choose another --mlflow sqlite:///PATH, or {_OFF}"
            ) from error
        if start not in {SQLITE_MAGIC, b""}:
            raise TrackingError(f"{path} is no SQLite database; choose another file, or {_OFF}")
    if reading:
        if not is_ready(path):
            raise TrackingError(f"{path}: no such MLflow database; `empathy-bench track` makes it")
        return
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise TrackingError(
            f"{path} cannot be created: {folder} is not a folder that may be written; "
            f"choose another --mlflow sqlite:///PATH, or {_OFF}"
        )


def _check_server(store: Store) -> None:
    # /health answers even to those whom the server refuses, so a real request is made.
    url = f"{store.tracking_uri}/api/2.0/mlflow/experiments/search?max_results=1"
    request = urllib.request.Request(url, headers=_authorization())  # noqa: S310
    try:
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=TIMEOUT_S, context=_tls()
        ) as answer:
            kind = answer.headers.get("content-type", "")
    except urllib.error.HTTPError as error:
        _judge_refusal(store, error)
        return
    except (OSError, ValueError) as error:
        reason: object = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        raise TrackingError(
            f"MLflow server {store.label} does not answer ({_brief(reason)}); start it with "
            f"`mlflow server --port {_port(store.tracking_uri)}`, or {_OFF}"
        ) from error
    if "json" not in kind:
        raise TrackingError(
            f"{store.label} answers, but is no MLflow server; correct the address, or {_OFF}"
        )


def _judge_refusal(store: Store, error: urllib.error.HTTPError) -> None:
    text = _brief(error.read(400).decode(errors="replace")) or error.reason
    if error.code in {401, 403} and "host header" not in text.lower():
        # A credentials file or an authentication plug-in may know better than this request.
        known = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")
        if any(map(os.environ.get, known)) or Path("~/.mlflow/credentials").expanduser().exists():
            return
        fix = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD or MLFLOW_TRACKING_TOKEN"
    elif error.code == 403:
        host = urlsplit(store.tracking_uri).hostname
        fix = f"start it with `mlflow server --allowed-hosts '{host},{host}:*'`"
    elif error.code == 404:
        fix = "correct the address: no MLflow server is there"
    else:
        fix = "see the server's log"
    raise TrackingError(
        f"MLflow server {store.label} refuses (HTTP {error.code}: {text}); {fix}, or {_OFF}"
    ) from error


def _authorization() -> dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    if token:
        return {"Authorization": f"Bearer {token}"}
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    if user:
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _tls() -> ssl.SSLContext | None:
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        return ssl._create_unverified_context()  # noqa: S323 - the user asked for it
    certificate = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    return ssl.create_default_context(cafile=certificate) if certificate else None


def _port(uri: str) -> int:
    try:
        return urlsplit(uri).port or 5000
    except ValueError:
        return 5000


def _brief(value: object, width: int = 200) -> str:
    text = " ".join(str(value).split())
    return text[:width] + ("…" if len(text) > width else "")


def make_client(store: Store) -> Any:
    """An `MlflowClient` bound to `store` alone."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.tracking_uri, registry_uri=store.tracking_uri)


@contextlib.contextmanager
def store_failures(store: Store, advice: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes one TrackingError that ends with `advice`.

    Back ends raise what they like (SQLAlchemy, requests, boto3, MLflow's own), so all is caught.
    """
    try:
        yield
    except TrackingError as error:
        raise TrackingError(f"{error}. {advice}" if advice else str(error)) from error
    except EmpathyBenchError:
        raise
    except Exception as error:
        text = _brief(str(error).strip() or type(error).__name__, 300)
        if "out-of-date database schema" in text:
            text = f"its schema is of another MLflow; run `mlflow db upgrade {store.label}`"
        raise TrackingError(f"MLflow {store.label}: {text}. {advice}".strip()) from error
