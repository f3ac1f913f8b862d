"""The Optuna studies that search the space of a spec, one an arm."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import scipy  # whose parts are imported when they are used
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from sweeps.search.configuration import OBJECTIVE
from sweeps.search.searcher import ArmSearcher, KnownTrial
from sweeps.spec.model import Spec
from sweeps.spec.sections import Dimension, Scalar
from sweeps.spec.space import SearchSpace

_STARTING_POINTS = 10  # trials that TPE draws before it learns


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
