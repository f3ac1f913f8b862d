"""Where sweeps are kept: a folder, or a store behind a URI, of which this machine has a working copy."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from sweeps.errors import SweepError, refuse_credentials
from sweeps.record.mirror import uri_of, working_copy

DEFAULT_STORAGE = Path("runs")
LOST = "would be lost with the job's copy of the working directory"
_RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set for the driver of a Ray job


def open_storage(where: str | Path | None = None) -> Path:
    """Find the folder in which sweeps are worked on.

    Args:
        where: A path, or a URI that pyarrow reads. None: ``runs`` here; in a Ray job, whose working directory
            is a copy that Ray deletes, ``noisesweep`` in the home directory.

    Returns:
        The folder: the storage itself, or for a URI this machine's working copy.

    Raises:
        SweepError: If it cannot be read, is a file, or is relative to a job's working directory.
    """
    if where is None:
        return Path.home() / "noisesweep" if in_ray_job() else DEFAULT_STORAGE
    refuse_credentials("storage", str(where))
    if "://" in str(where) and not str(where).startswith("file://"):
        return working_copy(str(where))
    path = Path(str(where).removeprefix("file://"))
    if in_ray_job() and not path.is_absolute():
        raise SweepError(f"storage {path}: {LOST}; give an absolute path or a URI")
    if path.exists() and not path.is_dir():
        raise SweepError(f"storage {path}: is a file; give a folder or a URI")
    return path


def in_ray_job() -> bool:
    """Tell whether this is the driver of a Ray job.

    Returns:
        Whether the working directory is a copy, which Ray deletes as soon as the job is to stop.
    """
    return _RAY_JOB in os.environ


def command(*words: str, storage: Path) -> str:
    """Write a command so that it can be pasted into the user's shell.

    Args:
        *words: The command and its arguments.
        storage: The storage that it is about.

    Returns:
        The command line, as this program was called, with ``--storage`` where it is not the default of who
        types it: a job's is not that of a shell.
    """
    called = Path(sys.argv[0])
    outside_path = called.name == "noisesweep" and shutil.which("noisesweep") is None
    program = os.path.relpath(called) if outside_path else "noisesweep"
    is_default = not in_ray_job() and storage.resolve() == open_storage().resolve()
    option = [] if is_default else ["--storage", uri_of(storage) or str(storage)]
    return shlex.join([program, *words, *option])
