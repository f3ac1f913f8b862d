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
from sweeps.spec.space import SearchSpace, searched_by
from sweeps.spec.starting import design_size, n_starting_points


def starting_points(spec: Spec, tuned: Mapping[str, Scalar]) -> list[dict[str, Any]]:
    """List the points that an arm tries first, before TPE has enough trials to learn from.

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
            name: _quantile(spec.search[name], q)
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

    def __init__(
        self, spec: Spec, space: SearchSpace, start: Sequence[Mapping[str, Any]] = (), *, random: int
    ) -> None:
        """Create a study that first tries the points in ``start``, and samples at random up to ``random``."""
        self._seed, self._space, self._start, self._random = spec.seed, space, start, random
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
        self._study.sampler = _sampler(self._seed, n, self._random)
        asked = self._asked[trial] = self._study.ask()
        arm_and_seed = self._space(asked)
        return {**asked.params, **arm_and_seed}

    def tell(self, trial: str, score: float | None) -> None:
        """Learn the score of a trial; nothing is learned if it failed, with a score of None."""
        state = TrialState.FAIL if score is None else TrialState.COMPLETE
        self._study.tell(self._asked[trial], score, state)


def _sampler(seed: int, n: int, random: int) -> TPESampler:
    """Build the sampler of the nth suggestion: tree-structured Parzen estimators, after ``random`` trials.

    They model the joint space (multivariate), separately for each set of dimensions that apply together
    (group), so that a joint search models sigma per noise mode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(
            n_startup_trials=random,
            seed=int(np.random.SeedSequence([seed, n]).generate_state(1)[0]),
            multivariate=True,
            group=True,
            constant_liar=True,
        )
