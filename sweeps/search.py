"""The space of a spec, and what searches it: Optuna for sampled dimensions, a list for grids."""

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import optuna
import scipy  # whose parts are imported when they are used
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler

from sweeps.arms import OBJECTIVE, ArmScheduler, ArmSearcher, KnownTrial, Report
from sweeps.parts import ASHA, Dimension, Scalar
from sweeps.spec import Spec

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


def build_searcher(spec: Spec, known: Iterable[KnownTrial] = ()) -> ArmSearcher:
    """Build the searcher of a spec with sampled dimensions.

    Args:
        spec: The spec.
        known: Trials that were started already, in the order of their numbers.

    Returns:
        One with a study for each arm of a comparison, else with one over the joint space.
    """
    if not spec.stages:
        studies, trials, epochs = [OptunaStudy(spec, SearchSpace(spec))], spec.budget.trials, None
    else:
        start = starting_points(spec)
        arms = [{spec.compared: arm} for arm in spec.arms]
        studies = [OptunaStudy(spec, SearchSpace(spec, arm), start) for arm in arms]
        trials, epochs = spec.stages.search.trials_per_arm, spec.stages.search.epochs_per_arm
    return ArmSearcher(
        studies, metric=OBJECTIVE, trials=trials, epochs=epochs, longest=spec.max_epochs, known=known
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
    rows = scipy.stats.qmc.LatinHypercube(len(spec.search), rng=np.random.default_rng(spec.seed)).random(n)
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


class OptunaStudy:
    """One Optuna study, asked and told.

    Its nth suggestion follows from the seed, n and what it was told, not from the process that asks: a sweep
    that is resumed goes on as an undisturbed one does.
    """

    def __init__(self, spec: Spec, space: SearchSpace, start: Sequence[Mapping[str, Any]] = ()) -> None:
        """Begin a study.

        Args:
            spec: The sweep.
            space: What is suggested.
            start: The first points to try; values that the space does not ask for are not used.
        """
        self._seed, self._space, self._start = spec.seed, space, start
        direction = StudyDirection.MAXIMIZE if spec.objective.mode == "max" else StudyDirection.MINIMIZE
        self._study = optuna.create_study(direction=direction, sampler=_sampler(self._seed, 0))
        self._asked: dict[str, optuna.Trial] = {}

    def ask(self, trial: str, point: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Suggest a configuration.

        Args:
            trial: Name of the trial to be.
            point: Its configuration, if it is known.

        Returns:
            The values of the dimensions that apply, and what the space adds.
        """
        n = len(self._asked)
        if point is None and n < len(self._start):
            point = self._start[n]
        if point is not None:
            self._study.enqueue_trial(dict(point))
        self._study.sampler = _sampler(self._seed, n)
        asked = self._asked[trial] = self._study.ask()
        added = self._space(asked)
        return {**asked.params, **added}

    def tell(self, trial: str, score: float | None) -> None:
        """Take in what a trial came to.

        Args:
            trial: Its name.
            score: Its objective; None if it failed, from which nothing is learned.
        """
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        self._study.tell(self._asked[trial], score, state)


def _sampler(seed: int, n: int) -> TPESampler:
    # Tree-structured Parzen estimators over the joint space (multivariate), one for each set of dimensions
    # that apply together (group), so that in a joint search sigma is modelled per noise mode.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(
            n_startup_trials=_STARTING_POINTS,
            seed=int(np.random.SeedSequence([seed, n]).generate_state(1)[0]),
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def build_scheduler(spec: Spec, history: Iterable[Report] = ()) -> ArmScheduler | None:
    """Build the scheduler of a spec.

    Args:
        spec: The spec.
        history: What trials have reported to earlier drivers.

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
