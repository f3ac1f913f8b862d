"""A sweep looked at from a machine that has its tracking server, but not its storage."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow.exceptions import MlflowException

from sweeps.errors import SweepError, in_a_line
from sweeps.record.files import JOURNAL, RESOLVED
from sweeps.record.folder import SweepFolder
from sweeps.spec.model import NAME
from sweeps.tracking.store import connect
from sweeps.tracking.uris import check_database


@contextmanager
def fetched(uri: str, name: str) -> Iterator[tuple[SweepFolder, bool]]:
    """Fetch the record of a study's newest sweep from where its runs are.

    Args:
        uri: The tracking store.
        name: The study's name.

    Yields:
        A folder with the sweep's YAML and journal, which is up to half a minute old; whether its parent run
        is still running.

    Raises:
        SweepError: If the store cannot be reached, or has no such sweep.
    """
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    check_database(uri)
    client = connect(uri)
    experiment = client.get_experiment_by_name(name)
    runs = experiment and client.search_runs(
        [experiment.experiment_id], "tags.sweep != ''", order_by=["attributes.start_time DESC"], max_results=1
    )
    if not runs:
        raise SweepError(f"{uri}: no sweep of the name {name!r}")
    run = runs[0]
    number = run.data.tags["sweep"]
    if not (re.fullmatch(NAME, name) and number.isdecimal()):  # the server's word, which could lead elsewhere
        raise SweepError(f"{uri}: the run of {name!r} is no sweep's: its number is {number!r}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, name, number)
        folder.mkdir(parents=True)
        try:
            for file in (RESOLVED, JOURNAL):
                client.download_artifacts(run.info.run_id, file, str(folder))
        except (MlflowException, OSError) as error:
            reason = in_a_line(error)
            raise SweepError(f"{uri}: the record of {name!r} is not there yet: {reason}") from None
        yield SweepFolder(folder), run.info.status == "RUNNING"
