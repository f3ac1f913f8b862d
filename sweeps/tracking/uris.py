"""URIs of tracking stores: the default one, and checks of a given one."""

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from sweeps.errors import SweepError, refuse_credentials
from sweeps.record.storage import LOST, in_ray_job, uri_of

SQLITE = "sqlite:///"
# The query of a URI, and what SQLAlchemy takes for a quoted character.
_QUOTED = r"\?|%(?=[0-9A-Fa-f]{2})"
SCHEMES = (SQLITE, "http://", "https://", "postgresql", "mysql", "mssql", "databricks")


def default_tracking_uri(storage: Path) -> str:
    """Return ``MLFLOW_TRACKING_URI``, else an SQLite file in the storage; an object store cannot hold one."""
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    if remote := uri_of(storage):
        remedy = "set MLFLOW_TRACKING_URI, or pass --tracking-uri"
        raise SweepError(f"storage {remote}: needs an MLflow server; {remedy}")
    return own_store(storage)


def is_default_store(uri: str, storage: Path) -> bool:
    """Whether commands on the storage use this tracking store unless another is named."""
    return uri == (os.environ.get("MLFLOW_TRACKING_URI") or own_store(storage))


def own_store(storage: Path) -> str:
    """Return the URI of the SQLite file in a storage."""
    return sqlite_uri(storage.resolve() / "mlflow.db")


def sqlite_uri(file: Path) -> str:
    """Return the URI of an SQLite store, in which only what is no path to SQLAlchemy is quoted."""
    return SQLITE + re.sub(_QUOTED, lambda found: quote(found[0]), str(file))


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an SQLite store, None for a server."""
    return Path(unquote(uri.removeprefix(SQLITE).partition("?")[0])) if uri.startswith(SQLITE) else None


def check_scheme(uri: str) -> None:
    """Raise SweepError if MLflow has no such store, or the URI has a password or is relative in a job."""
    refuse_credentials("tracking store", uri)
    if not uri.startswith(SCHEMES):
        origin = " (from MLFLOW_TRACKING_URI)" if uri == os.environ.get("MLFLOW_TRACKING_URI") else ""
        remedy = "use sqlite:///FILE or a server's http:// address"
        raise SweepError(f"{uri}{origin}: not a tracking store; {remedy}")
    database = sqlite_file(uri)
    if in_ray_job() and database and not database.is_absolute():
        raise SweepError(f"tracking store {uri}: {LOST}; use sqlite:////FOLDER/FILE, or a server")


def check_database(uri: str) -> None:
    """Raise SweepError if an SQLite store does not exist, since MLflow would create it."""
    check_scheme(uri)
    database = sqlite_file(uri)
    if database and not database.exists():
        remedy = "run a sweep first, or name its storage with --storage"
        raise SweepError(f"{database}: no tracking store; {remedy}")
