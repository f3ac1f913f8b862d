"""Pack the current folder for a job, without the files that only this machine needs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from pathspec import PathSpec

from sweeps.errors import SweepError

# Ray's job server refuses larger requests, but only after its client has packed and sent everything.
LIMIT = 100 * 2**20
# A folder with one of these is a virtual environment, a cache, a storage or a sweep.
_MARKERS = ("pyvenv.cfg", "conda-meta", "CACHEDIR.TAG", "mlflow.db", "resolved.yaml")
_FOLDERS = (".git", "__pycache__", "node_modules", ".ipynb_checkpoints", "mlruns", "mlartifacts")
# Tracking stores, and files of environment variables, which may hold passwords.
_FILES = ("*.db", "*.db[-.]*", "*.env")


def formatted_size(size: int) -> str:
    """Return a size in bytes as text, such as ``0.6 MiB`` or ``12 KiB``."""
    return f"{size / 2**20:,.1f} MiB" if size >= 2**18 else f"{-(-size // 2**10)} KiB"


def find_files(folder: Path, left_out: Iterable[Path] = ()) -> list[Path]:
    """List the files to upload: all but ``left_out``, ignored files, and what only this machine needs."""
    return sorted(_walk(folder, [], {path.resolve() for path in left_out}))


def check_size(files: Sequence[Path], folder: Path) -> None:
    """Raise SweepError, naming the largest files and folders, if the files exceed the limit."""
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[file.relative_to(folder).parts[0]] += file.stat().st_size
    if sizes.total() > LIMIT:
        largest = ", ".join(f"{name} ({formatted_size(size)})" for name, size in sizes.most_common(3))
        raise SweepError(
            f"{folder}: the upload of {formatted_size(sizes.total())} in {len(files):,} files exceeds "
            f"{formatted_size(LIMIT)}; submit from a smaller folder, or list in .rayignore what the sweep "
            f"does not need; the largest are: {largest}"
        )


def pack(files: Sequence[Path], folder: Path, target: Path) -> int:
    """Write the files to a zip archive, and return its size in bytes."""
    with ZipFile(target, "w", ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder))
    return target.stat().st_size


def _walk(folder: Path, ignores: list[tuple[Path, PathSpec]], left_out: set[Path]) -> Iterator[Path]:
    for file in (folder / ".gitignore", folder / ".rayignore"):
        if file.is_file():
            ignores = [*ignores, (folder, PathSpec.from_lines("gitignore", file.read_text().splitlines()))]
    # A link may lead back to a folder that contains it.
    left_out = left_out | {folder.resolve()}
    for path in folder.iterdir():
        if any(ignored.match_file(path.relative_to(base)) for base, ignored in ignores):
            continue
        if path.is_dir():
            if not _is_left_out(path, left_out):
                yield from _walk(path, ignores, left_out)
        elif path.is_file() and not any(fnmatch(path.name, pattern) for pattern in _FILES):
            yield path


def _is_left_out(folder: Path, left_out: set[Path]) -> bool:
    marked = any((folder / marker).exists() for marker in _MARKERS)
    return marked or folder.name in _FOLDERS or folder.resolve() in left_out
