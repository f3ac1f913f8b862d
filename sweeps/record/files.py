"""The files of a sweep's folder: their names, and writing them whole or not at all."""

import errno
import os
from pathlib import Path

JOURNAL = "journal.jsonl"
# The spec as the user wrote it, and with its overrides and defaults.
SWEEP, RESOLVED = "sweep.yaml", "resolved.yaml"
# The bookmark: how much of the journal is in MLflow.
BOOKMARK = "tracking.json"
# The statistics of each arm, which the driver writes for the MLflow publisher.
ARMS = "arms.json"
# The page of the report, in its folder.
REPORT_PAGE = "report.html"
# One row for each trial, written when a driver exits.
RESULTS = "results.csv"
# The small files of which an object store gets a copy.
OWN_FILES = (SWEEP, RESOLVED, JOURNAL, BOOKMARK)
# The files that name the driver of the sweep: in an object store, and on this machine.
LEASE, LOCK = "driver.json", ".lock"
# The ID of the latest lease that was claimed from this folder.
CLAIM = ".claim"


def studies_in(storage: Path) -> list[str]:
    """List the studies that have a sweep in a folder, sorted."""
    return sorted({path.parent.parent.name for path in storage.glob(f"*/*/{RESOLVED}")})


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace a small file; on return it is on disk, and a crash leaves either the old or the new content."""
    scratch = path.with_name(f"{path.name}.new")
    with scratch.open("wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def append_whole(path: Path, lines: bytes) -> None:
    """Append to a file, creating it if needed; on return all lines are on disk, after an OSError none is."""
    with path.open("ab", buffering=0) as file:
        before = file.seek(0, os.SEEK_END)
        try:
            if file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise
