"""A sweep's YAML held against the one that the sweep was started with."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sweeps.errors import Location, dotted, shown
from sweeps.spec.model import Spec

# What says where and how trials run, not which: with any of these changed the arms still compare.
_HARMLESS = ("question", "resources", "budget.concurrent", "max_failures", "data_dir")


class Change(NamedTuple):
    """A key that has another value."""

    key: str
    before: Any
    after: Any

    @property
    def harmless(self) -> bool:
        """Whether a sweep may go on with it."""
        if self.key == "resources.gpu" and bool(self.before) != bool(self.after):
            return False  # another device, other rounding: the seeds would not pair
        return any(self.key == key or self.key.startswith(f"{key}.") for key in _HARMLESS)

    def __str__(self) -> str:
        return f"{self.key}: {shown(self.before)} in the sweep, {shown(self.after)} now"


def changes(before: Spec, after: Spec) -> list[Change]:
    """Compare two specs, defaults included.

    Args:
        before: The sweep's.
        after: The other.

    Returns:
        Every key that differs, with ``None`` where it is missing.
    """
    old, new = (dict(_flat(spec.model_dump(exclude_none=True), ())) for spec in (before, after))
    keys = [*old, *(key for key in new if key not in old)]
    return [Change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def _flat(value: Any, location: Location) -> Iterator[tuple[str, Any]]:
    parts: list[tuple[str | int, Any]] = []
    if isinstance(value, Mapping):
        parts = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        parts = list(enumerate(value))
    else:
        yield dotted(location), value
    for part, item in parts:
        yield from _flat(item, (*location, part))
