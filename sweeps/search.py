"""The space of a spec, and what searches it: Optuna for sampled dimensions, a list for grids."""

import itertools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from sweeps.spec import Dimension, Spec

# What a trial reports for the search and ASHA: the objective's metric, or the worst value when diverged.
OBJECTIVE = "objective"


class SearchSpace:
    """The sampled dimensions of a spec as an Optuna define-by-run space."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._names = in_order(spec.search)

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        """Suggest every dimension that applies.

        Args:
            trial: The Optuna trial.

        Returns:
            What is not suggested but belongs in the configuration: the seed, which all trials share.
        """
        chosen: dict[str, Any] = {}
        for name in self._names:
            dimension = self._spec.search[name]
            if is_active(self._spec, dimension, chosen):
                chosen[name] = _suggest(trial, name, dimension)
        return {"seed": self._spec.seed}


def _suggest(trial: optuna.Trial, name: str, dimension: Dimension) -> Any:
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

    def extend(point: dict[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
        if not names:
            yield point
            return
        name, *rest = names
        dimension = spec.search[name]
        if not is_active(spec, dimension, point):
            yield from extend(point, rest)
            return
        for value in dimension.values:
            yield from extend(point | {name: value}, rest)

    return list(extend({}, in_order(spec.search)))


def grid_trials(spec: Spec) -> list[dict[str, Any]]:
    """List the trials of a grid.

    Args:
        spec: A spec whose dimensions are all grids.

    Returns:
        Every point with every seed, the first seed of all points first, so that a partial run is balanced.
    """
    seeds = range(spec.seed, spec.seed + spec.seeds)
    return [{**point, "seed": seed} for seed, point in itertools.product(seeds, grid_points(spec))]


def n_trials(spec: Spec) -> int:
    """Count the trials of a sweep.

    Args:
        spec: The spec.

    Returns:
        The budget's trials, or the size of the grid.
    """
    return len(grid_trials(spec)) if spec.is_grid else spec.budget.trials or 0


def build_searcher(spec: Spec) -> OptunaSearch:
    """Build the searcher of a spec with sampled dimensions.

    Args:
        spec: The spec.

    Returns:
        Tree-structured Parzen estimators over the joint space (``multivariate``), one for each set of
        dimensions that apply together (``group``), so that sigma is modelled per noise mode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = TPESampler(seed=spec.seed, multivariate=True, group=True, constant_liar=True)
    return OptunaSearch(SearchSpace(spec), metric=OBJECTIVE, mode=spec.objective.mode, sampler=sampler)


def build_scheduler(spec: Spec) -> ASHAScheduler | None:
    """Build the scheduler of a spec.

    Args:
        spec: The spec.

    Returns:
        ASHA over epochs, or None for no early stopping.
    """
    if spec.scheduler is None:
        return None
    asha = spec.scheduler.asha
    return ASHAScheduler(
        time_attr="epoch",
        metric=OBJECTIVE,
        mode=spec.objective.mode,
        grace_period=asha.grace_epochs,
        reduction_factor=asha.reduction_factor,
        max_t=spec.max_epochs,
    )
