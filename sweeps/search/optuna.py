"""The Optuna studies that search the space of a spec, one for each arm."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import scipy
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from sweeps.spec.model import Spec
from sweeps.spec.sections import Dimension, Scalar
from sweeps.spec.space import SearchSpace

# Trials that a study runs before TPE learns from them.
_STARTING_POINTS = 10


def starting_points(spec: Spec) -> list[dict[str, Any]]:
    """List the points that every arm tries first, before TPE has enough trials to learn from.

    They are the same for all arms, so that none owes its result to a lucky learning rate, and are spread
    evenly over the space by a Latin hypercube (McKay, Beckman and Conover, 1979). Each has a value for every
    dimension; an arm uses those that apply to it.
    """
    n = min(_STARTING_POINTS, spec.stages.search.trials_per_arm or _STARTING_POINTS) if spec.stages else 0
    if not spec.search:
        return []
    rows = scipy.stats.qmc.LatinHypercube(len(spec.search), rng=np.random.default_rng(spec.seed)).random(n)
    return [
        {name: _quantile(dimension, q) for (name, dimension), q in zip(spec.search.items(), row, strict=True)}
        for row in rows.tolist()
    ]


def _quantile(dimension: Dimension, q: float) -> Scalar:
    if dimension.values:
        return dimension.values[int(q * len(dimension.values))]
    low, high = dimension.bounds
    if dimension.int_uniform:
        return int(low + q * (high - low + 1))
    return float(low * (high / low) ** q if dimension.log_uniform else low + q * (high - low))


class OptunaStudy:
    """One Optuna study, through its ask-and-tell interface.

    Its nth suggestion depends only on the seed, n and the scores it was told, not on the process: a resumed
    sweep continues as an uninterrupted one would.
    """

    def __init__(self, spec: Spec, space: SearchSpace, start: Sequence[Mapping[str, Any]] = ()) -> None:
        """Create a study that first tries the points in ``start``; values outside its space are ignored."""
        self._seed, self._space, self._start = spec.seed, space, start
        larger_is_better = spec.objective.mode == "max"
        self._study = optuna.create_study(direction="maximize" if larger_is_better else "minimize")
        self._asked: dict[str, optuna.Trial] = {}

    def ask(self, trial: str, point: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Suggest a trial's configuration; ``point`` is the one it has if an earlier driver started it."""
        n = len(self._asked)
        if point is None and n < len(self._start):
            point = self._start[n]
        if point is not None:
            self._study.enqueue_trial(dict(point))
        self._study.sampler = _sampler(self._seed, n)
        asked = self._asked[trial] = self._study.ask()
        arm_and_seed = self._space(asked)
        return {**asked.params, **arm_and_seed}

    def tell(self, trial: str, score: float | None) -> None:
        """Learn the score of a trial; nothing is learned if it failed, with a score of None."""
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        self._study.tell(self._asked[trial], score, state)


def _sampler(seed: int, n: int) -> TPESampler:
    """Build the sampler of the nth suggestion: tree-structured Parzen estimators.

    They model the joint space (multivariate), separately for each set of dimensions that apply together
    (group), so that a joint search models sigma per noise mode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(
            n_startup_trials=_STARTING_POINTS,
            seed=int(np.random.SeedSequence([seed, n]).generate_state(1)[0]),
            multivariate=True,
            group=True,
            constant_liar=True,
        )
