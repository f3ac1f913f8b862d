"""The files of a sweep's folder: their names, and how they are written whole or not at all."""

import errno
import os
from pathlib import Path

JOURNAL = "journal.jsonl"
SWEEP = "sweep.yaml"  # as the user wrote it
RESOLVED = "resolved.yaml"  # with overrides and defaults
BOOKMARK = "tracking.json"  # how far delivery to MLflow got
LEASE = "driver.json"  # in a store: which driver works on the sweep
LOCK = ".lock"  # on a disk: likewise


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a small file; it is on disk when this returns, and whole or as it was before.

    Args:
        path: The file.
        content: Its content; text in UTF-8.
    """
    scratch = path.with_name(f"{path.name}.new")
    with scratch.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def append_whole(path: Path, lines: bytes) -> None:
    """Append to a file; the lines are on disk when this returns, and all of them or none.

    Args:
        path: The file; a new one if there is none.
        lines: What to append.

    Raises:
        OSError: If they cannot be written, as on a full disk.
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
