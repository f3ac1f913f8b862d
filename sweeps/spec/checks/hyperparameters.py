"""Checks of hyperparameters: their names and values, the arms, when they apply, and sigma."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from sweeps.errors import SweepError, unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.messages import message_of
from sweeps.spec.model import mode_of, not_registered
from sweeps.spec.sections import KINDS, Dimension, is_among, is_noisy, not_one_value, takes_list
from trainables.declarations.hyperparameters import UNKNOWN_MODE
from trainables.noise import registry


def check_values(draft: Draft) -> Iterator[Problem]:
    """Check the names and the values of the fixed and the searched hyperparameters."""
    for section, hyperparameters in (("fixed", draft.fixed), ("search", draft.search)):
        for name, value in hyperparameters.items():
            if name in ("seed", "seeds"):
                yield (section, name), f"belongs at the top of the file, as {name}: N"
            elif name not in draft.fields:
                yield (section, name), unknown_message(name, list(draft.fields))
            elif section == "search" and takes_list(draft.fields[name]):
                place = "stages.confirm or in fixed" if draft.has_stages else "fixed"
                yield (section, name), f"cannot be searched: put it in {place}"
            elif section == "search":
                yield from _dimension_values(draft, name, value)
            elif problem := value_problem(draft.fields[name], value):
                yield (section, name), problem
            for key, factor in (("compare", draft.compared), ("across", draft.across)):
                if name == factor:
                    yield (section, name), f"leave it out: {key} gives its values"


def _dimension_values(draft: Draft, name: str, raw: Any) -> Iterator[Problem]:
    field, written = draft.fields[name], raw if isinstance(raw, Mapping) else {"choice": raw}
    for kind in KINDS:
        values = written.get(kind)
        lists = (
            {(arm,): listed for arm, listed in values.items()}
            if isinstance(values, Mapping)
            else {(): values}
        )
        for arm, listed in lists.items():
            for index, value in enumerate(listed if isinstance(listed, list) else []):
                if problem := value_problem(field, value):
                    yield ("search", name, kind, *arm, index), problem
    dimension = draft.dimensions.get(name)
    takes = get_args(field.annotation) or (field.annotation,)
    if dimension and dimension.kind in ("uniform", "log_uniform") and int in takes and float not in takes:
        yield ("search", name, dimension.kind), f"{name} is a whole number; use int_uniform or a list"


def value_problem(field: FieldInfo, value: Any) -> str | None:
    """Say what is wrong with the value of a hyperparameter; None if nothing is."""
    if isinstance(value, list) and not takes_list(field):
        return not_one_value(value)
    annotation: Any = field.annotation
    try:
        TypeAdapter(Annotated[annotation, field]).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "literal_error":
            return unknown_message(value, [str(option) for option in get_args(field.annotation)])
        if first["type"] == UNKNOWN_MODE:
            return not_registered(value, registry.names())
        return message_of(("",), dict(first))
    return None


def check_modes(draft: Draft) -> Iterator[Problem]:
    """Import the noise modes that installed packages define."""
    section = "search" if "noise" in draft.search else "fixed"
    location = ("compare",) if draft.compared == "noise" else (section, "noise")
    given = [point.get("noise") for point in draft.configurations.values()]
    for mode in dict.fromkeys([*draft.possible_values("noise"), *given]):
        try:
            if mode in registry.names():
                mode_of(mode)
        except SweepError as error:
            yield location, str(error)


def check_conditions(draft: Draft) -> Iterator[Problem]:
    for name, dimension in draft.dimensions.items():
        if is_noisy(dimension.when) and "noise" not in draft.broken and not _noisy(draft):
            yield ("search", name, "when"), "is never true: noise is none in every trial"
        for parent, values in (dimension.when or {}).items():
            location = ("search", name, "when", parent)
            above = draft.dimensions.get(parent)
            if parent not in draft.fields:
                yield location, unknown_message(parent, list(draft.fields))
            elif parent == name or name in _ancestors(draft, parent):
                yield location, f"{name} would depend on itself"
            elif above and above.bounds:
                yield location, f"must name a choice or grid; {parent} is {above.kind}"
            elif parent not in draft.broken:
                possible = draft.possible_values(parent)
                for index, value in enumerate(values):
                    # Every noisy mode may be listed, also where only some are compared.
                    if not is_noisy(dimension.when) and not is_among(value, possible):
                        problem = f"is not a value of {parent} in this sweep"
                        yield (*location, index), unknown_message(value, list(map(str, possible)), problem)


def _ancestors(draft: Draft, name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """The hyperparameters in the conditions of ``name``, in theirs, and so on."""
    dimension = draft.dimensions.get(name)
    for parent in (dimension.when or {}) if dimension else {}:
        if parent not in seen:
            seen = _ancestors(draft, parent, seen | {parent})
    return seen


def check_lists_by_arm(draft: Draft) -> Iterator[Problem]:
    """Check grids that list their values for each arm."""
    arms = list(map(str, draft.arms))
    for name, dimension in draft.dimensions.items():
        location = ("search", name, "grid_by_arm")
        if dimension.grid_by_arm and not draft.compares:
            yield location, "needs compare, whose values are the arms; without it, give one list"
        elif dimension.grid_by_arm and draft.compared not in draft.broken:
            for arm in dimension.grid_by_arm:
                if arm not in arms:
                    yield (*location, arm), unknown_message(arm, arms, "is not an arm")


def _noisy(draft: Draft) -> list[Any]:
    """List the noise modes that trials can have, except none."""
    known = registry.names()
    return [mode for mode in draft.possible_values("noise") if mode in known and mode != "none"]


def check_sigma(draft: Draft) -> Iterator[Problem]:
    """Check that sigma is set or searched where there is noise, and only there."""
    if "noise" in draft.broken:
        return
    possible, noisy = draft.possible_values("noise"), _noisy(draft)
    given = {*draft.fixed, *draft.search, draft.compared, draft.across}
    # Given configurations have checks of their own.
    if noisy and "sigma" not in given and not draft.configurations:
        section = "search" if "noise" in draft.search else "fixed"
        location = ("compare",) if draft.compared == "noise" else (section, "noise")
        yield location, f"needs sigma, in fixed or in search, for {', '.join(noisy)}"
    sigma = draft.dimensions.get("sigma")
    if "sigma" in (draft.compared, draft.across):
        key = "compare" if draft.compared == "sigma" else "across"
        if "none" in possible:
            yield (key,), "cannot be sigma where noise can be none, which has no sigma"
    elif sigma:
        yield from _sigma_when(draft, sigma, possible, noisy)


def _sigma_when(draft: Draft, sigma: Dimension, possible: list[Any], noisy: list[str]) -> Iterator[Problem]:
    location = ("search", "sigma")
    modes = (sigma.when or {}).get("noise")
    if sigma.grid_by_arm and draft.compared == "noise":
        by_arm = sigma.grid_by_arm
        yield from _sigma_by_arm(draft, [mode for mode in noisy if mode not in by_arm], "none" in by_arm)
        return
    if modes is None:
        if noisy and "none" in possible:
            yield location, "needs when: noisy, because none has no sigma"
        return
    left_out = ", ".join(mode for mode in noisy if mode not in modes)
    if left_out and "sigma" not in draft.fixed and all(mode in possible for mode in modes):
        yield (*location, "when", "noise"), f"leaves out {left_out}, which would have no noise"


def _sigma_by_arm(draft: Draft, left_out: list[str], has_none: bool) -> Iterator[Problem]:
    location = ("search", "sigma", "grid_by_arm")
    if has_none:
        yield (*location, "none"), "leave it out: none has no sigma"
    # A misspelt arm, reported elsewhere, may be the one that is missing here.
    is_right = all(arm in map(str, draft.arms) for arm in draft.dimensions["sigma"].grid_by_arm or {})
    if left_out and "sigma" not in draft.fixed and is_right:
        yield location, f"leaves out {', '.join(left_out)}, which would have no noise"
