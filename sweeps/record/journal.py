"""The record of a sweep: an append-only file of JSON lines on disk.

The driver writes it as trials report; the publisher, display, status and results read it. An event is a dict
with ``event`` (such as ``start``, ``epoch`` and ``end`` of a trial, or ``model`` and ``finish`` of the
sweep), ``time`` (ms since 1970) and, for events of a trial, ``trial``. JSON has no NaN or infinities: in
``metrics`` they are written as the texts ``"nan"``, ``"inf"`` and ``"-inf"``, and read as numbers.
"""

import itertools
import json
import math
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from typing_extensions import override

from sweeps.errors import SweepError
from sweeps.record.files import append_whole

Event = dict[str, Any]

_BATCH = 500
_POLL_SECONDS = 0.5
_CATCH_UP_SECONDS = 10.0


class Journal:
    """One sweep's journal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **fields: Any) -> Event:
        """Write one event, as ``extend`` writes several."""
        return self.extend([{"event": event, **fields}])[0]

    def extend(self, events: Iterable[Event]) -> list[Event]:
        """Add the time to events and write them; on return all are on disk, after a SweepError none is."""
        now = int(time.time() * 1000)
        timed = [{"event": event["event"], "time": now, **event} for event in events]
        lines = "".join(_line(event) for event in timed)
        try:
            append_whole(self.path, lines.encode())
        except OSError as error:
            raise SweepError(f"{self.path}: cannot be written: {error.strerror}") from None
        return timed

    def repair(self) -> None:
        """Drop an unfinished last line, which a killed driver may leave."""
        if self.path.exists():
            os.truncate(self.path, self.path.read_bytes().rfind(b"\n") + 1)

    def read(self, offset: int = 0, end: float = math.inf) -> Iterator[tuple[Event, int]]:
        """Yield the events of whole lines between two offsets in bytes, each with the offset after it."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(offset)
            for line in file:
                offset += len(line)
                if not line.endswith(b"\n") or offset > end:
                    return
                yield _event(line), offset


def _line(event: Event) -> str:
    if metrics := event.get("metrics"):
        plain = {name: str(value) if _is_not_finite(value) else value for name, value in metrics.items()}
        event = {**event, "metrics": plain}
    return json.dumps(event, allow_nan=False) + "\n"


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _event(line: bytes) -> Event:
    event: Event = json.loads(line)
    if metrics := event.get("metrics"):
        event["metrics"] = {
            name: float(value) if isinstance(value, str) else value for name, value in metrics.items()
        }
    return event


class Follower(threading.Thread):
    """A thread that reads a journal as it grows, until it is closed and has read everything.

    Attributes:
        offset: The bytes of the journal that have been handled.
        limit: The byte beyond which the journal may not be read yet.
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.offset = 0
        self.limit = math.inf
        self._journal = journal
        self._closing = threading.Event()

    def handle(self, events: list[Event]) -> None:
        """Handle at most 500 new events, in order; if this raises, they are passed again."""
        raise NotImplementedError

    def give_up(self, error: Exception) -> bool:
        """Decide, after ``handle`` raised ``error``, whether to stop following; may wait before a retry."""
        raise error

    def tick(self) -> None:
        """Called after each look at the journal, at least twice a second while ``handle`` is quick."""

    @override
    def run(self) -> None:
        while True:
            # Checked before reading, so that everything written before the closing is read.
            closing = self._closing.is_set()
            batch = list(itertools.islice(self._journal.read(self.offset, self.limit), _BATCH))
            if batch:
                try:
                    self.handle([event for event, _ in batch])
                    self.offset = batch[-1][1]
                except Exception as error:
                    if self.give_up(error):
                        return
            self.tick()
            if len(batch) < _BATCH:
                if closing and not batch:
                    return
                self._closing.wait(_POLL_SECONDS)

    def catch_up(self) -> None:
        """Wait until everything that is in the journal now has been handled, for ten seconds at most."""
        end, deadline = self._journal.path.stat().st_size, time.monotonic() + _CATCH_UP_SECONDS
        while self.offset < end and self.is_alive() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS / 10)

    def close(self) -> None:
        """Read the rest and stop."""
        self._closing.set()
        self.join()
