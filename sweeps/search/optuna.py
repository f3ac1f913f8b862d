"""The Optuna studies that search the space of a spec, one for each arm."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import scipy
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from sweeps.search.samplers import cmaes_point, gp_point, qmc_point
from sweeps.search.unit_cube import value_at
from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar
from sweeps.spec.space import SearchSpace, searched_by
from sweeps.spec.starting import design_size, n_starting_points


def starting_points(spec: Spec, tuned: Mapping[str, Scalar]) -> list[dict[str, Any]]:
    """List the points that an arm tries first, before its sampler has enough trials to learn from.

    They take at most a third of the budget, and come from one design for all arms, so that none owes its
    result to a lucky learning rate. In the design every dimension has p levels, and every pair of dimensions
    is crossed: each level of one meets each level of the other, in p^2 points (a Latin hypercube of strength
    2, Tang, 1993). An arm without some of the dimensions takes the points in which those have their lowest
    level. A budget below 12 trials crosses nothing: its points are a plain Latin hypercube (McKay, Beckman
    and Conover, 1979), as they are for a single dimension or for more than p + 1.
    """
    rows, levels = _design(spec)
    own, n = searched_by(spec, tuned), n_starting_points(spec, tuned)
    missing = [index for index, name in enumerate(spec.search) if name not in own]
    if levels:
        # Several missing dimensions need not have their lowest levels in one point.
        rows = [row for row in rows if all(row[index] * levels < 1 for index in missing)] or rows[:1]
    return [
        {
            name: value_at(spec.search[name], q)
            for name, q in zip(spec.search, row, strict=True)
            if name in own
        }
        for row in rows[:n]
    ]


def _design(spec: Spec) -> tuple[list[list[float]], int]:
    """Return points of the unit cube, and the number of levels that they cross; 0 if they cross nothing."""
    n, levels = design_size(spec)
    rng = np.random.default_rng(spec.seed)
    sampler = scipy.stats.qmc.LatinHypercube(len(spec.search), strength=2 if levels else 1, rng=rng)
    return sampler.random(n).tolist(), levels


class OptunaStudy:
    """One Optuna study, through its ask-and-tell interface.

    Its nth suggestion depends only on the seed, n and the scores it was told, not on the process: a resumed
    sweep continues as an uninterrupted one would.
    """

    def __init__(
        self, spec: Spec, space: SearchSpace, start: Sequence[Mapping[str, Any]] = (), *, random: int
    ) -> None:
        """Create a study that first tries the points in ``start``, and samples at random up to ``random``."""
        self._spec, self._space, self._start, self._random = spec, space, start, random
        self._maximize = spec.objective.mode == "max"
        self._study = optuna.create_study(direction="maximize" if self._maximize else "minimize")
        self._asked: dict[str, optuna.Trial] = {}

    def ask(self, trial: str, point: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Suggest a trial's configuration; ``point`` is the one it has if an earlier driver started it."""
        n = len(self._asked)
        point = self._chosen(n) if point is None else point
        if point is not None:
            self._study.enqueue_trial(dict(point))
        self._study.sampler = _sampler(self._spec, n, self._random)
        asked = self._asked[trial] = self._study.ask()
        arm_and_seed = self._space(asked)
        return {**asked.params, **arm_and_seed}

    def _chosen(self, n: int) -> Mapping[str, Any] | None:
        """Return the nth point if it is not left to Optuna's samplers."""
        if n < len(self._start):
            return self._start[n]
        sampler, search, seed = self._spec.search_sampler, self._space.dimensions, _seed(self._spec, n)
        if not search:
            return {}
        if sampler == "qmc":
            return qmc_point(search, self._spec.seed, n - len(self._start))
        if n < self._random:
            return None
        if sampler == "cmaes":
            trials = self._study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
            return cmaes_point(search, seed, self._random, trials, maximize=self._maximize)
        if sampler == "gp":
            trials = self._study.get_trials(deepcopy=False)
            found = gp_point(self._space, seed, trials, maximize=self._maximize)
            # The trials of a search share a seed, so that the same point would give the same score again.
            return None if any(trial.params == found for trial in trials) else found
        return None

    def tell(self, trial: str, score: float | None) -> None:
        """Learn the score of a trial; nothing is learned if it failed, with a score of None."""
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        self._study.tell(self._asked[trial], score, state)


def _seed(spec: Spec, n: int) -> int:
    return int(np.random.SeedSequence([spec.seed, n]).generate_state(1)[0])


class _TPESampler(TPESampler):
    """Lets a running trial count with the hyperparameters that apply to it.

    Optuna also counts what it sampled for those that do not, which a study that is rebuilt does not have.
    """

    @override
    def _get_params(self, trial: FrozenTrial, study: optuna.Study) -> dict[str, Any]:
        return trial.params


def _sampler(spec: Spec, n: int, random: int) -> BaseSampler:
    """Build the sampler of the nth suggestion, for what is not chosen without Optuna.

    Tree-structured Parzen estimators, after ``random`` trials, model the joint space (multivariate),
    separately for each set of dimensions that apply together (group), so that a joint search models sigma
    per noise mode.
    """
    if spec.search_sampler != "tpe":
        return RandomSampler(_seed(spec, n))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return _TPESampler(
            n_startup_trials=random,
            seed=_seed(spec, n),
            multivariate=True,
            group=True,
            constant_liar=True,
        )
