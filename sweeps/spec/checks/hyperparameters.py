"""Checks of hyperparameters: their names, their values, when they apply, and the noise they make."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from sweeps.errors import Location, unknown
from sweeps.spec.checks.draft import Draft, Problem, is_among
from sweeps.spec.messages import message_of
from sweeps.spec.sections import KINDS, Dimension, Scalar
from trainables import NOISE_MODES


def check_names(draft: Draft) -> Iterator[Problem]:
    for section, names in (("fixed", draft.fixed), ("search", draft.search)):
        for name in names:
            if name in ("seed", "seeds"):
                yield (section, name), f"belongs at the top of the file, as {name}: N"
            elif name not in draft.fields:
                yield (section, name), unknown(name, list(draft.fields))
            if name == draft.compared:
                yield (section, name), "leave it out: compare gives its values"


def check_values(draft: Draft) -> Iterator[Problem]:
    for name, value in draft.fixed.items():
        if name in draft.fields and (problem := value_problem(draft.fields[name], value)):
            yield ("fixed", name), problem
    for name, raw in draft.search.items():
        if name in draft.fields:
            yield from _dimension_values(draft, name, raw if isinstance(raw, Mapping) else {"choice": raw})


def _dimension_values(draft: Draft, name: str, written: Mapping[str, Any]) -> Iterator[Problem]:
    field = draft.fields[name]
    for kind in KINDS:
        values = written.get(kind)
        for index, value in enumerate(values if isinstance(values, list) else []):
            if problem := value_problem(field, value):
                yield ("search", name, kind, index), problem
    dimension = draft.dimensions.get(name)
    if dimension and (dimension.uniform or dimension.log_uniform) and _is_whole(field):
        yield ("search", name, dimension.kind), f"{name} is a whole number; use int_uniform or a list"


def _is_whole(field: FieldInfo) -> bool:
    kinds = get_args(field.annotation) or (field.annotation,)
    return int in kinds and float not in kinds


def value_problem(field: FieldInfo, value: Any) -> str | None:
    """Say what is wrong with the value of a hyperparameter; None if nothing is."""
    annotation: Any = field.annotation
    if field.metadata:
        # The metadata are the bounds of a number.
        annotation = Annotated[annotation, *field.metadata]
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "literal_error":
            return unknown(value, [str(option) for option in get_args(field.annotation)])
        return message_of(("",), dict(first))
    return None


def check_conditions(draft: Draft) -> Iterator[Problem]:
    for name, dimension in draft.dimensions.items():
        for parent, values in (dimension.when or {}).items():
            location = ("search", name, "when", parent)
            above = draft.dimensions.get(parent)
            if parent not in draft.fields:
                yield location, unknown(parent, list(draft.fields))
            elif parent == name or name in _ancestors(draft, parent):
                yield location, f"{name} would depend on itself"
            elif above and above.bounds:
                yield location, f"must name a choice or grid; {parent} is {above.kind}"
            elif parent not in draft.broken:
                yield from _condition_values(location, values, draft.possible(parent))


def _condition_values(location: Location, values: list[Scalar], possible: list[Scalar]) -> Iterator[Problem]:
    problem = f"is not a value of {location[-1]} in this sweep"
    for index, value in enumerate(values):
        if not is_among(value, possible):
            yield (*location, index), unknown(value, list(map(str, possible)), problem)


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
    possible = draft.possible("noise")
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
        yield from _sigma_condition(draft, sigma, possible, noisy)


def _sigma_condition(
    draft: Draft, sigma: Dimension, possible: list[Any], noisy: list[str]
) -> Iterator[Problem]:
    modes = (sigma.when or {}).get("noise")
    left_out = [mode for mode in noisy if modes and mode not in modes]
    if modes is None:
        if noisy and "none" in possible:
            yield (
                ("search", "sigma"),
                f"needs when: {{noise: [{', '.join(noisy)}]}}, because none has no sigma",
            )
    elif left_out and "sigma" not in draft.fixed and all(mode in possible for mode in modes):
        problem = f"leaves out {', '.join(left_out)}, which would have no noise"
        yield ("search", "sigma", "when", "noise"), problem
