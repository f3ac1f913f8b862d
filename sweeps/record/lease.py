"""The lease on a sweep in an object store: ``driver.json``, which names the one driver that may work on it.

A driver renews its lease while it works; a lease that was not renewed for a minute has expired. Within one
working copy the lock file decides: a driver that holds the lock, and finds a lease that was claimed from the
same working copy, knows that the claimant is gone. Process ids are only shown to the user: they are reused,
and mean nothing in another container.

Object stores have no locks, and pyarrow has no conditional write (apache/arrow#44281). A driver therefore
claims a lease by Fischer's algorithm: look for another driver, write its own id, wait, and look again. Of
several claimants only the one that wrote last finds its own id, assuming that

1. a look sees the latest finished write, as S3, Google Cloud Storage and Azure promise;
2. from its look to the end of its write, a claimant takes less time than the others wait after their writes.
   Each claimant measures this. A slower one may have replaced the lease of a driver at work, and waits until
   that driver has looked at the lease and stopped;
3. the lease of a driver at work does not expire: the clocks of the machines differ by less than 40 s, and the
   driver is not suspended.

Where an assumption fails, two drivers may start, but the lease names one: a driver looks at the lease before
it copies to the store, and stops if the lease is not its own.
"""

import json
import os
import platform
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from pyarrow.fs import FileSystem, FileType

from sweeps.errors import SweepError
from sweeps.record.files import CLAIM, LEASE, write_whole
from sweeps.record.storage import store_errors, write_to_store

RENEWAL_SECONDS = 10.0
_LEASE_SECONDS = 60.0
_WAIT_SECONDS = 1.0
# Longer than a working driver takes from one look at its lease to the next.
_WAIT_AFTER_SLOW_WRITE_SECONDS = 20.0


class LeaseLost(SweepError):
    """Another driver has taken the sweep over, so this one must stop."""


@dataclass(frozen=True)
class Holder:
    """The content of a lease, which was last renewed at ``time``, in seconds since 1970."""

    host: str
    pid: int
    time: float
    # The id of the claim; earlier versions wrote none.
    id: str = ""

    def __str__(self) -> str:
        return f"{self.host} (process {self.pid})"


class Lease:
    """The lease on the sweep at ``uri``, seen from its working copy ``folder``."""

    def __init__(self, folder: Path, uri: str) -> None:
        self._claim, self._uri = folder / CLAIM, uri
        self._filesystem, path = FileSystem.from_uri(uri)
        self._path = f"{path}/{LEASE}"

    def holder_elsewhere(self) -> Holder | None:
        """Return the driver in another working copy, if any; raise SweepError if the store cannot be read."""
        with store_errors(self._uri, "cannot be read"):
            holder = self._read()
        if holder is None or self._is_from_here(holder) or time.time() - holder.time > _LEASE_SECONDS:
            return None
        return holder

    def claim(self) -> None:
        """Claim the lease, with the working copy's lock held; raise SweepError if another driver has it."""
        began = time.monotonic()
        if holder := self.holder_elsewhere():
            raise SweepError(f"{self._uri}: this sweep is running already, on {holder}")
        write_whole(self._claim, uuid.uuid4().hex)
        with store_errors(self._uri, "cannot be written"):
            self._write()
            slow = time.monotonic() - began >= _WAIT_SECONDS
            time.sleep(_WAIT_AFTER_SLOW_WRITE_SECONDS if slow else _WAIT_SECONDS)
            self.check()

    def check(self) -> None:
        """Raise ``LeaseLost`` if another driver has taken the sweep over; it may have ended since."""
        holder = self._read()
        if holder is None or not self._is_from_here(holder):
            where = f", on {holder}" if holder else ""
            raise LeaseLost(f"{self._uri}: another driver has taken over this sweep{where}")

    def renew(self) -> None:
        """Keep the lease from expiring; raises ``LeaseLost`` as ``check`` does."""
        self.check()
        self._write()

    def release(self) -> None:
        """Delete the lease; raises ``LeaseLost`` as ``check`` does."""
        self.check()
        self._filesystem.delete_file(self._path)

    def _is_from_here(self, holder: Holder) -> bool:
        # The host is compared, too: machines can share a home directory without sharing its locks.
        claimed = self._claim.read_text() if self._claim.exists() else None
        return (holder.host, holder.id) == (platform.node(), claimed)

    def _read(self) -> Holder | None:
        if self._filesystem.get_file_info(self._path).type != FileType.File:
            return None
        with self._filesystem.open_input_stream(self._path) as stream:
            content = stream.readall()
        try:
            return Holder(**json.loads(content))
        except (ValueError, TypeError):
            advice = "delete it if no driver is running this sweep"
            raise OSError(f"the lease {LEASE} is damaged; {advice}") from None

    def _write(self) -> None:
        holder = Holder(platform.node(), os.getpid(), time.time(), self._claim.read_text())
        write_to_store(self._filesystem, self._path, json.dumps(asdict(holder)).encode())
