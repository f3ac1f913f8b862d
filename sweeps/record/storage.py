"""Where sweeps are kept: a folder, or an object store with a working copy on this machine."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from sweeps.errors import SweepError, refuse_credentials
from sweeps.record.mirror import uri_of, working_copy

DEFAULT_STORAGE = Path("runs")
LOST = "would be lost with the job's copy of the working directory"
# Ray sets this for the driver of a job.
_RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def open_storage(where: str | Path | None = None) -> Path:
    """Find the folder in which sweeps are worked on: the storage itself, or a working copy for a URI.

    Args:
        where: A path, or a URI that pyarrow can use. None means ``runs``; in a Ray job, whose working
            directory is a copy that Ray deletes, it means ``noisesweep`` in the home directory.

    Raises:
        SweepError: The storage cannot be read, is a file, or is relative to a job's working directory.
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
    """Whether this is a Ray job's driver, whose working directory is deleted as soon as the job stops."""
    return _RAY_JOB in os.environ


def command(*words: str, storage: Path) -> str:
    """Write a ``noisesweep`` command line to paste into the user's shell.

    It has ``--storage`` unless that is the default; a job's default is not that of the user's shell.
    """
    called = Path(sys.argv[0])
    outside_path = called.name == "noisesweep" and shutil.which("noisesweep") is None
    program = os.path.relpath(called) if outside_path else "noisesweep"
    arguments = [program, *words]
    if in_ray_job() or storage.resolve() != open_storage().resolve():
        arguments += ["--storage", uri_of(storage) or str(storage)]
    return shlex.join(arguments)
