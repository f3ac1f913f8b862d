"""Folders that are built once per machine, also when several processes want them at the same time."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from trainables.data import DataError


def cache_dir() -> Path:
    """Where decoded datasets are kept.

    Returns:
        ``NOISESWEEP_CACHE_DIR``, else ``noisesweep`` under ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    if "NOISESWEEP_CACHE_DIR" in os.environ:
        return Path(os.environ["NOISESWEEP_CACHE_DIR"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "noisesweep"


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of a key; the first to ask builds it, the others wait.

    A folder appears whole or not at all: it is built under another name and renamed.

    Args:
        key: Name of the folder.
        build: Fills the empty folder that it is given.

    Returns:
        The folder.
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
        advice = "set NOISESWEEP_CACHE_DIR to a folder that can"
        raise DataError(f"cache {folder}: cannot be written ({error.strerror}); {advice}") from error
