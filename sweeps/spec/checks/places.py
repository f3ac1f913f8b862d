"""Checks of the points that a claim is about: those of a grid, or of what a confirm stage trains."""

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import Any

from sweeps.errors import one_of, shown, unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.claim import Between, Claim, Place, in_range
from sweeps.spec.sections import is_among


def check_where(draft: Draft, claim: Claim) -> Iterator[Problem]:
    """Check that a claim says which point it is about, and that its arms have results there."""
    if _is_across_wrong(draft):
        return
    places = draft.places
    for name, place in claim.where.items():
        if name == (draft.compared or "noise"):
            yield ("where", name), "tells the arms apart: name them in better and worse, or in equal"
        elif name in places:
            if name not in draft.broken and (problem := _not_listed(draft, claim, name, place)):
                yield ("where", name), problem
        elif name not in {*draft.broken, *(draft.search if draft.is_grid else ())}:
            yield ("where", name), _unknown(draft, name)
    # A misspelt key, reported above, may be the one that would be missing here.
    if claim.where.keys() <= set(places):
        yield from _missing(draft, claim.where)


def _is_across_wrong(draft: Draft) -> bool:
    """Whether across has a mistake, reported elsewhere, so that the points are not known."""
    return draft.content.get("across") is not None and draft.across in {None, *draft.broken}


def _unknown(draft: Draft, name: str) -> str:
    if draft.places:
        problem = "is not searched" if draft.is_grid else "is neither in across nor in stages.confirm.at"
        return unknown_message(name, draft.places, problem)
    if draft.is_grid:
        return "leave it out: the grid has no dimension but the arms"
    # Without listed values, each arm has one configuration.
    return "leave it out, or list its values in across or in stages.confirm.at"


def _missing(draft: Draft, where: Mapping[str, Place]) -> Iterator[Problem]:
    for name in draft.places:
        if name in where or name in draft.broken:
            continue
        values = [value for arm in draft.arms for value in draft.listed(name, arm)]
        if draft.is_grid or name == draft.across:
            if len(values) and len(_unique(values)) > 1:
                yield ("where",), f"must say which {name}, such as {{{name}: {values[0]}}}"
        elif given := [other for other in draft.varied_at if other in where]:
            rule = (
                f"must also say which {name}, such as {{{name}: {values[0]}}}" if values else f"needs {name}"
            )
            yield ("where",), f"{rule}; without {', '.join(given)} it is about what the search chose"


def _unique(values: list[Any]) -> list[Any]:
    return [value for index, value in enumerate(values) if not is_among(value, values[:index])]


def _not_listed(draft: Draft, claim: Claim, name: str, place: Place) -> str | None:
    """Say that arms which a claim compares have no results at a value or in a range; None if they have."""
    if isinstance(place, Between) and place.between[0] > place.between[1]:
        return f"{shown(place.between)} is empty: the first must be the lower"
    for arms in _pairs(claim):
        listed = [values for arm in arms if (values := draft.listed(name, arm))]
        shared = [
            value
            for value in _unique([value for values in listed for value in values])
            if all(is_among(value, each) for each in listed)
        ]
        is_right = in_range(place, shared) if isinstance(place, Between) else is_among(place, shared)
        if listed and not is_right:
            of = (
                "" if _is_listed_alike(draft, name) else f" for {' and '.join(dict.fromkeys(map(str, arms)))}"
            )
            possible = one_of(sorted(map(str, shared))) if shared else "nothing, as they share no value"
            got = (
                f"{shown(place.between)} has no" if isinstance(place, Between) else f"{shown(place)} is not a"
            )
            return f"{got} value of {name}{of}; it can be {possible}"
    return None


def _is_listed_alike(draft: Draft, name: str) -> bool:
    dimension = draft.dimensions.get(name)
    return not (dimension and dimension.grid_by_arm and draft.is_grid)


def _pairs(claim: Claim) -> list[tuple[Any, ...]]:
    """List the arms that are compared with one another."""
    if claim.equal:
        return list(combinations(claim.equal, 2))
    return [(arm,) for arm in claim.drops or []] or list(product(claim.better or [], claim.worse or []))


def check_than(draft: Draft, claim: Claim) -> Iterator[Problem]:
    """Check that the other point of an interaction is of the same kind as the first, and differs."""
    if claim.than is None or _is_across_wrong(draft):
        return
    if claim.than.keys() != claim.where.keys():
        names = ", ".join(claim.where) or "none"
        yield (
            ("than",),
            f"must have the hyperparameters of where ({names}), got {', '.join(claim.than) or 'none'}",
        )
    elif ranges := [name for name, place in claim.where.items() if isinstance(place, Between)]:
        yield ("where", ranges[0]), "must be one value beside than"
    elif claim.than == claim.where:
        yield ("than",), "must differ from where"
    else:
        known = [name for name in claim.than if name in draft.places and name not in draft.broken]
        for name in known:
            if problem := _not_listed(draft, claim, name, claim.than[name]):
                yield ("than", name), problem
