"""The space of a spec: which of its dimensions apply, and the points of a grid."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from sweeps.spec.model import Spec
from sweeps.spec.sections import Dimension, Scalar


class Suggester(Protocol):
    """What a space asks of an Optuna trial; one that replays a known configuration has it too."""

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Any:
        """Choose one."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Choose a whole number."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Choose a number."""


class SearchSpace:
    """The sampled dimensions of a spec as an Optuna define-by-run space."""

    def __init__(self, spec: Spec, arm: Mapping[str, Scalar] | None = None) -> None:
        """Describe the space.

        Args:
            spec: The spec.
            arm: The compared hyperparameter with its value in this arm; None searches over all.
        """
        self._spec = spec
        self._arm = dict(arm or {})
        self._names = in_order(spec.search)

    def __call__(self, trial: Suggester) -> dict[str, Any]:
        """Suggest every dimension that applies.

        Args:
            trial: The Optuna trial.

        Returns:
            What is not suggested but belongs in the configuration: the arm, and the seed, which all trials
            share.
        """
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
    """Order dimensions so that each comes after those that its ``when`` names.

    Args:
        search: The dimensions; ``when`` has no circle.

    Returns:
        Their names.
    """
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        for parent in search[name].when or {}:
            if parent in search:
                visit(parent)
        ordered.setdefault(name)

    for name in search:
        visit(name)
    return list(ordered)


def is_active(spec: Spec, dimension: Dimension, chosen: Mapping[str, Any]) -> bool:
    """Tell whether a dimension applies.

    Args:
        spec: The spec.
        dimension: One of its dimensions.
        chosen: Values of the dimensions before it that apply.

    Returns:
        Whether every hyperparameter in its ``when`` has one of the values there.
    """
    if not dimension.when:
        return True
    values = spec.hyperparameters(chosen)
    return all(getattr(values, name) in allowed for name, allowed in dimension.when.items())


def grid_points(spec: Spec) -> list[dict[str, Any]]:
    """List the full factorial of a grid; where a dimension does not apply it multiplies nothing.

    Args:
        spec: A spec whose dimensions are all grids.

    Returns:
        Configurations, in the order of the file, the last dimension fastest.
    """
    space = spec.space

    def extend(point: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
        if not names:
            yield point
            return
        name, *rest = names
        dimension = space[name]
        if not is_active(spec, dimension, point):
            yield from extend(point, rest)
            return
        for value in dimension.values:
            yield from extend(point | {name: value}, rest)

    return list(extend({}, in_order(space)))


def grid_trials(spec: Spec) -> list[dict[str, Any]]:
    """List the trials of a grid.

    Args:
        spec: A spec whose dimensions are all grids.

    Returns:
        Every point with every seed, the first seed of all points first, so that a partial run is balanced.
    """
    seeds = range(spec.seed, spec.seed + spec.seeds)
    return [{**point, "seed": seed} for seed, point in itertools.product(seeds, grid_points(spec))]


def n_trials(spec: Spec) -> int | None:
    """Count the trials of a sweep, or of its search stage.

    Args:
        spec: The spec.

    Returns:
        The budget's trials, or the size of the grid; None for a budget in epochs.
    """
    if spec.stages:
        per_arm = spec.stages.search.trials_per_arm
        return None if per_arm is None else per_arm * len(spec.arms)
    return len(grid_trials(spec)) if spec.is_grid else spec.budget.trials or 0
