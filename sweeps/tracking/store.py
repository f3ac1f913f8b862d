"""Opens MLflow tracking stores: an SQLite file, which needs no server, or a server."""

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Run, ViewType
from mlflow.exceptions import MlflowException

from sweeps.errors import SweepError
from sweeps.process_state import environment, log_level
from sweeps.record.files import write_whole
from sweeps.tracking.reasons import reason_of
from sweeps.tracking.uris import SQLITE, check_scheme, sqlite_file, sqlite_uri

# MLflow takes at most 1,000 items per request, 100 params and 100 tags among them.
MAX_METRICS, MAX_TAGS = 800, 100
_MEMORY = "/dev/shm"


@contextmanager
def mlflow_settings() -> Iterator[None]:
    """Make MLflow quiet and leave retries to us; restore the environment and log levels afterwards."""
    settings = {
        # If the reply to a create-run call is lost, MLflow's own retry creates a second run. The publisher
        # retries instead, after checking what arrived.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "20"),
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
    with (
        environment(**settings),
        # MLflow logs database errors with their traceback, although we report them in one line.
        log_level("mlflow.store.db.utils", logging.CRITICAL),
        # MLflow sets this level itself when it opens a database.
        log_level("sqlalchemy", logging.WARNING),
    ):
        yield


def connect(uri: str) -> MlflowClient:
    """Return the client of a store, within ``mlflow_settings``; raise SweepError if it does not respond."""
    check_scheme(uri)
    try:
        with _database_created(uri):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
    # Each kind of store raises exceptions of its own.
    except Exception as error:
        raise SweepError(f"MLflow cannot be reached at {uri}: {reason_of(error)}") from None
    return client


def all_runs(store: "Store", condition: str) -> Iterator[Run]:
    """Yield the runs of an experiment that meet a condition, also those that are deleted."""
    token = None
    while True:
        page = store.client.search_runs([store.experiment], condition, ViewType.ALL, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def log_metrics(client: MlflowClient, run: str, metrics: Sequence[Metric]) -> None:
    """Log any number of metrics to a run, in as few requests as MLflow permits."""
    for start in range(0, len(metrics), MAX_METRICS):
        client.log_batch(run, metrics=metrics[start : start + MAX_METRICS])


@dataclass(frozen=True)
class Store:
    """A tracking store that has answered, and the ID of a study's experiment in it."""

    uri: str
    client: MlflowClient
    experiment: str


def open_store(uri: str, study: str) -> Store:
    """Open or create the study's experiment; raise SweepError if it is deleted or cannot be created."""
    client = connect(uri)
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        return Store(uri, client, _create_experiment(client, uri, study))
    if experiment.lifecycle_stage != "active":
        raise SweepError(
            f"the MLflow experiment {study!r} at {uri} is deleted; change name: in the YAML, or restore it: "
            f"MLFLOW_TRACKING_URI={uri} mlflow experiments restore -x {experiment.experiment_id}"
        )
    return Store(uri, client, experiment.experiment_id)


def _create_experiment(client: MlflowClient, uri: str, study: str) -> str:
    database = sqlite_file(uri)
    # A server chooses the place itself.
    artifacts = database.resolve().with_name("mlartifacts").as_uri() if database else None
    try:
        return str(client.create_experiment(study, artifact_location=artifacts))
    except MlflowException as error:
        reason = reason_of(error)
        raise SweepError(f"MLflow cannot create the experiment {study!r} at {uri}: {reason}") from None


@contextmanager
def _database_created(uri: str) -> Iterator[None]:
    """Hold a lock while the SQLite file is created and first opened: two sweeps may start at once."""
    database = sqlite_file(uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        if not database.exists():
            _create_database(database)
        yield
        # MLflow also creates the folder that the quoted path names.
        quoted = Path(uri.removeprefix(SQLITE)).parent
        if quoted != database.parent:
            with suppress(OSError):
                quoted.rmdir()


def _create_database(database: Path) -> None:
    """Create the database in memory and copy it: MLflow waits for the disk after each of its many tables."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        scratch = Path(folder, "new.db")
        MlflowClient(sqlite_uri(scratch)).search_experiments(max_results=1)
        write_whole(database, scratch.read_bytes())
