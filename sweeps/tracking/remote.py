"""Reads a sweep's record from its tracking server, on machines that do not have its storage."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from sweeps.errors import SweepError, in_a_line
from sweeps.record.files import JOURNAL, RESOLVED
from sweeps.record.folder import SweepFolder
from sweeps.spec.model import NAME
from sweeps.tracking.store import connect, mlflow_settings
from sweeps.tracking.uris import check_database


@contextmanager
def fetched(uri: str, name: str) -> Iterator[tuple[SweepFolder, bool]]:
    """Yield the record of a study's latest sweep, up to half a minute old, and whether the sweep is running.

    Raises:
        SweepError: The store cannot be reached, or does not have the sweep.
    """
    check_database(uri)
    with tempfile.TemporaryDirectory() as scratch:
        with mlflow_settings():
            client = connect(uri)
            run = _latest_parent(client, uri, name)
            folder = Path(scratch, name, run.data.tags["sweep"])
            folder.mkdir(parents=True)
            try:
                for file in (RESOLVED, JOURNAL):
                    client.download_artifacts(run.info.run_id, file, str(folder))
            except (MlflowException, OSError) as error:
                problem = f"the record of {name!r} is not uploaded yet"
                raise SweepError(f"{uri}: {problem}: {in_a_line(error)}") from None
        yield SweepFolder(folder), run.info.status == "RUNNING"


def _latest_parent(client: MlflowClient, uri: str, name: str) -> Run:
    experiment = client.get_experiment_by_name(name)
    runs = experiment and client.search_runs(
        [experiment.experiment_id], "tags.sweep != ''", order_by=["attributes.start_time DESC"], max_results=1
    )
    if not runs:
        raise SweepError(f"{uri}: no sweep named {name!r}")
    number = runs[0].data.tags["sweep"]
    # Name and number become parts of a path, so do not trust the server.
    if not (re.fullmatch(NAME, name) and number.isdecimal()):
        raise SweepError(f"{uri}: the run of {name!r} is not a sweep: its number is {number!r}")
    return runs[0]
