"""A sweep becomes a job of a Ray cluster."""

import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from cluster.jobs import Cluster, one_line
from cluster.upload import check_size, find_files, pack, shown_size
from sweeps.errors import SweepError

# Ray kills a stopped job after 3 seconds otherwise; ours ends its trials and delivers the rest to MLflow.
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
    """Submit a sweep as a job, which has the current folder with it.

    Args:
        cluster: Where.
        file: The sweep's YAML, in the current folder.
        study: Name of the study.
        action: ``run`` or ``resume``.
        options: Those of that command.
        left_out: Folders that stay here, such as data and storages.
        shipped: Whether ``file`` is the name of a shipped study, which the cluster has.

    Returns:
        The job's id.

    Raises:
        SweepError: If the folder cannot be uploaded, or Ray refuses the job.
    """
    folder, name = Path.cwd(), file if shipped else _inside(file)
    files = find_files(folder, left_out)
    if not shipped and folder / name not in files:
        raise SweepError(
            f"{file}: would not be uploaded: .gitignore or .rayignore names it, or its folder is a storage, "
            "a cache or an environment; move it"
        )
    check_size(files, folder)
    job = f"{study}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch, "upload.zip")
        size = pack(files, folder, package)
        print(f"uploading {shown_size(size)} in {len(files)} file{'s' if len(files) > 1 else ''}", flush=True)
        with one_line(cluster.address):
            cluster.client.submit_job(
                entrypoint=shlex.join(["noisesweep", action, str(name), *options]),
                submission_id=job,
                runtime_env={"working_dir": str(package), "env_vars": _environment()},
                metadata={"study": study, "file": str(name)},
            )
    return job


def _inside(file: Path) -> Path:
    relative = Path(os.path.relpath(file))
    if ".." in relative.parts:
        raise SweepError(
            f"{file}: is not in {Path.cwd()}, the folder that is uploaded; submit from its folder"
        )
    return relative


def _environment() -> dict[str, str]:
    found = {"RAY_JOB_STOP_WAIT_TIME_S": _STOP_SECONDS}
    git = shutil.which("git") or "false"
    commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if commit.returncode == 0:
        found["NOISESWEEP_GIT_COMMIT"] = commit.stdout.strip()  # the copy there has no history
    return found
