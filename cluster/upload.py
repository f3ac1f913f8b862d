"""What a submitted sweep takes along: the current folder, without what only this machine needs."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from ray._private.runtime_env.packaging import get_excludes_from_ignore_files

from sweeps.errors import SweepError

LIMIT = 100 * 2**20  # Ray's job server takes no more in one request
# Folders that have one of these: environments, caches, sweep storages, sweeps.
_MARKERS = ("pyvenv.cfg", "conda-meta", "CACHEDIR.TAG", "mlflow.db", "resolved.yaml")
_FOLDERS = (".git", "__pycache__", "node_modules", ".ipynb_checkpoints", "mlruns", "mlartifacts")
_FILES = ("*.db", "*.db[-.]*", "*.env")  # tracking stores; environments, which have passwords in them
_quiet = logging.getLogger(__name__)

Ignores = Callable[[Path], bool]


def shown_size(size: int) -> str:
    """Write a size.

    Args:
        size: In bytes.

    Returns:
        Such as ``0.6 MiB``, or ``12 KiB``.
    """
    return f"{size / 2**20:,.1f} MiB" if size >= 2**18 else f"{-(-size // 2**10)} KiB"


def find_files(folder: Path, left_out: Iterable[Path] = ()) -> list[Path]:
    """List what is uploaded.

    Args:
        folder: The working directory.
        left_out: Folders that are left out.

    Returns:
        Its files but those that ``.gitignore`` and ``.rayignore`` name, as Ray reads them, and but virtual
        environments, caches, git's history, storages, tracking stores and files of environment variables.

    Raises:
        SweepError: If it cannot be read.
    """
    try:
        return sorted(_walk(folder.absolute(), [], {each.resolve() for each in left_out}))
    except OSError as error:
        raise SweepError(f"{folder}: cannot be read: {error}") from None


def check_size(files: Sequence[Path], folder: Path) -> None:
    """Refuse an upload that cannot be meant.

    Args:
        files: The files.
        folder: The working directory.

    Raises:
        SweepError: If it is larger than the limit; the message names what is largest.
    """
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[file.relative_to(folder.absolute()).parts[0]] += file.stat().st_size
    if sizes.total() > LIMIT:
        largest = ", ".join(f"{name} ({shown_size(size)})" for name, size in sizes.most_common(3))
        raise SweepError(
            f"{folder.absolute()}: {shown_size(sizes.total())} in {len(files):,} files would be uploaded, "
            f"more than {shown_size(LIMIT)}; the largest are {largest}; submit from a smaller folder, or "
            "list what the sweep does not need in .rayignore"
        )


def pack(files: Sequence[Path], folder: Path, target: Path) -> int:
    """Pack the files.

    Args:
        files: The files.
        folder: The working directory.
        target: The archive to write.

    Returns:
        Its size in bytes.

    Raises:
        SweepError: If a file cannot be read.
    """
    try:
        with ZipFile(target, "w", ZIP_DEFLATED, strict_timestamps=False) as archive:
            for file in files:
                archive.write(file, file.relative_to(folder.absolute()))
    except OSError as error:
        raise SweepError(f"{folder}: cannot be packed: {error}") from None
    return target.stat().st_size


def _walk(folder: Path, ignored: list[Ignores], left_out: set[Path]) -> Iterator[Path]:
    ignored = [*ignored, *get_excludes_from_ignore_files(folder, True, _quiet)]
    left_out = left_out | {folder.resolve()}  # a link may lead back to it
    for path in folder.iterdir():
        if any(ignores(path) for ignores in ignored):
            continue
        if path.is_dir():
            if not _is_left_out(path, left_out):
                yield from _walk(path, ignored, left_out)
        elif path.is_file() and not any(fnmatch(path.name, pattern) for pattern in _FILES):
            yield path


def _is_left_out(folder: Path, left_out: set[Path]) -> bool:
    marked = any((folder / marker).exists() for marker in _MARKERS)
    return marked or folder.name in _FOLDERS or folder.resolve() in left_out
