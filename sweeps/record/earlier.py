"""Events of earlier versions, which recorded what training uses in place of an empty value in the YAML."""

from collections.abc import Mapping
from typing import Any

from sweeps.record.journal import Event
from sweeps.spec.model import Spec


class EarlierEvents:
    """Gives the events of a journal that an earlier version began the values that the YAML lists."""

    def __init__(self, spec: Spec) -> None:
        self._spec, self._found = spec, False

    def read(self, event: Event) -> Event:
        """Return the journal's next event as this version would have written it."""
        if event["event"] == "start":
            self._found |= "used" not in event
            return self._start(event) if self._found else event
        if self._found and "points" in event:
            return {**event, "points": [_as_listed(self._spec, point) for point in event["points"]]}
        return event

    def _start(self, event: Event) -> Event:
        recorded = event["hyperparameters"]
        listed = _as_listed(self._spec, recorded)
        used = {name: value for name, value in recorded.items() if listed[name] != value}
        arm = str(None) if self._spec.compared in used else event["arm"]
        return {"used": used, **event, "arm": arm, "hyperparameters": listed}


def _as_listed(spec: Spec, values: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: spec.options(name) for name in spec.varied if name in values}
    empty = [name for name, listed in options.items() if {name: None} in listed]
    return {**values, **{name: None for name in empty if {name: values[name]} not in options[name]}}
