"""Checks beyond the form of a spec: names that exist, values that fit, a search that can run."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sweeps.errors import Location, unknown
from sweeps.spec.checks.claims import check_claims
from sweeps.spec.checks.comparison import check_comparison, check_stages
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.hyperparameters import check_conditions, check_names, check_sigma, check_values
from sweeps.spec.checks.trials import check_budget, check_objective, check_scheduler, check_seeds, check_size
from sweeps.spec.sections import Dimension
from trainables import registry

_TRIAL_CHECKS = (check_seeds, check_size, check_objective, check_budget, check_scheduler)


def check(content: Mapping[str, Any], wrong: Collection[Location]) -> list[Problem]:
    """Find the mistakes that only the trainable, or two keys together, can show.

    Args:
        content: The spec as written.
        wrong: Where its form is wrong. Nothing more is said there, and the rest is checked all the same.

    Returns:
        Locations and what would be right there.
    """
    name = content.get("trainable")
    if not isinstance(name, str):
        return []
    if name not in registry.names():
        return [(("trainable",), unknown(name, registry.names()))]
    return [
        (location, message)
        for location, message in _problems(Draft(content, registry.get(name), wrong))
        if not any(location[:length] in wrong for length in range(1, len(location) + 1))
    ]


def _problems(draft: Draft) -> Iterator[Problem]:
    for location, message in (*check_names(draft), *check_values(draft)):
        draft.broken.add(str(location[1]))
        yield location, message
    in_comparison = list(check_comparison(draft))
    yield from in_comparison
    _add_arms(draft, are_right=not in_comparison)
    for find in (check_stages, check_conditions, check_sigma, *_TRIAL_CHECKS, check_claims):
        yield from find(draft)


def _add_arms(draft: Draft, *, are_right: bool) -> None:
    """Add the arms to the dimensions, or mark the compared hyperparameter as broken."""
    if draft.compared and are_right:
        if draft.compared not in draft.search:
            draft.dimensions[draft.compared] = Dimension(choice=draft.arms)
    elif draft.compares or not are_right:
        draft.broken.add(str(draft.compared))
        if "noise" not in {*draft.fixed, *draft.search}:
            # A misspelt name may have meant noise.
            draft.broken.add("noise")
