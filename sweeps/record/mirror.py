"""Copies a sweep's own small files to its object store as they change."""

import time
from collections.abc import Callable
from pathlib import Path

from pyarrow.fs import FileSystem
from typing_extensions import override

from sweeps.errors import SweepError, in_a_line
from sweeps.record.files import BOOKMARK, JOURNAL, OWN_FILES
from sweeps.record.journal import Event, Follower, Journal
from sweeps.record.lease import RENEWAL_SECONDS, Lease, LeaseLost
from sweeps.record.storage import store_errors, write_to_store

_PUSH_SECONDS = 2.0
_RETRY_SECONDS = 5.0
_CLOSING_SECONDS = 30.0


class Mirror(Follower):
    """Copies a sweep's files to its store as its journal grows; ``offset`` is how much of that is safe there.

    Attributes:
        on_lost: Called, perhaps several times, if another driver takes the sweep over: this one must stop.
    """

    def __init__(self, folder: Path, uri: str, say: Callable[[str], None]) -> None:
        """Copy the files of a sweep that this driver has claimed; raise SweepError if that is impossible."""
        super().__init__(Journal(folder / JOURNAL))
        self.on_lost: Callable[[SweepError], None] = lambda error: None
        self._folder, self._uri, self._say = folder, uri, say
        self._filesystem, self._path = FileSystem.from_uri(uri)
        self._lease = Lease(folder, uri)
        self._away_since: float | None = None
        with store_errors(uri, "cannot be written"):
            self._renew()
            self._push(*OWN_FILES)

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
        """Retry while the sweep runs, and for 30 s at least, unless another driver has taken it over."""
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
            self._push(*OWN_FILES, *report)
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
