"""Sweeps in a store that is no file system, such as ``s3://bucket/sweeps``: worked on here, mirrored there.

A journal grows line by line, which object stores cannot. So a sweep's own small files lie in a folder of
this machine, and are copied to the store as they change; checkpoints go there directly. Who has the store can
go on with a sweep whose machine is gone.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pyarrow.fs import FileSelector, FileSystem, FileType

from sweeps.errors import SweepError, in_a_line
from sweeps.record.files import BOOKMARK, JOURNAL, LEASE, RESOLVED, SWEEP
from sweeps.record.journal import Event, Follower, Journal

_URI = ".uri"
_FILES = (SWEEP, RESOLVED, JOURNAL, BOOKMARK)
_PUSH_SECONDS = 2.0
_LEASE_SECONDS = 60.0  # a driver that has not been heard of for so long is gone
_SETTLING_SECONDS = 1.0  # more than lies between a driver's look at the lease and its own
_CLOSING_SECONDS = 30.0


def working_copy(uri: str) -> Path:
    """Find the folder of this machine that stands for a store.

    Args:
        uri: Of the storage.

    Returns:
        A folder, which knows its URI.

    Raises:
        SweepError: If the store cannot be read.
    """
    try:
        filesystem, path = FileSystem.from_uri(uri)
        filesystem.get_file_info(path)
    except Exception as error:  # each kind of store raises its own
        raise SweepError(f"storage {uri}: cannot be read: {in_a_line(error)}") from None
    folder = _working_copies() / hashlib.sha256(uri.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _URI).write_text(uri)
    return folder


def _working_copies() -> Path:
    # In the folder of the datasets' cache, whose place trainables.data.cache chooses in the same way.
    cache = os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")
    return Path(os.environ.get("NOISESWEEP_CACHE_DIR", Path(cache, "noisesweep")), "storages")


def uri_of(storage: Path) -> str | None:
    """Tell which store a folder stands for.

    Args:
        storage: A storage folder.

    Returns:
        Its URI; None for a folder that is the storage itself.
    """
    marker = storage / _URI
    return marker.read_text() if marker.exists() else None


def below(uri: str, *parts: str) -> str:
    """Name something inside a store.

    Args:
        uri: Of the storage; its query, such as ``?region=...``, stays last.
        *parts: Names of folders or files.

    Returns:
        The URI.
    """
    split = urlsplit(uri)
    return urlunsplit(split._replace(path="/".join([split.path.rstrip("/"), *parts])))


def pull(storage: Path, study: str = "") -> None:
    """Bring the working copy of a study's sweeps up to date.

    Args:
        storage: A storage folder; one that is the storage itself is left as it is.
        study: The study's name; empty for all.

    Raises:
        SweepError: If the store cannot be read.
    """
    uri = uri_of(storage)
    if uri is None:
        return
    filesystem, root = FileSystem.from_uri(uri)
    try:
        for path in _small_files(filesystem, f"{root}/{study}".rstrip("/")):
            _pull_file(filesystem, path, storage / Path(path).relative_to(root))
    except OSError as error:
        raise SweepError(f"storage {uri}: cannot be read: {in_a_line(error)}") from None


def _pull_file(filesystem: FileSystem, path: str, local: Path) -> None:
    content = filesystem.open_input_stream(path).readall()
    if not (local.exists() and local.read_bytes().startswith(content)):  # what is ahead here stays
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(content)


def _small_files(filesystem: FileSystem, folder: str) -> Iterator[str]:
    # Folder by folder: a recursive listing would name every checkpoint.
    for info in filesystem.get_file_info(FileSelector(folder, allow_not_found=True)):
        if info.type == FileType.File and info.base_name in _FILES:
            yield info.path
        elif info.type == FileType.Directory and info.base_name not in ("tune", "checkpoints", "report"):
            yield from _small_files(filesystem, info.path)


def claim(folder: Path, uri: str) -> None:
    """Claim a sweep for this driver, and take over what the one before has written last.

    Args:
        folder: The sweep's working copy.
        uri: Of the sweep in the store.

    Raises:
        SweepError: If a driver elsewhere is at work on it, or the store is out of reach.
    """
    filesystem, path = FileSystem.from_uri(uri)
    holder = lease_holder(uri)
    try:
        if holder is None:
            _write(filesystem, f"{path}/{LEASE}", _lease())
            time.sleep(_SETTLING_SECONDS)
            holder = lease_holder(uri)
        if holder not in (None, _this_driver()):
            raise SweepError(f"{uri}: this sweep is running already, on {holder}")
        for name in (JOURNAL, BOOKMARK):
            if filesystem.get_file_info(f"{path}/{name}").type == FileType.File:
                _pull_file(filesystem, f"{path}/{name}", folder / name)
    except OSError as error:
        raise SweepError(f"storage {uri}: cannot be read or written: {in_a_line(error)}") from None


class Mirror(Follower):
    """Copies the files of a sweep to its store as its journal grows; ``offset`` is what is safe there."""

    def __init__(self, folder: Path, uri: str, say: Callable[[str], None]) -> None:
        """Begin to copy.

        Args:
            folder: The sweep's working copy.
            uri: Of the sweep in the store, which this driver has claimed.
            say: Tells the user that the store went away or came back.

        Raises:
            SweepError: If the store cannot be written.
        """
        super().__init__(Journal(folder / JOURNAL))
        self._folder, self._uri, self._say = folder, uri, say
        self._filesystem, self._path = FileSystem.from_uri(uri)
        self._leased = 0.0
        self._away_since: float | None = None
        try:
            self.push(*_FILES)
        except OSError as error:
            raise SweepError(f"storage {uri}: cannot be written: {in_a_line(error)}") from None
        self.tick()

    def handle(self, events: list[Event]) -> None:
        """Copy what has changed.

        Args:
            events: Not used: the whole journal is copied.
        """
        self.push(JOURNAL, BOOKMARK)
        if self._away_since is not None:
            self._say(f"the storage answers again at {self._uri}")
            self._away_since = None
        self._closing.wait(_PUSH_SECONDS)

    def tick(self) -> None:
        """Say that this driver lives."""
        if time.monotonic() - self._leased > _LEASE_SECONDS / 6:
            with suppress(OSError):
                _write(self._filesystem, f"{self._path}/{LEASE}", _lease())
                self._leased = time.monotonic()

    def give_up(self, error: Exception) -> bool:
        """Keep trying while the sweep runs, and a little longer.

        Args:
            error: What the store answered.

        Returns:
            Whether to leave the rest here.
        """
        if self._away_since is None:
            self._away_since = time.monotonic()
            kept = f"the sweep goes on in {self._folder} and is copied when it does"
            self._say(f"the storage does not take writes at {self._uri} ({in_a_line(error)}); {kept}")
        if self._closing.is_set():
            time.sleep(1)
            return time.monotonic() - self._away_since > _CLOSING_SECONDS
        self._closing.wait(5)
        return False

    def push(self, *names: str) -> None:
        """Copy files of the sweep.

        Args:
            *names: Relative to its folder; those that do not exist are left out.
        """
        for path in (self._folder / name for name in names):
            if path.is_file():
                name = f"{self._path}/{path.relative_to(self._folder)}"
                _write(self._filesystem, name, path.read_bytes())

    def release(self) -> None:
        """Copy what is left, and let other drivers have the sweep."""
        try:
            report = (str(path.relative_to(self._folder)) for path in self._folder.glob("report/**/*"))
            self.push(*_FILES, *report)
            self._filesystem.delete_file(f"{self._path}/{LEASE}")
        except OSError as error:
            self._say(f"{self._folder} is not all at {self._uri} ({in_a_line(error)}); resume from here")


def _write(filesystem: FileSystem, path: str, content: bytes) -> None:
    filesystem.create_dir(path.rpartition("/")[0], recursive=True)
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)


def _lease() -> bytes:
    return json.dumps({"host": platform.node(), "pid": os.getpid(), "time": time.time()}).encode()


def _this_driver() -> str:
    return _driver(platform.node(), os.getpid())


def _driver(host: str, pid: int) -> str:
    return f"{host} (process {pid})"


def lease_holder(uri: str) -> str | None:
    """Tell where a sweep's driver is.

    Args:
        uri: Of the sweep in the store.

    Returns:
        Its host and process; None if there is none.
    """
    filesystem, path = FileSystem.from_uri(uri)
    try:
        lease: dict[str, Any] = json.loads(filesystem.open_input_stream(f"{path}/{LEASE}").readall())
    except OSError:
        return None
    gone = lease["host"] == platform.node() and not Path(f"/proc/{lease['pid']}").exists()
    if gone or time.time() - lease["time"] > _LEASE_SECONDS:
        return None
    return _driver(lease["host"], lease["pid"])
