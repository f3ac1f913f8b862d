"""The MLflow tracking store: an SQLite file that needs no server, or a server."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from sweeps.errors import SweepError, in_a_line
from sweeps.record.files import write_whole
from sweeps.tracking.uris import check_scheme

_MEMORY = "/dev/shm"


def connect(uri: str) -> MlflowClient:
    """Open a tracking store.

    Args:
        uri: ``sqlite:///FILE`` or the address of a server.

    Returns:
        A client of a store that answered.

    Raises:
        SweepError: If it cannot be reached.
    """
    check_scheme(uri)
    # The publisher sends again what cannot be sent, when it has looked what arrived: MLflow itself would also
    # resend what makes a run, which is then there twice if only the answer was lost.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what fails is said in a line
    try:
        with _first_come(uri):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    except Exception as error:  # each kind of store raises its own
        reason = in_a_line(error)
        raise SweepError(f"MLflow cannot be reached at {uri}: {reason}") from None
    return client


@dataclass(frozen=True)
class Store:
    """A tracking store that answered, and a study's experiment in it."""

    uri: str
    client: MlflowClient
    experiment: str


def open_store(uri: str, study: str) -> Store:
    """Open a tracking store, and a study's experiment in it, new if need be.

    Args:
        uri: ``sqlite:///FILE`` or the address of a server.
        study: Name of the study.

    Returns:
        The store.

    Raises:
        SweepError: If it cannot be reached or written, or the experiment is deleted.
    """
    client = connect(uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        try:
            created = client.create_experiment(study, artifact_location=artifact_location(uri))
        except MlflowException as error:
            reason = in_a_line(error)
            raise SweepError(f"MLflow cannot make the experiment {study!r} at {uri}: {reason}") from None
        return Store(uri, client, created)
    if experiment.lifecycle_stage != "active":
        raise SweepError(
            f"the MLflow experiment {study!r} at {uri} is deleted: change name: in the YAML, or restore it "
            f"(MLFLOW_TRACKING_URI={uri} mlflow experiments restore -x {experiment.experiment_id})"
        )
    return Store(uri, client, experiment.experiment_id)


@contextmanager
def _first_come(uri: str) -> Iterator[None]:
    # Of two sweeps that start at once, one makes the store.
    if not uri.startswith("sqlite:///"):
        yield
        return
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        if not database.exists():
            _make(database)
        yield


def _make(database: Path) -> None:
    # MLflow makes a new SQLite store table by table, and waits for the disk each time. Made in memory, where
    # there is such a folder, it is there in a third of the time, and whole or not at all.
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        made = Path(folder, "new.db")
        MlflowClient(f"sqlite:///{made}").search_experiments(max_results=1)
        write_whole(database, made.read_bytes())


def artifact_location(uri: str) -> str | None:
    """Choose where a new experiment keeps its artifacts.

    Args:
        uri: The tracking store.

    Returns:
        For SQLite ``mlartifacts`` beside the file, for a server its own choice.
    """
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///")).resolve().with_name("mlartifacts").as_uri()
