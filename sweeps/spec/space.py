"""The search space of a spec: which dimensions apply, and the points of a grid."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sweeps.spec.model import Spec
from sweeps.spec.sections import Dimension, Scalar, is_among

# The part of the budget that is left to an arm for each dimension that it does not search.
_SHARE = 0.75
# These describe the noise, so they have no meaning without it.
NOISE_HYPERPARAMETERS = ("sigma", "sigma_schedule", "sigma_epochs", "mixing")


class Suggester(Protocol):
    """The methods of an Optuna trial that a space uses; ``FixedTrial`` has them too."""

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Any: ...

    def suggest_int(self, name: str, low: int, high: int) -> int: ...

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...


class SearchSpace:
    """The sampled dimensions of a spec as an Optuna define-by-run space.

    ``arm`` is the compared hyperparameter with its value; without it all arms are searched together.
    """

    def __init__(self, spec: Spec, arm: Mapping[str, Scalar] | None = None) -> None:
        self._spec = spec
        self._arm = dict(arm or {})
        self._names = in_order(spec.search)

    @property
    def dimensions(self) -> dict[str, Dimension]:
        """The dimensions that apply to the arm, some of them perhaps only for some values of others."""
        return {name: self._spec.search[name] for name in searched_by(self._spec, self._arm)}

    def __call__(self, trial: Suggester) -> dict[str, Any]:
        """Suggest every dimension that applies, and return the rest: the arm, and the seed of all trials."""
        chosen: dict[str, Any] = dict(self._arm)
        for name in self._names:
            dimension = self._spec.search[name]
            if is_active(self._spec, dimension, chosen):
                chosen[name] = _suggest(trial, name, dimension)
        return {**self._arm, "seed": self._spec.seed}


def _suggest(trial: Suggester, name: str, dimension: Dimension) -> Any:
    if dimension.values:
        return trial.suggest_categorical(name, dimension.values)
    low, high = dimension.bounds
    if dimension.int_uniform:
        return trial.suggest_int(name, int(low), int(high))
    return trial.suggest_float(name, low, high, log=dimension.log_uniform is not None)


def in_order(search: Mapping[str, Dimension]) -> list[str]:
    """Order the names of dimensions so that each follows those in its ``when``, which has no cycles."""
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name in search and name not in ordered:
            for parent in search[name].when or {}:
                visit(parent)
            ordered.append(name)

    for name in search:
        visit(name)
    return ordered


def is_active(spec: Spec, dimension: Dimension, chosen: Mapping[str, Any]) -> bool:
    """Whether a dimension applies, given the values chosen for the dimensions in its ``when``."""
    if not dimension.when and not dimension.grid_by_arm:
        return True
    values = spec.values(chosen)
    if dimension.grid_by_arm and str(values[spec.compared]) not in dimension.grid_by_arm:
        return False
    return all(values[name] in allowed for name, allowed in (dimension.when or {}).items())


def grid_points(spec: Spec) -> list[dict[str, Any]]:
    """List the full factorial of a grid, the last dimension fastest; one that does not apply is left out."""
    points: list[dict[str, Any]] = [{}]
    for name in in_order(spec.space):
        dimension, shorter, points = spec.space[name], points, []
        for point in shorter:
            if is_active(spec, dimension, point):
                values = dimension.values_for(point.get(spec.compared))
                points += [{**point, name: value} for value in values]
            else:
                points.append(point)
    return points


def identity(spec: Spec, hyperparameters: Mapping[str, Any]) -> str:
    """Return a text that configurations share exactly if they are the same in all that the sweep varies.

    Args:
        spec: The sweep.
        hyperparameters: All of a configuration's, as in the journal.
    """
    return json.dumps([hyperparameters.get(name) for name in spec.varied])


def identity_of(spec: Spec, point: Mapping[str, Any]) -> str:
    """Return the ``identity`` of a point, which has only the hyperparameters that differ between trials."""
    # Two that are written differently may be the same, since one may name a default.
    return identity(spec, spec.values(point))


def points_at(spec: Spec) -> list[dict[str, Any]]:
    """List the points at which the confirm stage also trains each arm, in full factorial; empty for none."""
    at = spec.confirm.at if spec.confirm else {}
    return [dict(zip(at, values, strict=True)) for values in itertools.product(*at.values())] if at else []


def applicable(spec: Spec, at: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """Select from ``at`` what applies to a configuration; without noise nothing about sigma does."""
    there = {**point, **at}
    values = spec.hyperparameters(there)

    def applies(name: str) -> bool:
        if name in spec.search:
            return is_active(spec, spec.search[name], there)
        if name == "mixing":
            return values.noise == "mixed"
        return name not in NOISE_HYPERPARAMETERS or values.noise != "none"

    return {name: value for name, value in at.items() if applies(name)}


def listed_for(spec: Spec, name: str, point: Mapping[str, Any]) -> list[Scalar]:
    """List the values of a hyperparameter at which an arm is trained by itself.

    They are those in a grid, in ``across`` or in ``at``; none if the hyperparameter does not apply to the
    arm. ``point`` has the arm, and the values of other hyperparameters that the listed one may depend on.
    """
    if spec.confirm and name in spec.confirm.at:
        values = spec.confirm.at[name]
        return list(values) if applicable(spec, {name: values[0]}, point) else []
    dimension = spec.space[name]
    if not is_active(spec, dimension, point):
        return []
    return dimension.values_for(point[spec.compared])


def listed_point(spec: Spec, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the point of ``at`` that a confirmed trial was trained at; empty for a choice of the search."""
    at = spec.confirm.at if spec.confirm else {}
    own = applicable(spec, {name: hyperparameters[name] for name in at}, hyperparameters)
    return own if all(is_among(value, at[name]) for name, value in own.items()) else {}


