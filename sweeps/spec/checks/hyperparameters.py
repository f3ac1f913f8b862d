"""Checks of hyperparameters: their names and values, the arms, when they apply, and sigma."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from sweeps.errors import Location, shown, unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.messages import message_of
from sweeps.spec.sections import KINDS, MOST_VALUES, NOISY, Dimension, has_duplicates, is_among
from trainables.declarations.hyperparameters import NOISE_MODES


def check_values(draft: Draft) -> Iterator[Problem]:
    """Check the names and the values of the fixed and the searched hyperparameters."""
    for section, hyperparameters in (("fixed", draft.fixed), ("search", draft.search)):
        for name, value in hyperparameters.items():
            if name in ("seed", "seeds"):
                yield (section, name), f"belongs at the top of the file, as {name}: N"
            elif name not in draft.fields:
                yield (section, name), unknown_message(name, list(draft.fields))
            elif section == "search":
                yield from _dimension_values(draft, name, value)
            elif problem := value_problem(draft.fields[name], value):
                yield (section, name), problem
            if name == draft.compared:
                yield (section, name), "leave it out: compare gives its values"


def _dimension_values(draft: Draft, name: str, raw: Any) -> Iterator[Problem]:
    field, written = draft.fields[name], raw if isinstance(raw, Mapping) else {"choice": raw}
    for kind in KINDS:
        values = written.get(kind)
        for index, value in enumerate(values if isinstance(values, list) else []):
            if problem := value_problem(field, value):
                yield ("search", name, kind, index), problem
    dimension = draft.dimensions.get(name)
    takes = get_args(field.annotation) or (field.annotation,)
    if dimension and dimension.kind in ("uniform", "log_uniform") and int in takes and float not in takes:
        yield ("search", name, dimension.kind), f"{name} is a whole number; use int_uniform or a list"


def value_problem(field: FieldInfo, value: Any) -> str | None:
    """Say what is wrong with the value of a hyperparameter; None if nothing is."""
    annotation: Any = field.annotation
    try:
        TypeAdapter(Annotated[annotation, field]).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "literal_error":
            return unknown_message(value, [str(option) for option in get_args(field.annotation)])
        return message_of(("",), dict(first))
    return None


def check_comparison(draft: Draft) -> Iterator[Problem]:
    name, arms = draft.compared, draft.arms
    if name is None:
        if draft.has_stages and not draft.compares:
            yield ("stages",), "needs compare: the hyperparameter whose values are the arms, such as noise"
        return
    is_name = isinstance(draft.content["compare"], str)
    location: Location = ("compare",) if is_name else ("compare", name)
    if name not in draft.fields:
        yield location, unknown_message(name, list(draft.fields))
    elif is_name and not arms:
        yield location, f"must list its values, such as {{{name}: [...]}}"
    elif len(arms) > MOST_VALUES:
        yield location, f"must have at most {MOST_VALUES:,} values, got {len(arms):,}"
    elif len(arms) < 2 or has_duplicates(arms):
        yield location, f"must have two values or more, each once, got {shown(arms)}"
    elif name == "curvature" and draft.has_stages:
        yield location, "must be the same for all arms: put it in stages.confirm, and compare something else"
    else:
        for index, arm in enumerate(arms):
            if problem := value_problem(draft.fields[name], arm) or _spelling(draft.fields[name], arm):
                yield (*location, index), problem


def _spelling(field: FieldInfo, arm: Any) -> str | None:
    annotation: Any = field.annotation
    text = str(TypeAdapter(annotation).validate_python(arm))
    return None if text == str(arm) else f"must be written {text}, because arms are named by their text"


def check_conditions(draft: Draft) -> Iterator[Problem]:
    for name, dimension in draft.dimensions.items():
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
                    if dimension.when != {"noise": NOISY} and not is_among(value, possible):
                        problem = f"is not a value of {parent} in this sweep"
                        yield (*location, index), unknown_message(value, list(map(str, possible)), problem)


def _ancestors(draft: Draft, name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    """The hyperparameters in the conditions of ``name``, in theirs, and so on."""
    dimension = draft.dimensions.get(name)
    for parent in (dimension.when or {}) if dimension else {}:
        if parent not in seen:
            seen = _ancestors(draft, parent, seen | {parent})
    return seen


def check_sigma(draft: Draft) -> Iterator[Problem]:
    """Check that sigma is set or searched where there is noise, and only there."""
    if "noise" in draft.broken:
        return
    possible = draft.possible_values("noise")
    noisy = [mode for mode in possible if mode in NOISE_MODES and mode != "none"]
    if noisy and "sigma" not in {*draft.fixed, *draft.search, draft.compared}:
        section = "search" if "noise" in draft.search else "fixed"
        location = ("compare",) if draft.compared == "noise" else (section, "noise")
        yield location, f"needs sigma, in fixed or in search, for {', '.join(noisy)}"
    sigma = draft.dimensions.get("sigma")
    if draft.compared == "sigma":
        if "none" in possible:
            yield ("compare",), "cannot be sigma where noise can be none, which has no sigma"
    elif sigma:
        yield from _sigma_when(draft, sigma, possible, noisy)


def _sigma_when(draft: Draft, sigma: Dimension, possible: list[Any], noisy: list[str]) -> Iterator[Problem]:
    location = ("search", "sigma")
    modes = (sigma.when or {}).get("noise")
    if sigma.grid_by_arm and draft.compared == "noise":
        modes = [*sigma.grid_by_arm]
    if modes is None:
        if noisy and "none" in possible:
            yield location, "needs when: noisy, because none has no sigma"
        return
    left_out = ", ".join(mode for mode in noisy if mode not in modes)
    if left_out and "sigma" not in draft.fixed and all(mode in possible for mode in modes):
        yield (*location, "when", "noise"), f"leaves out {left_out}, which would have no noise"
