"""Sweeps in an object store, such as ``s3://bucket/sweeps``, and their working copies on this machine.

A journal grows line by line, but objects cannot be appended to. A sweep's own small files therefore lie in
the working copy, and are copied to the store as they change; checkpoints go there directly. Any machine that
reaches the store can resume a sweep whose machine is lost.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pyarrow.fs import FileSelector, FileSystem, FileType
from typing_extensions import override

from sweeps.errors import SweepError, in_a_line
from sweeps.record.files import BOOKMARK, JOURNAL, RESOLVED, SWEEP, store_errors, write_to_store
from sweeps.record.journal import Event, Follower, Journal
from sweeps.record.lease import RENEWAL_SECONDS, Lease, LeaseLost

_URI = ".uri"
_FILES = (SWEEP, RESOLVED, JOURNAL, BOOKMARK)
_PUSH_SECONDS = 2.0
_RETRY_SECONDS = 5.0
_CLOSING_SECONDS = 30.0


def working_copy(uri: str) -> Path:
    """Find this machine's working copy of a storage; it stores the URI for ``uri_of``.

    Raises:
        SweepError: The store cannot be read.
    """
    try:
        filesystem, path = FileSystem.from_uri(uri)
        filesystem.get_file_info(path)
    # Each kind of store raises its own exceptions.
    except Exception as error:
        raise SweepError(f"storage {uri}: cannot be read: {in_a_line(error)}") from None
    folder = _working_copies() / hashlib.sha256(uri.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _URI).write_text(uri)
    return folder


def _working_copies() -> Path:
    # The folder of the datasets' cache, which trainables.data.cache finds in the same way.
    cache = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(os.environ.get("NOISESWEEP_CACHE_DIR", Path(cache, "noisesweep")), "storages")


def uri_of(storage: Path) -> str | None:
    """Return the URI that a working copy stands for; None for a folder that is the storage itself."""
    marker = storage / _URI
    return marker.read_text() if marker.exists() else None


def below(uri: str, *parts: str) -> str:
    """Append names of folders or files to a storage's URI; its query, such as ``?region=...``, stays last."""
    split = urlsplit(uri)
    return urlunsplit(split._replace(path="/".join([split.path.rstrip("/"), *parts])))


def pull(storage: Path, study: str = "") -> None:
    """Update the working copy of a study's sweeps, or of all; does nothing if the folder is the storage.

    Raises:
        SweepError: The store cannot be read.
    """
    uri = uri_of(storage)
    if uri is None:
        return
    filesystem, root = FileSystem.from_uri(uri)
    with store_errors(uri, "cannot be read"):
        for path in _small_files(filesystem, f"{root}/{study}".rstrip("/")):
            _pull_file(filesystem, path, storage / Path(path).relative_to(root))


def _pull_file(filesystem: FileSystem, path: str, local: Path) -> None:
    content = filesystem.open_input_stream(path).readall()
    # A local file that only has more than the store's is kept.
    if not (local.exists() and local.read_bytes().startswith(content)):
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(content)


def _small_files(filesystem: FileSystem, folder: str) -> Iterator[str]:
    """Yield sweeps' own files, listed folder by folder: a recursive listing would name every checkpoint."""
    for info in filesystem.get_file_info(FileSelector(folder, allow_not_found=True)):
        if info.type == FileType.File and info.base_name in _FILES:
            yield info.path
        elif info.type == FileType.Directory and info.base_name not in ("tune", "checkpoints", "report"):
            yield from _small_files(filesystem, info.path)


def claim(folder: Path, uri: str) -> None:
    """Claim a sweep for this driver and pull what the last driver wrote; call it with the folder's lock held.

    Raises:
        SweepError: Another driver works on the sweep, or the store cannot be read or written.
    """
    Lease(folder, uri).claim()
    filesystem, path = FileSystem.from_uri(uri)
    with store_errors(uri, "cannot be read"):
        for name in (JOURNAL, BOOKMARK):
            if filesystem.get_file_info(f"{path}/{name}").type == FileType.File:
                _pull_file(filesystem, f"{path}/{name}", folder / name)


class Mirror(Follower):
    """Copies a sweep's files to its store as its journal grows; ``offset`` is how much of that is safe there.

    Attributes:
        on_lost: Called, perhaps several times, if another driver takes the sweep over: this one must stop.
    """

    def __init__(self, folder: Path, uri: str, say: Callable[[str], None]) -> None:
        """Copy the files of a sweep that this driver has claimed; ``say`` prints a line for the user.

        Raises:
            SweepError: The store cannot be written, or another driver has taken the sweep over.
        """
        super().__init__(Journal(folder / JOURNAL))
        self.on_lost: Callable[[SweepError], None] = lambda error: None
        self._folder, self._uri, self._say = folder, uri, say
        self._filesystem, self._path = FileSystem.from_uri(uri)
        self._lease = Lease(folder, uri)
        self._away_since: float | None = None
        with store_errors(uri, "cannot be written"):
            self._renew()
            self._push(*_FILES)

    @override
    def handle(self, events: list[Event]) -> None:
        self._lease.check()
        self._push(JOURNAL, BOOKMARK)
        if self._away_since is not None:
            self._say(f"storage {self._uri}: can be written again")
            self._away_since = None
        self._closing.wait(_PUSH_SECONDS)

    @override
    def tick(self) -> None:
        if time.monotonic() - self._renewed < RENEWAL_SECONDS:
            return
        try:
            self._renew()
        except LeaseLost as error:
            self.on_lost(error)
        except OSError:
            # `handle` tells the user, and the next tick retries.
            pass

    @override
    def give_up(self, error: Exception) -> bool:
        """Retry while the sweep runs and 30 s longer, unless another driver has taken it over."""
        if isinstance(error, LeaseLost):
            self.on_lost(error)
            self._closing.wait(_RETRY_SECONDS)
            return self._closing.is_set()
        if self._away_since is None:
            self._away_since = time.monotonic()
            kept = f"the sweep continues in {self._folder} and is copied when the storage answers"
            self._say(f"storage {self._uri}: cannot be written: {in_a_line(error)}; {kept}")
        if self._closing.is_set():
            time.sleep(1)
            return time.monotonic() - self._away_since > _CLOSING_SECONDS
        self._closing.wait(_RETRY_SECONDS)
        return False

    def release(self) -> None:
        """Copy what is left, and let other drivers have the sweep."""
        report = [str(path.relative_to(self._folder)) for path in self._folder.glob("report/**/*")]
        try:
            self._lease.check()
            self._push(*_FILES, *report)
            self._lease.release()
        except LeaseLost as error:
            self._say(str(error))
        except OSError as error:
            self._say(f"not all of {self._folder} is at {self._uri} ({in_a_line(error)}); resume from here")

    def _renew(self) -> None:
        self._lease.renew()
        self._renewed = time.monotonic()

    def _push(self, *names: str) -> None:
        for path in (self._folder / name for name in names):
            if path.is_file():
                name = f"{self._path}/{path.relative_to(self._folder)}"
                write_to_store(self._filesystem, name, path.read_bytes())
