"""Submit a sweep as a job of a Ray cluster."""

import os
import secrets
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from cluster.client import Cluster, translated_errors
from cluster.upload import check_size, find_files, formatted_size, pack
from sweeps.errors import SweepError

# How long Ray waits before it kills a stopped job. Its default of 3 seconds is too short for the driver to
# end trials and update MLflow.
_STOP_SECONDS = "60"


def submit(
    cluster: Cluster,
    file: Path,
    study: str,
    *,
    action: str = "run",
    options: Sequence[str] = (),
    left_out: Iterable[Path] = (),
    shipped: bool = False,
) -> str:
    """Submit a sweep as a job with a copy of the current folder, and return the job's ID.

    Args:
        action: ``run`` or ``resume``.
        options: The options of that command.
        left_out: Folders that are not uploaded, such as data and storages.
        shipped: Whether ``file`` is the name of a shipped study, which the cluster has.

    Raises:
        SweepError: If the folder cannot be uploaded, or Ray refuses the job.
    """
    folder = Path.cwd()
    job = f"{study}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch, "upload.zip")
        try:
            files = find_files(folder, left_out)
            name = file if shipped else _relative(file, folder, files)
            check_size(files, folder)
            size = formatted_size(pack(files, folder, package))
        except OSError as error:
            raise SweepError(f"{folder}: cannot be uploaded: {error}") from None
        print(f"uploading {size} in {len(files)} file{'s' if len(files) > 1 else ''}", flush=True)
        with translated_errors(cluster.address):
            cluster.client.submit_job(
                entrypoint=shlex.join(["noisesweep", action, str(name), *options]),
                submission_id=job,
                runtime_env={"working_dir": str(package), "env_vars": _environment()},
                metadata={"study": study, "file": str(name)},
            )
    return job


def _relative(file: Path, folder: Path, files: Sequence[Path]) -> Path:
    relative = Path(os.path.relpath(file))
    if ".." in relative.parts:
        raise SweepError(
            f"{file}: must be in the folder that is uploaded; submit from its folder, not from: {folder}"
        )
    if folder / relative not in files:
        raise SweepError(
            f"{file}: would not be uploaded, because .gitignore or .rayignore names it or its folder is "
            "a storage, a cache or an environment; move it to another folder"
        )
    return relative


def _environment() -> dict[str, str]:
    variables = {"RAY_JOB_STOP_WAIT_TIME_S": _STOP_SECONDS}
    try:
        git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return variables
    # The uploaded copy has no history to read the commit from.
    return {**variables, "NOISESWEEP_GIT_COMMIT": git.stdout.strip()}
