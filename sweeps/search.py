"""The space of a spec, and what searches it: Optuna for sampled dimensions, a list for grids."""

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch
from scipy.stats.qmc import LatinHypercube

from sweeps.arms import ArmScheduler, ArmSearcher
from sweeps.parts import ASHA, Dimension, Scalar
from sweeps.spec import Spec

# What a trial reports for the search and ASHA: the objective's metric, or the worst value when diverged.
OBJECTIVE = "objective"
_STARTING_POINTS = 10  # trials that TPE draws before it learns


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


def build_searcher(spec: Spec) -> Searcher:
    """Build the searcher of a spec with sampled dimensions.

    Args:
        spec: The spec.

    Returns:
        One for each arm of a comparison, else one over the joint space.
    """
    if not spec.stages:
        return _optuna_search(spec, SearchSpace(spec))
    arms = [{spec.compared: arm} for arm in spec.arms]
    stage = spec.stages.search
    start = starting_points(spec)
    return ArmSearcher(
        [_optuna_search(spec, SearchSpace(spec, arm), start) for arm in arms],
        trials=stage.trials_per_arm,
        epochs=stage.epochs_per_arm,
        longest=spec.max_epochs,
    )


def starting_points(spec: Spec) -> list[dict[str, Any]]:
    """List what every arm tries first, before TPE has enough to learn from.

    The same for all arms, so that none owes its result to a lucky learning rate; spread evenly over the space
    by a Latin hypercube (McKay, Beckman and Conover, 1979).

    Args:
        spec: A spec with stages.

    Returns:
        Values of every dimension; an arm takes those that apply to it.
    """
    n = min(_STARTING_POINTS, spec.stages.search.trials_per_arm or _STARTING_POINTS) if spec.stages else 0
    if not spec.search:
        return []
    rows = LatinHypercube(len(spec.search), rng=np.random.default_rng(spec.seed)).random(n)
    return [
        {
            name: _at(dimension, share)
            for (name, dimension), share in zip(spec.search.items(), row, strict=True)
        }
        for row in rows.tolist()
    ]


def _at(dimension: Dimension, share: float) -> Scalar:
    if dimension.values:
        return dimension.values[int(share * len(dimension.values))]
    low, high = dimension.bounds
    if dimension.int_uniform:
        return int(low + share * (high - low + 1))
    return float(low * (high / low) ** share if dimension.log_uniform else low + share * (high - low))


def _optuna_search(spec: Spec, space: SearchSpace, start: list[dict[str, Any]] | None = None) -> OptunaSearch:
    # Tree-structured Parzen estimators over the joint space (multivariate), one for each set of dimensions
    # that apply together (group), so that in a joint search sigma is modelled per noise mode.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = TPESampler(
            n_startup_trials=_STARTING_POINTS,
            seed=spec.seed,
            multivariate=True,
            group=True,
            constant_liar=True,
        )
    return OptunaSearch(
        space, metric=OBJECTIVE, mode=spec.objective.mode, sampler=sampler, points_to_evaluate=start
    )


def build_scheduler(
    spec: Spec, history: Callable[[], Iterable[tuple[Any, dict[str, Any]]]] | None = None
) -> TrialScheduler | None:
    """Build the scheduler of a spec.

    Args:
        spec: The spec.
        history: What it learns again when Tune revives it: trials and what they reported.

    Returns:
        ASHA over epochs, one for each arm of a comparison; or None for no early stopping.
    """
    scheduler = spec.stages.search.scheduler if spec.stages else spec.scheduler
    if scheduler is None:
        return None
    if not spec.stages:
        return ArmScheduler(None, {None: _asha(spec, scheduler.asha)}, history)
    arms = {arm: _asha(spec, scheduler.asha) for arm in spec.arms}
    return ArmScheduler(spec.compared, arms, history)


def _asha(spec: Spec, asha: ASHA) -> ASHAScheduler:
    return ASHAScheduler(
        time_attr="epoch",
        metric=OBJECTIVE,
        mode=spec.objective.mode,
        grace_period=asha.grace_epochs,
        reduction_factor=asha.reduction_factor,
        max_t=spec.max_epochs,
    )
