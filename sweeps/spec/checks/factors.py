"""Checks of compare and across: hyperparameters whose values are compared, or across which they are."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from sweeps.errors import Location, shown, unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.hyperparameters import value_problem
from sweeps.spec.sections import MOST_VALUES, has_duplicates, takes_list


def check_comparison(draft: Draft) -> Iterator[Problem]:
    if draft.compared is None:
        if draft.has_stages and not draft.compares:
            yield ("stages",), "needs compare: the hyperparameter whose values are the arms, such as noise"
        return
    yield from _values(draft, "compare", draft.compared, draft.arms)


def check_across(draft: Draft) -> Iterator[Problem]:
    name = draft.across
    if name is None:
        return
    location = _location(draft, "across", name)
    if draft.is_grid:
        yield (
            ("across",),
            "leave it out: a grid compares the arms at every value of the hyperparameters in search",
        )
    elif not draft.has_stages or not draft.compares:
        missing = "compare" if draft.has_stages else "stages"
        yield ("across",), f"needs {missing}: the arms are tuned and compared for each of its values"
    elif name == draft.compared:
        yield location, "is what compare names; it must be another hyperparameter"
    else:
        yield from _values(draft, "across", name, draft.strata)


def _location(draft: Draft, key: str, name: str) -> Location:
    return (key,) if isinstance(draft.content[key], str) else (key, name)


def _values(draft: Draft, key: str, name: str, values: list[Any]) -> Iterator[Problem]:
    location = _location(draft, key, name)
    if name not in draft.fields:
        yield location, unknown_message(name, list(draft.fields))
    elif takes_list(draft.fields[name]) or (name == "curvature" and draft.has_stages):
        place = "stages.confirm" if draft.has_stages else "fixed"
        other = "compare something else" if key == "compare" else "name something else"
        yield location, f"must be the same for all arms: put it in {place}, and {other}"
    elif location == (key,) and not values:
        yield location, f"must list its values, such as {{{name}: [...]}}"
    elif len(values) > MOST_VALUES:
        yield location, f"must have at most {MOST_VALUES:,} values, got {len(values):,}"
    elif len(values) < 2 or has_duplicates(values):
        yield location, f"must have two values or more, each once, got {shown(values)}"
    else:
        for index, value in enumerate(values):
            problem = value_problem(draft.fields[name], value)
            if problem is None and key == "compare":
                problem = _spelling(draft.fields[name], value)
            if problem:
                yield (*location, index), problem


def _spelling(field: FieldInfo, arm: Any) -> str | None:
    annotation: Any = field.annotation
    text = str(TypeAdapter(annotation).validate_python(arm))
    return None if text == str(arm) else f"must be written {text}, because arms are named by their text"
