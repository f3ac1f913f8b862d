"""Checks of what a confirm stage trains: listed values of hyperparameters, and given configurations."""

from collections.abc import Iterator
from typing import Any

from sweeps.errors import unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.hyperparameters import value_problem
from sweeps.spec.sections import has_duplicates
from sweeps.spec.space import NOISE_HYPERPARAMETERS

# Hyperparameters that have a key of their own in ``stages.confirm``, with examples.
_MEASURING = {"curvature": "end", "weight_noise": "[0.01, 0.1]"}
_AT = ("stages", "confirm", "at")
_CONFIGURATIONS = ("stages", "confirm", "configurations")


def check_at(draft: Draft) -> Iterator[Problem]:
    """Check the values at which the arms are confirmed besides what the search chose."""
    for name in draft.at:
        location, none = (*_AT, name), list[Any]()
        values = draft.valid(none, *location)
        if problem := _misplaced(draft, name):
            yield location, problem
        elif name == "epochs" or name == "noise":
            yield location, f"{name} cannot be listed here: it must be as in the search"
        elif has_duplicates(values):
            yield location, "lists a value twice"
        else:
            for index, value in enumerate(values):
                if wrong := value_problem(draft.fields[name], value):
                    yield (*location, index), wrong
                elif name == "sigma" and value == 0:
                    yield (*location, index), "must be above 0: noise none is training without noise"
            yield from _without_noise(draft, name)


def _misplaced(draft: Draft, name: str) -> str | None:
    """Say why a hyperparameter cannot be given in a confirm stage; None if it can."""
    if name in ("seed", "seeds"):
        return "leave it out: stages.confirm.seeds sets the seeds"
    if name not in draft.fields:
        return unknown_message(name, list(draft.fields))
    if name in _MEASURING:
        return f"put it in stages.confirm, as {name}: {_MEASURING[name]}"
    for key, factor in (("compare", draft.compared), ("across", draft.across)):
        if name == factor:
            return f"leave it out: {key} gives its values"
    return None


def _without_noise(draft: Draft, name: str) -> Iterator[Problem]:
    if name not in NOISE_HYPERPARAMETERS or "noise" in draft.broken:
        return
    if not [mode for mode in draft.possible_values("noise") if mode != "none"]:
        yield (*_AT, name), "applies to no arm: noise is none in every trial"


def check_configurations(draft: Draft) -> Iterator[Problem]:
    """Check the configurations that are given instead of a search."""
    if not draft.configurations:
        return
    if draft.stages.get("search") is not None:
        yield ("stages", "search"), "leave it out: stages.confirm.configurations gives what is confirmed"
    if draft.search:
        yield ("search",), "leave it out: stages.confirm.configurations gives the hyperparameters"
    if draft.valid(1, "stages", "confirm", "top") != 1:
        yield ("stages", "confirm", "top"), "leave it out: stages.confirm.configurations has one for each arm"
    if draft.compared and draft.compared not in draft.broken:
        yield from _every_arm(draft)
    for arm in draft.configurations:
        for name, value in draft.section(*_CONFIGURATIONS, arm).items():
            problem = _misplaced(draft, name)
            if problem is None and name == "epochs":
                problem = "must be the same for every arm: put it in fixed"
            if problem := problem or value_problem(draft.fields[name], value):
                yield (*_CONFIGURATIONS, arm, name), problem


def _every_arm(draft: Draft) -> Iterator[Problem]:
    arms = list(map(str, draft.arms))
    unknown = [arm for arm in draft.configurations if arm not in arms]
    for arm in unknown:
        yield (*_CONFIGURATIONS, arm), unknown_message(arm, arms, "is not an arm")
    missing = [arm for arm in arms if arm not in draft.configurations]
    if missing and not unknown:
        yield _CONFIGURATIONS, f"must have every arm: {', '.join(missing)} is missing"
    for arm in draft.arms:
        if str(arm) in draft.configurations and "noise" not in draft.broken:
            yield from _sigma_of(draft, arm)


def _sigma_of(draft: Draft, arm: object) -> Iterator[Problem]:
    """Check that an arm has a sigma exactly if it has noise."""
    location, own = (*_CONFIGURATIONS, str(arm)), draft.section(*_CONFIGURATIONS, str(arm))
    noise = arm if draft.compared == "noise" else own.get("noise", draft.fixed.get("noise", "none"))
    elsewhere = "sigma" in (draft.compared, draft.across)
    if noise == "none":
        if "sigma" in own:
            yield (*location, "sigma"), "leave it out: none has no sigma"
    elif not elsewhere and not own.get("sigma", draft.fixed.get("sigma")):
        yield location, "needs a sigma above 0, here or in fixed, or it would have no noise"
