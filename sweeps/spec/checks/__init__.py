"""Checks beyond the form of a spec: names that exist, values that fit, a search that can run."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sweeps.errors import Location, SweepError, unknown_message
from sweeps.spec.checks.claims import check_claims
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.hyperparameters import check_comparison, check_conditions, check_sigma, check_values
from sweeps.spec.checks.trials import TRIAL_CHECKS
from sweeps.spec.model import declaration_of
from sweeps.spec.sections import Dimension
from trainables import registry


def check(content: Mapping[str, Any], wrong: Collection[Location]) -> list[Problem]:
    """Find the mistakes that depend on the trainable or on several keys.

    ``wrong`` has the malformed locations: nothing more is reported there, and the rest is checked.
    """
    name = content.get("trainable")
    if not isinstance(name, str):
        return []
    if name not in registry.names():
        return [(("trainable",), unknown_message(name, registry.names()))]
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
    in_comparison = list(check_comparison(draft))
    yield from in_comparison
    if draft.compared and not in_comparison:
        # The checks below treat the arms as the values of a dimension.
        if draft.compared not in draft.search:
            draft.dimensions[draft.compared] = Dimension(choice=draft.arms)
    elif draft.compares or in_comparison:
        draft.broken.add(str(draft.compared))
        if "noise" not in {*draft.fixed, *draft.search}:
            # A misspelt name may have meant noise.
            draft.broken.add("noise")
    for check_part in (check_conditions, check_sigma, *TRIAL_CHECKS, check_claims):
        yield from check_part(draft)