def with_points_at(spec: Spec, chosen: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add to the chosen configurations the first of each arm with the values of every point in ``at``."""
    firsts: dict[int, Mapping[str, Any]] = {}
    for point in chosen:
        firsts.setdefault(tuned_by(spec, point), point)
    points = [*chosen, *(at_point(spec, first, at) for at in points_at(spec) for first in firsts.values())]
    unique: dict[str, dict[str, Any]] = {}
    for point in points:
        unique.setdefault(identity_of(spec, point), dict(point))
    return list(unique.values())


def at_point(spec: Spec, configuration: Mapping[str, Any], at: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the values of a point, as far as they apply to its arm."""
    return {**configuration, **applicable(spec, at, configuration)}


def tuned_by(spec: Spec, hyperparameters: Mapping[str, Any]) -> int:
    """Return the index in ``spec.tuned`` of what a configuration belongs to."""
    tuned = spec.tuned
    return tuned.index({name: hyperparameters[name] for name in tuned[0]})


def budget_of(spec: Spec, tuned: Mapping[str, Scalar]) -> int:
    """Return the budget of one of ``spec.tuned``, in trials or epochs as the search stage gives it.

    An arm that searches fewer dimensions than others, as ``none`` has no sigma, gets three quarters of the
    budget for each that it lacks. With all of it, its other dimensions would be tuned more finely than theirs
    if noise does harm; with the square root, as fits a grid, they would be tuned more coarsely, because TPE
    and the starting points try as many learning rates as there are trials (``tests/unit/test_budgets.py``
    simulates this). An arm that searches nothing gets a single trial.
    """
    stage, own = spec.search_stage, len(searched_by(spec, tuned))
    if stage is None or not own:
        return 0 if stage is None else 1
    missing = max(len(searched_by(spec, other)) for other in spec.tuned) - own
    return math.ceil((stage.trials_per_arm or stage.epochs_per_arm or 0) * _SHARE**missing)


def searched_by(spec: Spec, tuned: Mapping[str, Scalar]) -> list[str]:
    """List the dimensions that an arm searches, whatever the values of those they depend on."""
    return [
        name
        for name, dimension in spec.search.items()
        if (dimension.when or {}).keys() & spec.search.keys() or is_active(spec, dimension, tuned)
    ]


def n_trials(spec: Spec) -> int | None:
    """Count the trials of a search, also of a search stage; None for a budget in epochs, 0 for a grid."""
    if spec.stages:
        stage = spec.search_stage
        return None if stage and stage.epochs_per_arm else sum(budget_of(spec, tuned) for tuned in spec.tuned)
    return 0 if spec.is_grid else spec.budget.trials or 0
