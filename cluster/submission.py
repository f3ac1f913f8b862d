"""A sweep becomes a job of a Ray cluster."""

import os
import secrets
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cluster.jobs import Cluster, one_line
from cluster.upload import check_size, find_files, pack, shown_size
from sweeps.mistakes import SweepError
from sweeps.secrets import refuse_credentials
from sweeps.spec import Spec
from sweeps.storage import check_scheme

# Ray kills a stopped job after 3 seconds otherwise; ours ends its trials and delivers the rest to MLflow.
_STOP_SECONDS = "60"


def submit(
    cluster: Cluster, file: Path, spec: Spec, *, action: str = "run", options: Sequence[str] = ()
) -> str:
    """Submit a sweep as a job, which has the current folder with it.

    Args:
        cluster: Where.
        file: The sweep's YAML, in the current folder.
        spec: What it says.
        action: ``run`` or ``resume``.
        options: Those of that command.

    Returns:
        The job's id.

    Raises:
        SweepError: If the folder cannot be uploaded, or Ray refuses the job.
    """
    folder, name = Path.cwd(), _inside(file)
    if spec.data_dir and not Path(spec.data_dir).expanduser().is_absolute():
        raise SweepError(
            f"{file}: data_dir {spec.data_dir}: is a folder here, and data is not uploaded; give an "
            "absolute path that every node has, or set NOISESWEEP_DATA_DIR there"
        )
    files = find_files(folder, (spec.data_dir, os.environ.get("NOISESWEEP_DATA_DIR")))
    if folder / name not in files:
        raise SweepError(
            f"{file}: would not be uploaded: .gitignore or .rayignore names it, or its folder is a storage, "
            "a cache or an environment; move it"
        )
    check_size(files, folder)
    job = f"{spec.name}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch, "upload.zip")
        size = pack(files, folder, package)
        print(f"uploading {shown_size(size)} in {len(files)} file{'s' if len(files) > 1 else ''}", flush=True)
        with one_line(cluster.address):
            cluster.client.submit_job(
                entrypoint=shlex.join(["noisesweep", action, str(name), *options]),
                submission_id=job,
                runtime_env={"working_dir": str(package), "env_vars": _environment()},
                metadata={"study": spec.name, "file": str(name)},
            )
    return job


def places(storage: str | None, tracking_uri: str | None) -> list[str]:
    """Write the options that say where results go; they stand in the job's command, which all may read.

    Args:
        storage: Where sweeps are kept.
        tracking_uri: The MLflow store.

    Returns:
        The options.

    Raises:
        SweepError: If an address has a password in it, or is none that a job can have.
    """
    options = []
    if storage:
        refuse_credentials("--storage", storage)
        if "://" not in storage and not Path(storage).is_absolute():
            raise SweepError(
                f"--storage {storage}: is relative, and the job's folder is a copy that Ray deletes; give an "
                "absolute path that every node has, or a URI"
            )
        options.append(f"--storage={storage}")
    if tracking_uri:
        check_scheme(tracking_uri)
        options.append(f"--tracking-uri={tracking_uri}")
    return options


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
