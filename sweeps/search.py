"""The space of a spec, and what searches it: Optuna for sampled dimensions, a list for grids."""

import itertools
import pickle
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch
from scipy.stats.qmc import LatinHypercube

from sweeps.spec import ASHA, Dimension, Scalar, Spec

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


def charged_epochs(epochs: int) -> int:
    """Say how much of a budget in epochs a trial has used.

    Args:
        epochs: How many it ended with.

    Returns:
        At least one: trials that fail before their first epoch would never end.
    """
    return max(1, epochs)


class ArmSearcher(Searcher):
    """Hands each suggestion to the searcher of one arm, so that every arm learns from its own trials alone.

    The arm that has had least comes first: a sweep that is cut short is balanced.
    """

    def __init__(
        self, searchers: Sequence[OptunaSearch], *, trials: int | None, epochs: int | None, longest: int
    ) -> None:
        """Share a budget evenly.

        Args:
            searchers: One an arm.
            trials: How many each arm starts.
            epochs: Or how many epochs each has had when it starts no more; the last trial may go beyond.
            longest: The most epochs of a trial: what a running one is expected to take.
        """
        super().__init__(metric=searchers[0].metric, mode=searchers[0].mode)
        self._searchers = list(searchers)
        self._trials, self._epochs, self._longest = trials, epochs, longest
        self._arm_of: dict[str, int] = {}
        self._epochs_of: Counter[str] = Counter()
        self._running: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """Suggest a configuration of the arm whose turn it is.

        Args:
            trial_id: Tune's name of the trial to be.

        Returns:
            The configuration; None while running trials decide whether there are more; ``FINISHED`` when
            every arm has had its budget.
        """
        if trial_id not in self._arm_of:
            spent = self._spent()
            arm = spent.index(min(spent))
            if spent[arm] >= (self._epochs or self._trials or 0):
                return None if self._epochs and self._running else self.FINISHED
            self._arm_of[trial_id] = arm
            self._running.add(trial_id)
        return self._searchers[self._arm_of[trial_id]].suggest(trial_id)

    def _spent(self) -> list[int]:
        spent = [0] * len(self._searchers)
        for trial_id, arm in self._arm_of.items():
            running = trial_id in self._running
            epochs = self._longest if running else charged_epochs(self._epochs_of[trial_id])
            spent[arm] += epochs if self._epochs else 1
        return spent

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take an epoch in.

        Args:
            trial_id: The trial.
            result: What it reported.
        """
        self._count(trial_id, result)
        self._searchers[self._arm_of[trial_id]].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take a trial's end in.

        Args:
            trial_id: The trial.
            result: What it reported last.
            error: Whether it failed.
        """
        self._running.discard(trial_id)
        self._count(trial_id, result or {})  # Tune tells the last epoch of a trial that ASHA stops only here
        self._searchers[self._arm_of[trial_id]].on_trial_complete(trial_id, result, error)

    def _count(self, trial_id: str, result: Mapping[str, Any]) -> None:
        self._epochs_of[trial_id] = max(self._epochs_of[trial_id], result.get("epoch", 0))

    def save(self, checkpoint_path: str) -> None:
        """Write its state, as ``OptunaSearch`` does.

        Args:
            checkpoint_path: The file.
        """
        Path(checkpoint_path).write_bytes(pickle.dumps(self.__dict__))

    def restore(self, checkpoint_path: str) -> None:
        """Read its state.

        Args:
            checkpoint_path: A file of ``save``.
        """
        self.__dict__.update(pickle.loads(Path(checkpoint_path).read_bytes()))


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


def build_scheduler(spec: Spec) -> TrialScheduler | None:
    """Build the scheduler of a spec.

    Args:
        spec: The spec.

    Returns:
        ASHA over epochs, one for each arm of a comparison; or None for no early stopping.
    """
    scheduler = spec.stages.search.scheduler if spec.stages else spec.scheduler
    if scheduler is None:
        return None
    if not spec.stages:
        return _asha(spec, scheduler.asha)
    return ArmScheduler(spec.compared, {arm: _asha(spec, scheduler.asha) for arm in spec.arms})


class ArmScheduler(FIFOScheduler):
    """Hands each trial to the ASHA of its arm: a mode that learns slowly at first loses nothing to another.

    Trials run in the order in which they were suggested.
    """

    def __init__(self, compared: str, schedulers: Mapping[Scalar, ASHAScheduler]) -> None:
        """Rank each arm by itself.

        Args:
            compared: The hyperparameter whose values are the arms.
            schedulers: One an arm.
        """
        super().__init__()
        self._compared, self._schedulers = compared, dict(schedulers)

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Keep metric and mode, which the schedulers of the arms have.

        Args:
            metric: Tune's, None.
            mode: Tune's, None.
            **spec: Not used.

        Returns:
            True.
        """
        return True

    def _of(self, trial: Trial) -> ASHAScheduler:
        return self._schedulers[trial.config[self._compared]]

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take a trial in.

        Args:
            tune_controller: Tune's.
            trial: The trial.
        """
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Decide whether a trial goes on.

        Args:
            tune_controller: Tune's.
            trial: The trial.
            result: What it reported.

        Returns:
            CONTINUE or STOP.
        """
        return str(self._of(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Take a trial's end in.

        Args:
            tune_controller: Tune's.
            trial: The trial.
            result: What it reported last.
        """
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Forget a trial that has not run.

        Args:
            tune_controller: Tune's.
            trial: The trial.
        """
        self._of(trial).on_trial_remove(tune_controller, trial)

    def debug_string(self) -> str:
        """Describe it.

        Returns:
            What each arm's scheduler says.
        """
        return "\n".join(f"{arm}: {each.debug_string()}" for arm, each in self._schedulers.items())


def _asha(spec: Spec, asha: ASHA) -> ASHAScheduler:
    return ASHAScheduler(
        time_attr="epoch",
        metric=OBJECTIVE,
        mode=spec.objective.mode,
        grace_period=asha.grace_epochs,
        reduction_factor=asha.reduction_factor,
        max_t=spec.max_epochs,
    )
