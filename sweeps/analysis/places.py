"""The points at which a claim compares arms: one, or each listed value in a range."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.analysis.arms import title_of
from sweeps.spec.claim import Between, Place, in_range
from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar, is_among
from sweeps.spec.space import listed_for


def places_of(spec: Spec, where: Mapping[str, Place], arms: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the points of a claim at which all of these arms have results, by their titles.

    Arms are compared at the values that all of them have. One to which a hyperparameter does not apply, such
    as ``none`` to sigma, is the same at every value; where it applies to none of them, they have a single
    point, whose title does not mention it.
    """
    combinations = itertools.product(*(_options(spec, name, place) for name, place in where.items()))
    places: dict[str, dict[str, Any]] = {}
    for values in combinations:
        place = dict(zip(where, values, strict=True))
        listed = {name: _listed(spec, name, place, arms) for name in place}
        if all(is_among(place[name], values) for name in place for values in listed[name]):
            title = title_of({name: value for name, value in place.items() if listed[name]})
            places.setdefault(title, place)
    return places


def _options(spec: Spec, name: str, place: Place) -> list[Scalar]:
    """List the values that ``where`` gives a hyperparameter: one, or all that are listed in a range."""
    if not isinstance(place, Between):
        return [place]
    return in_range(place, all_listed(spec, name))


def all_listed(spec: Spec, name: str) -> list[Scalar]:
    """List the values of a hyperparameter of a point, of all arms."""
    at = spec.confirm.at if spec.confirm else {}
    return list(at[name] if name in at else spec.space[name].values)


def _listed(spec: Spec, name: str, place: Mapping[str, Any], arms: Sequence[str]) -> list[list[Scalar]]:
    """List the values of a hyperparameter for each of the arms to which it applies."""
    points = [{**place, spec.compared: arm} for arm in spec.arms if str(arm) in arms]
    return [values for point in points if (values := listed_for(spec, name, point))]
