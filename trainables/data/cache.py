"""Folders that are built once per machine, even if several processes need one at the same time."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from trainables.data import DataError

_ADVICE = "set NOISESWEEP_CACHE_DIR to a writable folder"


def cache_dir() -> Path:
    """``NOISESWEEP_CACHE_DIR``, else ``noisesweep`` in ``XDG_CACHE_HOME`` or ``~/.cache``.

    An empty variable is as none, and ``~`` is the home folder also where no shell has replaced it.

    Raises:
        DataError: If there is neither, nor a home folder.
    """
    try:
        if given := os.environ.get("NOISESWEEP_CACHE_DIR"):
            return Path(given).expanduser()
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "noisesweep"
    except RuntimeError:
        raise DataError(f"there is no home folder for the cache; {_ADVICE}") from None


def cached(key: str, build: Callable[[Path], None]) -> Path:
    """Return the folder of a key; the first process to ask fills it by ``build`` while others wait.

    A folder appears whole or not at all: it is built under another name and renamed.

    Raises:
        DataError: If the folder exists and cannot be read, or does not exist and cannot be written.
    """
    folder = cache_dir() / key
    if not _exists(folder):
        _check_writable(folder.parent)
        with _lock(folder):
            if not folder.exists():
                _build(folder, build)
    return folder


def _exists(folder: Path) -> bool:
    try:
        if is_there := folder.exists():
            # Raises an error if this user may not.
            os.listdir(folder)
        return is_there
    except OSError as error:
        advice = f"its owner can share it: chmod -R a+rX {folder.parent}; or {_ADVICE}"
        raise DataError(f"cache {folder}: cannot be read ({error.strerror}); {advice}") from None


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
        unfinished = Path(scratch, "folder")
        unfinished.mkdir()
        build(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            # Where there are no locks, another process may have built the same.
            if not folder.exists():
                raise


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder if that is possible; without it, processes at once build the same.

    It is not possible if the lock is another user's file, or the file system has no locks.
    """
    lock = FileLock(f"{folder}.lock", mode=0o666)
    with ExitStack() as held:
        with suppress(OSError):
            held.enter_context(lock)
        yield


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise DataError(f"cache {folder}: cannot be written ({error.strerror}); {_ADVICE}") from error
