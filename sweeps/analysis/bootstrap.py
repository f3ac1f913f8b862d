"""Intervals for differences in accuracy beyond this test set: over new seeds and new test examples."""

import numpy as np
from scipy.special import stdtrit

from sweeps.analysis.arms import Arm
from sweeps.record.correctness import unpacked


def beyond_test_set(first: np.ndarray, second: np.ndarray, level: float) -> tuple[float, float, float]:
    """Estimate the mean difference in accuracy, first minus second, for new seeds and new test examples.

    The standard error is that of the pigeonhole bootstrap (Owen 2007), which resamples S seeds and N examples
    independently of each other. With the differences d (S, N), the variance of the resampled means is

        (1 - 1/S) (1 - 1/N) (s_seeds^2 / S + s_examples^2 / N) + var(d) / (S N),

    where s_seeds^2 and s_examples^2 are the sample variances of the means of the seeds and of the examples,
    and var divides by S N. This is the limit of infinitely many draws, so none are needed. A bootstrap of n
    values makes the variance of their mean too small by the factor 1 - 1/n. The variance is therefore divided
    by (1 - 1/S) (1 - 1/N), after which it is never below s_seeds^2 / S, the variance over the seeds alone.
    The interval is mean +- t standard errors, with min(S, N) - 1 degrees of freedom.

    Args:
        first: Whether each seed's network has each example right, (S, N) of type bool.
        second: The same for the other arm, over the same seeds and examples in the same order.
        level: The chance that the interval misses, such as 0.05 for an interval at 95%.

    Returns:
        The mean and the ends of the interval, within -1 and 1; the ends are NaN for one seed or one example.

    Raises:
        ValueError: The shapes differ, or are not of seeds by examples.
    """
    if first.shape != second.shape or first.ndim != 2 or not first.size:
        shapes = f"{first.shape} and {second.shape}"
        raise ValueError(f"correctness must be two arrays of shape (seeds, examples), not {shapes}")
    differences = first.astype(np.int8) - second.astype(np.int8)
    mean, n = float(differences.mean()), min(differences.shape)
    if n == 1:
        return mean, float("nan"), float("nan")
    half = -float(stdtrit(n - 1, level / 2)) * _variance(differences) ** 0.5
    return mean, max(-1.0, mean - half), min(1.0, mean + half)


def _variance(differences: np.ndarray) -> float:
    """Return the variance of the mean, as ``beyond_test_set`` describes it."""
    seeds, examples = differences.shape
    of_seeds = differences.mean(axis=1).var(ddof=1) / seeds
    of_examples = differences.mean(axis=0).var(ddof=1) / examples
    return float(of_seeds + of_examples + differences.var() / ((seeds - 1) * (examples - 1)))


def correctness(first: Arm, second: Arm) -> tuple[np.ndarray, np.ndarray] | None:
    """Return which test examples two arms have right: arrays (seeds, examples) over their shared seeds.

    Seeds are in ascending order. Failed and open trials are left out, as in ``Arm.scores``.

    Returns:
        None if there is no shared seed, if a trial has no correctness (it diverged, is not a classifier's, or
        was recorded by an earlier version), or if the trials have test splits of different size.
    """
    trials = [
        {trial.seed: trial for trial in arm.trials if trial.status in ("finished", "diverged")}
        for arm in (first, second)
    ]
    seeds = sorted(trials[0].keys() & trials[1].keys())
    recorded = [by_seed[seed].correct for by_seed in trials for seed in seeds]
    known = [unpacked(correct) for correct in recorded if correct is not None]
    if not seeds or len(known) < len(recorded) or len({len(each) for each in known}) > 1:
        return None
    return np.stack(known[: len(seeds)]), np.stack(known[len(seeds) :])
