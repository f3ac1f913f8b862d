"""A sweep as JSON lines for programs: the events of its journal as they happen, and messages."""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from typing_extensions import override

from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.state import SweepState
from sweeps.spec.model import Spec

Log = Literal["text", "json"]


class JsonLog(Follower):
    """Writes events with the names of study and sweep to standard output, except those before a resume."""

    def __init__(self, spec: Spec, folder: SweepFolder) -> None:
        super().__init__(folder.journal)
        self._sweep = {"study": spec.name, "sweep": folder.path.name}
        for _, offset in folder.journal.read():
            self.offset = offset

    @override
    def handle(self, events: list[Event]) -> None:
        for event in events:
            # The list of right test examples takes kilobytes, and no reader of a log needs it.
            fields = {key: value for key, value in event.items() if key != "correct"}
            _write_line({**self._sweep, **fields})

    def say(self, text: str) -> None:
        """Write a message."""
        _write_line({**self._sweep, **_event("message", text=text)})

    def summarise(
        self, state: SweepState, tracking_uri: str, undelivered: int, findings: Sequence[str] = ()
    ) -> None:
        """Write how the sweep ended; ``undelivered`` counts the events that MLflow is still missing."""
        ended = {"complete": state.complete, "trials": state.counts(), "findings": list(findings)}
        summary = _event("summary", **ended, tracking_uri=tracking_uri, undelivered=undelivered)
        _write_line({**self._sweep, **summary})


def teller(spec: Spec, log: Log) -> Callable[[str], None]:
    """Return a function that writes messages about a sweep that has no number yet."""
    if log == "json":
        return lambda text: _write_line({"study": spec.name, "sweep": None, **_event("message", text=text)})
    return lambda text: print(text, flush=True)


def _event(name: str, **fields: Any) -> Event:
    return {"event": name, "time": int(time.time() * 1000), **fields}


def _write_line(event: Event) -> None:
    sys.stdout.write(json.dumps(_finite(event), allow_nan=False) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    """Replace NaN and infinities by None: JSON has neither, and most parsers refuse them."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
