"""Changes between the YAML of a sweep and the one it was started with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sweeps.errors import Location, dotted, shown
from sweeps.spec.claim import Claim
from sweeps.spec.model import Spec

# Keys that ``noisesweep extend`` changes.
_EXTENDING = (
    "looks",
    "seeds",
    "stages.confirm.looks",
    "stages.confirm.seeds",
    "stages.search.trials_per_arm",
)
# Keys that decide where and how trials run, but not which: arms stay comparable when they change.
_HARMLESS = ("question", "resources", "budget.concurrent", "max_failures", "data_dir")


class Change(NamedTuple):
    """A key with another value; None where the key is missing."""

    key: str
    before: Any
    after: Any

    @property
    def harmless(self) -> bool:
        """Whether the sweep can be resumed with it."""
        if self.key == "resources.gpu" and bool(self.before) != bool(self.after):
            # Another device rounds differently, so that trials of one seed are no longer pairs.
            return False
        return any(self.key == key or self.key.startswith(f"{key}.") for key in _HARMLESS)

    @property
    def extends(self) -> bool:
        """Whether ``noisesweep extend`` may change it."""
        return self.key in _EXTENDING

    def __str__(self) -> str:
        return f"{self.key}: {shown(self.before)} in the sweep, {shown(self.after)} now"


def changes(before: Spec, after: Spec) -> list[Change]:
    """List every key that differs between two specs, defaults included, but for the claims."""
    contents = [spec.model_dump(exclude_none=True, exclude={"claims"}) for spec in (before, after)]
    old, new = (dict(_flat(content, ())) for content in contents)
    return [Change(key, old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)]


def _flat(value: Any, location: Location) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, (*location, str(key)))
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, (*location, index))
    else:
        yield dotted(location), value


def new_claims(known: Sequence[Claim], after: Spec) -> list[Claim]:
    """List the claims of a spec that say something else than those known, such as one with another ``by``."""
    said = [_said(claim) for claim in known]
    return [claim for claim in after.claims if _said(claim) not in said]


def missing_claims(known: Sequence[Claim], after: Spec) -> list[Claim]:
    """List the claims that a spec no longer makes."""
    said = [_said(claim) for claim in after.claims]
    return [claim for claim in known if _said(claim) not in said]


def _said(claim: Claim) -> dict[str, Any]:
    """Return what a claim says, without its words."""
    return claim.model_dump(exclude={"name", "published"})
