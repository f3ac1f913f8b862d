"""What a sweep says, as JSON lines for programs: its journal's events as they come, and messages."""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.state import SweepState
from sweeps.spec.model import Spec

Log = Literal["text", "json"]


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
        self._write(_message(text))

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
        _write_line({**self._sweep, **entry})


def teller(spec: Spec, log: Log) -> Callable[[str], None]:
    """Choose how messages are written before there is a sweep.

    Args:
        spec: Its spec.
        log: What is printed: ``text`` for people, ``json`` lines for programs.

    Returns:
        Writes a message; of a JSON line's ``sweep`` there is no number yet.
    """
    if log == "json":
        return lambda text: _write_line({"study": spec.name, "sweep": None, **_message(text)})
    return lambda text: print(text, flush=True)


def _message(text: str) -> dict[str, Any]:
    return {"event": "message", "time": int(time.time() * 1000), "text": text}


def _write_line(entry: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(_finite(entry), allow_nan=False) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    # Null for NaN and infinities, as of a diverged trial: JSON has none, and most parsers refuse them.
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
