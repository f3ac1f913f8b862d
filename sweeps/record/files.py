"""The files of a sweep's folder: their names, and writing them whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import SweepError, in_a_line

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

JOURNAL = "journal.jsonl"
# The spec as the user wrote it, and with its overrides and defaults.
SWEEP, RESOLVED = "sweep.yaml", "resolved.yaml"
# How much of the journal is in MLflow.
BOOKMARK = "tracking.json"
# Which driver works on the sweep: in an object store, and on this machine.
LEASE, LOCK = "driver.json", ".lock"
# The id of the latest lease that was claimed from this folder.
CLAIM = ".claim"


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a small file; on return it is on disk, and a crash leaves either the old or the new content."""
    scratch = path.with_name(f"{path.name}.new")
    with scratch.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def append_whole(path: Path, lines: bytes) -> None:
    """Append to a file, which is created if needed; on return the lines are on disk.

    Raises:
        OSError: Nothing is appended, for example because the disk is full.
    """
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            if file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def write_to_store(filesystem: "FileSystem", path: str, content: bytes) -> None:
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
