"""What happened in a sweep, on disk: an append-only file of JSON lines.

The driver writes it as trials report; MLflow delivery, display, status and results all read it. An event is
a dict with ``event`` (``start``, ``epoch``, ``end`` of a trial; ``finish`` of the sweep), ``time`` (ms since
1970) and, where it concerns one, ``trial``.
"""

import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Event = dict[str, Any]

_BATCH = 500
_POLL_SECONDS = 0.5


class Journal:
    """One sweep's journal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **fields: Any) -> Event:
        """Write an event; it is in the operating system's hands when this returns.

        Args:
            event: Its kind.
            **fields: What belongs to it.

        Returns:
            The event.
        """
        entry = {"event": event, "time": int(time.time() * 1000), **fields}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        return entry

    def repair(self) -> None:
        """Drop an unfinished last line, which a killed driver leaves."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)

    def read(self, offset: int = 0) -> Iterator[tuple[Event, int]]:
        """Read the whole lines from an offset on.

        Args:
            offset: Bytes to skip; an offset that this gave.

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
                yield json.loads(line), offset


class Follower(threading.Thread):
    """A thread that reads a journal as it grows, until it is closed and has read everything.

    Attributes:
        offset: Bytes of the journal that are dealt with.
    """

    def __init__(self, journal: Journal, offset: int = 0) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.offset = offset
        self._journal = journal
        self._closing = threading.Event()

    def handle(self, events: list[Event]) -> None:
        """Deal with new events; when it raises they come again.

        Args:
            events: At most 500, in order.
        """
        raise NotImplementedError

    def give_up(self, error: Exception) -> bool:
        """Decide, after ``handle`` raised, whether to stop following.

        Args:
            error: What it raised.

        Returns:
            Whether to stop; it may wait before it answers.
        """
        raise error

    def tick(self) -> None:
        """Called after each look at the journal, twice a second or more often."""

    def run(self) -> None:
        """Follow the journal."""
        while True:
            closing = self._closing.is_set()  # before reading: what was written until then is read
            batch = list(itertools.islice(self._journal.read(self.offset), _BATCH))
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
