"""Folders that are built once per machine, even if several processes need one at the same time."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from trainables.data import DataError


def cache_dir() -> Path:
    """``NOISESWEEP_CACHE_DIR``, else ``noisesweep`` in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    if "NOISESWEEP_CACHE_DIR" in os.environ:
        return Path(os.environ["NOISESWEEP_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "noisesweep"


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of a key; the first process to ask fills it by ``build`` while others wait.

    A folder appears whole or not at all: it is built under another name and renamed.
    """
    folder = cache_dir() / key
    if folder.exists():
        return folder
    _check_writable(folder.parent)
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with tempfile.TemporaryDirectory(prefix=f"{key}.", dir=folder.parent) as scratch:
                unfinished = Path(scratch, "folder")
                unfinished.mkdir()
                build(unfinished)
                unfinished.rename(folder)
    return folder


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        advice = "set NOISESWEEP_CACHE_DIR to a writable folder"
        raise DataError(f"cache {folder}: cannot be written ({error.strerror}); {advice}") from error
