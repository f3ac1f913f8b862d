"""Samplers beside TPE: each choice depends only on the seed, its number and the scores told.

Optuna's own CMA-ES and QMC keep their state in a study, which a driver that rebuilds it from the journal does
not have. Here a choice is computed from the trials themselves.
"""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import scipy
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial, TrialState, create_trial

from sweeps.process_state import log_level
from sweeps.search.unit_cube import coordinate, value_at
from sweeps.spec.sections import Dimension, Scalar
from sweeps.spec.space import SearchSpace

# The standard deviation of CMA-ES's first generation, as a share of each range: Optuna's default.
_FIRST_STEP = 1 / 6


def qmc_point(search: Mapping[str, Dimension], seed: int, n: int) -> dict[str, Scalar]:
    """Return the nth point, from 0, of a scrambled Sobol sequence (Owen, 1998).

    Every dimension has a coordinate of its own, which is not used where it does not apply.
    """
    sequence = scipy.stats.qmc.Sobol(len(search), scramble=True, rng=seed)
    if n:
        sequence.fast_forward(n)
    return _point(search, sequence.random(1)[0])


def cmaes_point(
    search: Mapping[str, Dimension], seed: int, first: int, trials: Sequence[FrozenTrial], *, maximize: bool
) -> dict[str, Scalar]:
    """Sample from the normal distribution that CMA-ES (Hansen, 2016) has learned from the trials.

    It starts at the best of the ``first`` trials, which it did not choose. The others are told to it in the
    order of their numbers, a generation at a time. With trials side by side, some were sampled before the
    generation ahead of theirs was complete.

    Args:
        search: The dimensions; ranges of numbers alone.
        seed: Seed of the sample.
        first: How many trials come before the first that CMA-ES chose.
        trials: Those that have a score.
        maximize: Whether more is better.

    Returns:
        The values by name.
    """
    # Only a search that asks for it needs this package.
    import cmaes

    told = [(_coordinates(search, each), _cost(each, maximize)) for each in trials if each.number >= first]
    start = min(
        (each for each in trials if each.number < first),
        key=lambda each: _cost(each, maximize),
        default=None,
    )
    mean = _coordinates(search, start) if start else np.full(len(search), 0.5)
    bounds = np.tile([0.0, 1.0], (len(search), 1))
    optimizer = cmaes.CMA(mean, _FIRST_STEP, bounds, n_max_resampling=100, seed=seed)
    size = optimizer.population_size
    for begin in range(0, len(told) - size + 1, size):
        optimizer.tell(told[begin : begin + size])
    return _point(search, optimizer.ask())


def gp_point(
    space: SearchSpace, seed: int, trials: Sequence[FrozenTrial], *, maximize: bool
) -> dict[str, Any]:
    """Choose the point with the largest expected improvement under Optuna's Gaussian process.

    It takes normal scores of the ranks, so that a diverged trial, whose score stands for infinity, is merely
    the worst. Running trials count as unknown: they keep it from choosing the same point twice.

    Args:
        space: The dimensions, in the same order for every trial.
        seed: Seed of the optimization of the expected improvement.
        trials: Those that have a score, and those that are running.
        maximize: Whether more is better.

    Returns:
        The values by name.
    """
    told = [each for each in trials if each.state == TrialState.COMPLETE]
    ranks = scipy.stats.rankdata([-_cost(each, maximize) for each in told])
    scores = scipy.stats.norm.ppf((ranks - 0.5) / max(1, len(told)))
    study = optuna.create_study(direction="maximize", sampler=_gp(seed))
    study.add_trials(_copy(each, float(score)) for each, score in zip(told, scores, strict=True))
    study.add_trials(_copy(each) for each in trials if each.state == TrialState.RUNNING)
    asked = study.ask()
    # Without the package greenlet, Optuna says that it will be slower: 0.1 s a choice.
    with log_level("optuna", logging.ERROR):
        space(asked)
    return asked.params


def _gp(seed: int) -> optuna.samplers.GPSampler:
    """Build a sampler that has learned nothing; it imports torch at its first choice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)


def _copy(trial: FrozenTrial, score: float | None = None) -> FrozenTrial:
    return create_trial(
        state=trial.state, value=score, params=trial.params, distributions=trial.distributions
    )


def _cost(trial: FrozenTrial, maximize: bool) -> float:
    assert trial.value is not None, "a complete trial has a score"
    return -trial.value if maximize else trial.value


def _coordinates(search: Mapping[str, Dimension], trial: FrozenTrial) -> np.ndarray:
    return np.array([coordinate(dimension, trial.params[name]) for name, dimension in search.items()])


def _point(search: Mapping[str, Dimension], row: np.ndarray) -> dict[str, Scalar]:
    return {name: value_at(dimension, q) for (name, dimension), q in zip(search.items(), row, strict=True)}
