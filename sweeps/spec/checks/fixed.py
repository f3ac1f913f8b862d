"""Checks that fixed hyperparameters are used."""

from collections.abc import Iterator
from typing import Any

from sweeps.errors import shown
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.sections import Dimension, is_among


def check_fixed(draft: Draft) -> Iterator[Problem]:
    """Check that some trial uses each fixed value, because it does not search the hyperparameter."""
    for name, value in draft.fixed.items():
        dimension = draft.dimensions.get(name)
        if dimension is None or name not in draft.search or name in draft.broken:
            continue
        if not dimension.when and not dimension.grid_by_arm:
            only = f"search.{name}: [{'null' if value is None else shown(value)}]"
            problem = f"is searched too; keep one of them, such as {only}, or give search.{name} a when"
            yield ("fixed", name), problem
        elif _always_applies(draft, dimension):
            yield ("fixed", name), f"is never used, because every trial searches {name}; keep one of them"


def _always_applies(draft: Draft, dimension: Dimension) -> bool:
    """Whether each arm has a list in ``grid_by_arm``, and each condition is always true."""
    arms, by_arm = {*map(str, draft.arms)}, dimension.grid_by_arm
    if by_arm and not (arms and arms <= by_arm.keys()):
        return False
    return all(_is_always(draft, parent, values) for parent, values in (dimension.when or {}).items())


def _is_always(draft: Draft, name: str, values: list[Any]) -> bool:
    """Whether a hyperparameter has one of these values in every trial; False if that is not known."""
    dimension = draft.dimensions.get(name)
    unknown = name not in draft.fields or name in draft.broken or name in draft.varied_at
    if unknown or (dimension and dimension.bounds):
        return False
    return all(is_among(value, values) for value in draft.possible_values(name))
