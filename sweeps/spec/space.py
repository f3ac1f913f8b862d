"""The search space of a spec: which dimensions apply, and the points of a grid."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sweeps.spec.model import Spec
from sweeps.spec.sections import Dimension, Scalar


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
    if not dimension.when:
        return True
    values = spec.hyperparameters(chosen)
    return all(getattr(values, name) in allowed for name, allowed in dimension.when.items())


def grid_points(spec: Spec) -> list[dict[str, Any]]:
    """List the full factorial of a grid, the last dimension fastest; one that does not apply is left out."""
    points: list[dict[str, Any]] = [{}]
    for name in in_order(spec.space):
        dimension, shorter, points = spec.space[name], points, []
        for point in shorter:
            if is_active(spec, dimension, point):
                points += [{**point, name: value} for value in dimension.values]
            else:
                points.append(point)
    return points


def grid_trials(spec: Spec) -> list[dict[str, Any]]:
    """List every point of a grid with every seed, seed by seed, so that an interrupted grid is balanced."""
    points = grid_points(spec)
    return [{**point, "seed": spec.seed + index} for index in range(spec.seeds) for point in points]


def n_trials(spec: Spec) -> int | None:
    """Count the trials of a sweep, or of its search stage; None for a budget in epochs."""
    if spec.stages:
        per_arm = spec.stages.search.trials_per_arm
        return None if per_arm is None else per_arm * len(spec.arms)
    return len(grid_trials(spec)) if spec.is_grid else spec.budget.trials or 0
