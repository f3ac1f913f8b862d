"""Storages of sweeps: a folder, or an object store, such as ``s3://bucket/sweeps``.

A journal grows line by line, but objects cannot be appended to. Therefore a sweep's own small files lie in a
working copy on this machine, and are copied to the store as they change; checkpoints go there directly. Any
machine that reaches the store can resume a sweep whose machine is lost.
"""

import hashlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pyarrow.fs import FileSelector, FileSystem, FileType

from sweeps.errors import SweepError, in_a_line, refuse_credentials
from sweeps.record.files import OWN_FILES
from trainables.imports import imported

DEFAULT_STORAGE = Path("runs")
LOST = "would be lost with the job's copy of the working directory"
# Subfolders of a sweep that are not searched for its small files.
_LARGE = ("tune", "checkpoints", "model", "report")
# Ray sets this for the driver of a job.
_RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
# The file in a working copy that holds the URI of its storage.
_URI = ".uri"


def open_storage(where: str | Path | None = None) -> Path:
    """Find the folder in which sweeps are worked on: the storage itself, or a working copy for a URI.

    Args:
        where: A path, or a URI that pyarrow can use. None means ``runs``; in a Ray job, whose working
            directory is a copy that Ray deletes, it means ``noisesweep`` in the home directory.

    Raises:
        SweepError: The storage cannot be read, is a file, or is relative to a job's working directory.
    """
    if where is None:
        where = Path.home() / "noisesweep" if in_ray_job() else DEFAULT_STORAGE
        return _checked(where)
    refuse_credentials("storage", str(where))
    if "://" in str(where) and not str(where).startswith("file://"):
        return _working_copy(str(where))
    # A shell does not replace the ~ of --storage=~/runs.
    path = Path(str(where).removeprefix("file://")).expanduser()
    if in_ray_job() and not path.is_absolute():
        raise SweepError(f"storage {path}: {LOST}; give an absolute path or a URI")
    return _checked(path)


def _checked(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise SweepError(f"storage {folder}: is a file; give a folder or a URI")
    return folder


def check_writable(storage: Path) -> None:
    """Raise SweepError if no sweep can be created in a folder, before anything is started for it."""
    place = next(each for each in (storage.absolute(), *storage.absolute().parents) if each.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise SweepError(f"storage {storage}: {place} cannot be written; give another with --storage")


def in_ray_job() -> bool:
    """Whether this is a Ray job's driver, whose working directory is deleted as soon as the job stops."""
    return _RAY_JOB in os.environ


def _working_copy(uri: str) -> Path:
    """Find this machine's working copy of a storage, in the cache of the data sets."""
    # Not imported at the top, because trainables imports torch, which `noisesweep submit` does not need.
    from trainables.data.cache import cache_dir

    try:
        filesystem, path = FileSystem.from_uri(uri)
        filesystem.get_file_info(path)
    # Each kind of store raises its own exceptions.
    except Exception as error:
        raise SweepError(f"storage {uri}: cannot be read: {in_a_line(error)}") from None
    folder = cache_dir() / "storages" / hashlib.sha256(uri.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _URI).write_text(uri)
    return folder


def uri_of(storage: Path) -> str | None:
    """Return the URI that a working copy stands for; None for a folder that is the storage itself."""
    marker = storage / _URI
    return marker.read_text() if marker.exists() else None


def join_uri(uri: str, *parts: str) -> str:
    """Append names of folders or files to a storage's URI; its query, such as ``?region=...``, stays last."""
    split = urlsplit(uri)
    return urlunsplit(split._replace(path="/".join([split.path.rstrip("/"), *parts])))


def pull(storage: Path, folder: str = "", names: Sequence[str] = OWN_FILES) -> None:
    """Update a working copy, or one folder in it, from its store; do nothing if the storage is a folder."""
    uri = uri_of(storage)
    if uri is None:
        return
    filesystem, root = FileSystem.from_uri(uri)
    with store_errors(uri, "cannot be read"):
        for path in _files_of_sweeps(filesystem, f"{root}/{folder}".rstrip("/"), names):
            content = filesystem.open_input_stream(path).readall()
            local = storage / Path(path).relative_to(root)
            # Keep a local file that extends the store's copy.
            if not (local.exists() and local.read_bytes().startswith(content)):
                local.parent.mkdir(parents=True, exist_ok=True)
                local.write_bytes(content)


def _files_of_sweeps(filesystem: FileSystem, folder: str, names: Sequence[str]) -> Iterator[str]:
    """Yield the files of these names, listed folder by folder: a recursive listing has every checkpoint."""
    for info in filesystem.get_file_info(FileSelector(folder, allow_not_found=True)):
        if info.type == FileType.File and info.base_name in names:
            yield info.path
        elif info.type == FileType.Directory and info.base_name not in _LARGE:
            yield from _files_of_sweeps(filesystem, info.path, names)


def write_to_store(filesystem: FileSystem, path: str, content: bytes) -> None:
    """Replace a file in an object store; its folder is created if needed."""
    filesystem.create_dir(path.rpartition("/")[0], recursive=True)
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)


@contextmanager
def store_errors(uri: str, problem: str) -> Iterator[None]:
    """Raise an object store's errors as ``SweepError``, with a ``problem`` such as ``cannot be read``."""
    try:
        yield
    except OSError as error:
        raise SweepError(f"storage {uri}: {problem}: {in_a_line(error)}") from None


def command(*words: str, storage: Path) -> str:
    """Write a ``noisesweep`` command line to paste into the user's shell.

    It imports the user's modules that this process has imported, and has ``--storage`` unless that is the
    default; a job's default is not that of the user's shell.
    """
    called = Path(sys.argv[0])
    outside_path = called.name == "noisesweep" and shutil.which("noisesweep") is None
    program = os.path.relpath(called) if outside_path else "noisesweep"
    arguments = [program, *words]
    if words[0] != "ui":
        arguments += [f"--import={module}" for module in imported()]
    if in_ray_job() or storage.resolve() != open_storage().resolve():
        arguments += ["--storage", uri_of(storage) or str(storage)]
    return shlex.join(arguments)
