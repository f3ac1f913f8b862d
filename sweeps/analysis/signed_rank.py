"""Wilcoxon's signed-rank test, exact with ties and zeros, and the shifts that it does not reject."""

from bisect import bisect_left
from functools import lru_cache

import numpy as np

# Rounding errors hide ties and zeros, so numbers that agree to this many digits of the scores are equal.
_DIGITS = 12


def rounded(values: np.ndarray, scale: float) -> np.ndarray:
    """Round to 12 digits relative to ``scale``, the largest absolute score; do nothing if that is 0."""
    return np.round(values / scale, _DIGITS) * scale + 0.0 if scale > 0 else values


def signed_rank(differences: np.ndarray, scale: float) -> tuple[float, float]:
    """Return the signed-rank test's p-values against greater and less, exact also with ties and zeros.

    Under the null hypothesis each difference changes its sign with chance 1/2, so the distribution of the sum
    of positive ranks follows by adding one rank at a time. SciPy is exact with ties for up to 13 pairs only,
    which it enumerates in a second. Zeros keep their ranks but have no sign (Pratt 1959): dropping them
    first, as Wilcoxon did, can make a sample that is larger throughout less significant. Infinite differences
    share the largest ranks.

    Differences that agree to 12 digits relative to ``scale``, the largest absolute score, are equal.
    """
    tolerance = scale * 10.0**-_DIGITS
    order = np.argsort(np.abs(differences))
    groups = _groups(np.abs(differences)[order], tolerance)
    ties = np.bincount(groups)
    # Ties share the mean of their ranks, so ranks are doubled to be whole.
    doubled = (2 * np.cumsum(ties) - ties + 1)[groups]
    signs = np.sign(differences[order]) * (np.abs(differences[order]) > tolerance / 2)
    chances, observed = _null(tuple(doubled[signs != 0].tolist())), int(doubled[signs > 0].sum())
    return min(1.0, float(chances[observed:].sum())), min(1.0, float(chances[: observed + 1].sum()))


def typical_difference(differences: np.ndarray, scale: float, level: float) -> tuple[float, float, float]:
    """Return the Hodges-Lehmann estimate and the ends of the interval that inverts the signed-rank test.

    The estimate is the median of the Walsh averages, the means of all pairs of differences and of each
    difference with itself (Hodges and Lehmann 1963). The average of -inf and +inf is left out: the two share
    a rank, so they cancel in the test too. If only infinities of both signs are in the middle, no value is
    typical, and the estimate is NaN.

    The interval has the shifts mu for which the two-sided test of ``differences - mu`` does not reject at
    ``level``. They are an interval, as no signed rank rises with mu; it is unbounded if the differences are
    too few. An end that the test itself rejects is moved by the smallest step of floating point, and the
    estimate with it, so that 0 is outside exactly if the test rejects. If every shift is rejected, as with
    six infinite differences, both ends are infinite.
    """
    rows, columns = np.triu_indices(len(differences))
    with np.errstate(invalid="ignore"):
        walsh = (differences[rows] + differences[columns]) / 2
        walsh = np.sort(walsh[~np.isnan(walsh)])
        estimate = float(rounded(np.median(walsh), scale)) if len(walsh) else float("nan")
    # Only at these shifts do signs and ranks change.
    shifts = walsh[np.isfinite(walsh)]
    low = _least_shift(differences, shifts, scale, level)
    high = -_least_shift(-differences, -shifts[::-1], scale, level)
    return float(np.clip(estimate, low, high)), low, high


def _least_shift(differences: np.ndarray, shifts: np.ndarray, scale: float, level: float) -> float:
    """Return the least shift that the test against greater does not reject at level / 2."""

    def accepts(shift: float) -> bool:
        return signed_rank(differences - shift, scale)[0] > level / 2

    ends = np.concatenate([shifts[:1] - (scale or 1.0), shifts, shifts[-1:] + (scale or 1.0)])
    # One shift from each gap between them stands for all, as the p-value is constant there.
    gaps = (ends[1:] + ends[:-1]) / 2 if len(shifts) else np.zeros(1)
    gap = bisect_left(gaps, True, key=accepts)
    if gap in (0, len(gaps)):
        return -np.inf if gap == 0 else np.inf
    shift = float(rounded(shifts[gap - 1], scale))
    return shift if accepts(shifts[gap - 1]) else float(np.nextafter(shift, np.inf))


def _groups(ascending: np.ndarray, tolerance: float) -> np.ndarray:
    """Number the groups of equal values, from 0; infinities of one sign are equal."""
    with np.errstate(invalid="ignore"):
        return np.cumsum(np.diff(ascending, prepend=ascending[:1]) > tolerance)


# Without ties, every shift that is tried has the same ranks.
@lru_cache(maxsize=16)
def _null(doubled: tuple[int, ...]) -> np.ndarray:
    """Return the chance of each sum of doubled ranks if every rank is in it with chance 1/2."""
    chances = np.zeros(sum(doubled) + 1)
    chances[0], end = 1, 1
    for rank in doubled:
        chances[:end] /= 2
        chances[rank : rank + end] += chances[:end]
        end += rank
    return chances
