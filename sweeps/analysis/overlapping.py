"""The difference of two means over samples of seeds that may share some."""

from collections.abc import Mapping

import numpy as np

# Not from scipy.stats, which takes a second to import.
from scipy.special import stdtrit

from sweeps.analysis.arms import on_shared_seeds

_NAN = float("nan")


def difference_of_means(
    first: Mapping[int, float], second: Mapping[int, float], *, error: float
) -> tuple[float, float, float]:
    """Estimate the mean of the second values less that of the first, given by seed.

    Two sweeps may train with the same seeds, and then the same seed draws the same weights and batches, so
    that values of a shared seed can be correlated. The interval is that of the t test for partially
    overlapping samples with unequal variances (Derrick, Russ, Toher and White 2017):

        mean +- t sqrt(s1^2 / n1 + s2^2 / n2 - 2 c n12 / (n1 n2)),

    where c is the covariance over the n12 shared seeds, r s1 s2 with their correlation r. With g degrees of
    freedom after Welch (1947) and u = n1 + n2 - 2 n12 seeds that are not shared, t has
    n12 - 1 + (g - n12 + 1) u / (n1 + n2) degrees of freedom. Without shared seeds this is Welch's interval.
    With the same seeds in both it is that of Student for the paired differences, and is computed from them,
    as s1^2 + s2^2 - 2 c would lose all digits where they are nearly equal. With fewer than two shared seeds
    c is 0.

    Args:
        first: The values of the first sweep by seed; all are finite.
        second: Those of the second.
        error: 1 minus the confidence level, 0.05 for 95%.

    Returns:
        The difference and the ends of its interval; what the seeds are too few for is NaN.
    """
    if first.keys() == second.keys():
        return _paired(np.array([second[seed] - value for seed, value in first.items()], float), error)
    a, b = np.array([*first.values()], float), np.array([*second.values()], float)
    if not len(a) or not len(b):
        return _NAN, _NAN, _NAN
    mean = float(b.mean() - a.mean())
    if min(len(a), len(b)) < 2:
        return mean, _NAN, _NAN
    shares = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    pair = on_shared_seeds(first, second)
    shared = len(pair[0])
    variance = sum(shares) - 2 * _covariance(a, b, pair) * shared / (len(a) * len(b))
    if not variance > 0:
        return mean, mean, mean
    welch = sum(shares) ** 2 / (shares[0] ** 2 / (len(a) - 1) + shares[1] ** 2 / (len(b) - 1))
    alone = (len(a) + len(b) - 2 * shared) / (len(a) + len(b))
    freedom = shared - 1 + (welch - shared + 1) * alone
    half = -float(stdtrit(freedom, error / 2)) * float(variance) ** 0.5
    return mean, mean - half, mean + half


def _paired(differences: np.ndarray, error: float) -> tuple[float, float, float]:
    """Estimate the mean of differences by seed, (N,), as ``difference_of_means``."""
    n = len(differences)
    if not n:
        return _NAN, _NAN, _NAN
    mean = float(differences.mean())
    if n < 2:
        return mean, _NAN, _NAN
    half = -float(stdtrit(n - 1, error / 2)) * float(differences.std(ddof=1)) / n**0.5
    return mean, mean - half, mean + half


def _covariance(a: np.ndarray, b: np.ndarray, pair: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the covariance of values of a shared seed, with the deviations of all seeds."""
    if len(pair[0]) < 2 or not pair[0].std() or not pair[1].std():
        return 0.0
    return float(np.corrcoef(*pair)[0, 1] * a.std(ddof=1) * b.std(ddof=1))
