"""Checks beyond the form of a spec: names that exist, values that fit, a search that can run."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sweeps.errors import Location, SweepError, nearest
from sweeps.spec.checks.claims import check_claims
from sweeps.spec.checks.confirm import check_at, check_configurations
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.factors import check_across, check_comparison
from sweeps.spec.checks.fixed import check_fixed
from sweeps.spec.checks.hyperparameters import (
    check_conditions,
    check_lists_by_arm,
    check_modes,
    check_sigma,
    check_values,
)
from sweeps.spec.checks.trials import TRIAL_CHECKS
from sweeps.spec.model import declaration_of, not_registered
from sweeps.spec.sections import Dimension
from trainables import registry

HYPERPARAMETER_CHECKS = (
    check_modes,
    check_conditions,
    check_lists_by_arm,
    check_fixed,
    check_sigma,
    check_at,
    check_configurations,
)


def check(content: Mapping[str, Any], wrong: Collection[Location]) -> list[Problem]:
    """Find the mistakes that depend on the trainable or on several keys.

    ``wrong`` has the malformed locations: nothing more is reported there, and the rest is checked.
    """
    name, names = content.get("trainable"), registry.names()
    if not isinstance(name, str):
        return []
    if name in names:
        return _check_as(name, content, wrong)
    # A name with a typing error says what else is wrong. A name of the user's own may resemble another less.
    near, message = nearest(name, names, similarity=0.8), not_registered(name, names)
    rest = _check_as(near, content, wrong) if near else []
    return [(("trainable",), f"{message}; the rest is checked for {near}" if rest else message), *rest]


def _check_as(name: str, content: Mapping[str, Any], wrong: Collection[Location]) -> list[Problem]:
    """Find the mistakes in a sweep of this trainable."""
    try:
        draft = Draft(content, declaration_of(name), wrong)
    except SweepError as error:
        return [(("trainable",), str(error))]
    return [
        (location, message)
        for location, message in _problems(draft)
        if not any(location[:length] in wrong for length in range(1, len(location) + 1))
    ]


def _problems(draft: Draft) -> Iterator[Problem]:
    for location, message in check_values(draft):
        draft.broken.add(str(location[1]))
        yield location, message
    for check_factor, name, values in (
        (check_comparison, draft.compared, draft.arms),
        (check_across, draft.across, draft.strata),
    ):
        found = list(check_factor(draft))
        yield from found
        _take_factor(draft, name, values, is_right=not found)
    for check_part in (*HYPERPARAMETER_CHECKS, *TRIAL_CHECKS, check_claims):
        yield from check_part(draft)


def _take_factor(draft: Draft, name: str | None, values: list[Any], *, is_right: bool) -> None:
    """Let the checks that follow treat the arms, or the strata, as the values of a dimension."""
    if name and is_right:
        if name not in draft.search:
            draft.dimensions[name] = Dimension(choice=values)
    elif name or not is_right or (draft.compares and draft.compared is None):
        draft.broken.add(str(name))
        if "noise" not in {*draft.fixed, *draft.search}:
            # A misspelt name may have meant noise.
            draft.broken.add("noise")
