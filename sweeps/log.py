"""What a sweep says, as JSON lines for programs: its journal's events as they come, and messages."""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from sweeps.journal import Event, Follower
from sweeps.spec import Spec
from sweeps.state import SweepState
from sweeps.storage import SweepFolder


class JsonLog(Follower):
    """Writes each event of a sweep to standard output, with the names of study and sweep."""

    def __init__(self, spec: Spec, folder: SweepFolder) -> None:
        super().__init__(folder.journal)
        self._sweep = {"study": spec.name, "sweep": folder.path.name}
        for _, self.offset in folder.journal.read():  # what happened before a resume is not told again
            pass

    def handle(self, events: list[Event]) -> None:
        """Write events.

        Args:
            events: In order.
        """
        for event in events:
            self._write(event)

    def say(self, text: str) -> None:
        """Write a message.

        Args:
            text: The message.
        """
        self._write({"event": "message", "time": int(time.time() * 1000), "text": text})

    def summarise(
        self, state: SweepState, tracking_uri: str, undelivered: int, findings: Sequence[str] = ()
    ) -> None:
        """Write how the sweep ended.

        Args:
            state: Its trials.
            tracking_uri: The MLflow store.
            undelivered: Writes that the store has not got.
            findings: Lines that say what it found.
        """
        ended = {"complete": state.complete, "trials": state.counts(), "findings": list(findings)}
        delivered = {"tracking_uri": tracking_uri, "undelivered": undelivered}
        self._write({"event": "summary", "time": int(time.time() * 1000), **ended, **delivered})

    def _write(self, entry: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps({**self._sweep, **entry}) + "\n")
        sys.stdout.flush()
