"""Addresses of tracking stores: which one is used, and what can be one."""

import os
from pathlib import Path

from sweeps.errors import SweepError, refuse_credentials
from sweeps.record.mirror import uri_of
from sweeps.record.storage import LOST, in_ray_job

SCHEMES = ("sqlite:///", "http://", "https://", "postgresql", "mysql", "mssql", "databricks")


def default_tracking_uri(storage: Path) -> str:
    """Choose the tracking store when none is named.

    Args:
        storage: The storage folder.

    Returns:
        ``MLFLOW_TRACKING_URI``, else an SQLite file in the storage.

    Raises:
        SweepError: If neither can be: a store that is no folder holds no SQLite file.
    """
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    if remote := uri_of(storage):
        advice = "set MLFLOW_TRACKING_URI, or give --tracking-uri"
        raise SweepError(f"storage {remote}: an MLflow server is needed with it; {advice}")
    return own_store(storage)


def is_default_store(uri: str, storage: Path) -> bool:
    """Tell whether a tracking store is the one that is taken when none is named.

    Args:
        uri: The tracking store.
        storage: The storage folder.

    Returns:
        Whether commands need not name it.
    """
    return uri == (os.environ.get("MLFLOW_TRACKING_URI") or own_store(storage))


def own_store(storage: Path) -> str:
    """Name the SQLite file in a storage.

    Args:
        storage: The storage folder.

    Returns:
        Its URI.
    """
    return f"sqlite:///{storage.resolve() / 'mlflow.db'}"


def check_scheme(uri: str) -> None:
    """Refuse what cannot be a tracking store.

    Args:
        uri: The tracking store.

    Raises:
        SweepError: If MLflow knows no store of its kind, or it is relative to a job's working directory.
    """
    refuse_credentials("tracking store", uri)
    if not uri.startswith(SCHEMES):
        raise SweepError(
            f"{uri}: is no tracking store; give sqlite:///FILE or the http:// address of a server"
        )
    if in_ray_job() and uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        raise SweepError(f"tracking store {uri}: {LOST}; give sqlite:////FOLDER/FILE, or a server")


def check_database(uri: str) -> None:
    """Refuse an SQLite store that does not exist, which MLflow would make, empty.

    Args:
        uri: The tracking store.

    Raises:
        SweepError: If there is no such file.
    """
    check_scheme(uri)
    database = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not database.exists():
        raise SweepError(
            f"{database}: no tracking store; run a sweep first, or name its storage with --storage"
        )
