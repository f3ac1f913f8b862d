"""What happened in a sweep, on disk: an append-only file of JSON lines.

The driver writes it as trials report; MLflow delivery, display, status and results all read it. An event is
a dict with ``event`` (``start``, ``epoch``, ``end`` of a trial; ``finish`` of the sweep), ``time`` (ms since
1970) and, where it concerns one, ``trial``. JSON has no NaN and no infinities: in ``metrics`` they are the
texts ``"nan"``, ``"inf"`` and ``"-inf"``, and numbers again when they are read.
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

from sweeps.errors import SweepError
from sweeps.record.files import append_whole

Event = dict[str, Any]

_BATCH = 500
_POLL_SECONDS = 0.5


class Journal:
    """One sweep's journal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **fields: Any) -> Event:
        """Write an event; it is on disk when this returns, and whole or not at all.

        Args:
            event: Its kind.
            **fields: What belongs to it.

        Returns:
            The event.

        Raises:
            SweepError: If it cannot be written, as on a full disk; what was written before is kept.
        """
        return self.extend([{"event": event, **fields}])[0]

    def extend(self, events: Iterable[Event]) -> list[Event]:
        """Write several events at once, as ``append`` does one; where they cannot be written, none is.

        Args:
            events: Without their time.

        Returns:
            The events.

        Raises:
            SweepError: If they cannot be written.
        """
        now = int(time.time() * 1000)
        entries = [{"event": event["event"], "time": now, **event} for event in events]
        lines = "".join(_line(entry) for entry in entries)
        try:
            append_whole(self.path, lines.encode())
        except OSError as error:
            raise SweepError(f"{self.path}: cannot be written: {error.strerror}") from None
        return entries

    def repair(self) -> None:
        """Drop an unfinished last line, which a killed driver leaves."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)

    def read(self, offset: int = 0, end: float = math.inf) -> Iterator[tuple[Event, int]]:
        """Read the whole lines from an offset on.

        Args:
            offset: Bytes to skip; an offset that this gave.
            end: Bytes not to go beyond.

        Yields:
            An event, and the offset behind it.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                if offset > end:
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
        offset: Bytes of the journal that are dealt with.
        limit: Byte beyond which the journal may not be read yet.
    """

    def __init__(self, journal: Journal, offset: int = 0) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.offset = offset
        self.limit = math.inf
        self._journal = journal
        self._closing = threading.Event()

    def handle(self, events: list[Event]) -> None:
        """Deal with new events; when it raises they come again.

        Args:
            events: At most 500, in order.
        """
        raise NotImplementedError

    def give_up(self, error: Exception) -> bool:
        """Decide, after ``handle`` raised ``error``, whether to stop following; it may wait first."""
        raise error

    def tick(self) -> None:
        """Called after each look at the journal, twice a second or more often."""

    def run(self) -> None:
        """Follow the journal."""
        while True:
            closing = self._closing.is_set()  # before reading: what was written until then is read
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

    def close(self) -> None:
        """Read the rest and stop."""
        self._closing.set()
        self.join()
