"""Statistics of scores: intervals, paired differences, Holm's correction, convergence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

# Not from scipy.stats, which takes a second to import.
from scipy.special import nctdtrinc, ndtri, poch, stdtrit

from sweeps.analysis.signed_rank import rounded, signed_rank, typical_difference
from sweeps.spec.looks import ALPHA
from trainables.declarations.base import UNBOUNDED, Bounds

_POWER = 0.8


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation of n values; low and high bound the mean.

    ``error`` is 1 minus the confidence level of the interval, 0.05 for 95%.
    """

    n: int
    mean: float
    std: float
    low: float
    high: float
    error: float = field(default=ALPHA, kw_only=True)


@dataclass(frozen=True)
class PairedDifference(Summary):
    """First minus second over n seeds; ``p_greater`` is small if first is greater, ``p_less`` if less.

    ``typical`` is the Hodges-Lehmann estimate, which a few seeds that are far off do not move. Its interval
    goes with the p-values: 0 is outside exactly if ``p_value`` is at most ``error``.
    """

    effect_size: float
    p_greater: float
    p_less: float
    typical: float
    typical_low: float
    typical_high: float

    @property
    def p_value(self) -> float:
        """The two-sided p-value."""
        return min(1.0, 2 * min(self.p_greater, self.p_less))


def summarise(
    values: Sequence[float] | np.ndarray, *, error: float = ALPHA, bounds: Bounds = UNBOUNDED
) -> Summary:
    """Summarize one number per seed; what n is too small for is NaN.

    The interval is mean +- t(1 - error / 2, n - 1) * std / sqrt(n) (Student 1908), cut to the bounds of what
    can be. That keeps its coverage, as only values that the true mean cannot have are cut off. Infinite
    values make the mean infinite, or NaN if they have both signs, and the rest NaN.

    Args:
        values: Shape (n,).
        error: 1 minus the confidence level: 0.05 for 95%.
        bounds: The least and the largest value that can be. A value beyond a bound takes its place.
    """
    array = np.asarray(values, float)
    n = len(array)
    if n == 0:
        return Summary(0, *[float("nan")] * 4, error=error)
    if np.all(array == array[0]) and np.isfinite(array[0]):
        # Equal values need no arithmetic, and rounding would make their mean differ from them.
        mean, std = float(array[0]), 0.0 if n > 1 else float("nan")
    else:
        # The infinity of a diverged run makes std NaN, as it should; NumPy need not warn.
        with np.errstate(invalid="ignore"):
            mean, std = float(array.mean()), float(array.std(ddof=1)) if n > 1 else float("nan")
    half = float(-stdtrit(n - 1, error / 2)) * std / n**0.5 if n > 1 else float("nan")
    low, high = _cut((mean - half, mean + half), array, bounds)
    return Summary(n, mean, std, low, high, error=error)


def _cut(ends: tuple[float, float], values: np.ndarray, bounds: Bounds) -> tuple[float, float]:
    """Cut an interval, whose ends may be NaN, to the bounds, or to a value that is beyond them."""
    low, high = np.clip(ends, np.min(values, initial=bounds[0]), np.max(values, initial=bounds[1]))
    return float(low), float(high)


def paired_difference(
    first: ArrayLike, second: ArrayLike, *, error: float = ALPHA, bounds: Bounds = UNBOUNDED
) -> PairedDifference:
    """Compare the scores of two arms, each of shape (n,), over the same seeds in the same order.

    With d = first - second, the effect size is Cohen's d_z = mean(d) / std(d) times Hedges' (1981) correction
    Gamma(m/2) / (sqrt(m/2) Gamma((m - 1)/2)) for m = n - 1 degrees of freedom, which makes it unbiased for
    normal d; it takes three seeds. The p-values are of Wilcoxon's signed-rank test. Without seeds the
    difference is NaN and the p-values are 1.

    A seed that diverged has the score -inf or +inf, whichever is worse, and with it the largest rank. The
    difference of two that both diverged is 0.

    Both intervals are at level 1 - error and are cut to the bounds, as in ``summarise``, which keeps their
    coverage. Of the typical difference, only an end that is infinite because the seeds are too few is cut;
    one that is infinite because seeds diverged stays.

    Args:
        first: The scores of one arm.
        second: The scores of the other.
        error: 1 minus the confidence level: 0.05 for 95%.
        bounds: The least and the largest difference that can be; -1 and 1 for fractions.

    Raises:
        ValueError: Unequal lengths, or a score that is NaN.
    """
    differences, scale = _subtract(first, second)
    summary = summarise(rounded(differences, scale), error=error, bounds=bounds)
    m = summary.n - 1
    # SciPy's poch(a, 1/2) is Gamma(a + 1/2) / Gamma(a).
    hedges = float(poch((m - 1) / 2, 0.5) / np.sqrt(m / 2)) if m > 1 else float("nan")
    effect_size = hedges * standardised(summary.mean, summary.std)
    p_greater, p_less = signed_rank(differences, scale)
    typical, *ends = typical_difference(differences, scale, error)
    low, high = _cut((ends[0], ends[1]), differences, bounds)
    # The sign of a mean of about 1e-17 would be an accident.
    mean = float(rounded(np.asarray(summary.mean), scale))
    return PairedDifference(
        **asdict(replace(summary, mean=mean)),
        effect_size=effect_size,
        p_greater=p_greater,
        p_less=p_less,
        typical=typical,
        typical_low=low,
        typical_high=high,
    )


def one_sided_tests(
    first: ArrayLike, second: ArrayLike, amount: float = 0.0
) -> tuple[tuple[float, float], float]:
    """Test whether first - second exceeds an amount, in units of the score, or falls below it.

    It is the signed-rank test of the differences less the amount; with 0, that of ``paired_difference``.

    Returns:
        The p-value for exceeding it, that for falling below it, and the mean difference; without seeds the
        p-values are 1 and the mean is NaN.

    Raises:
        ValueError: As ``paired_difference``.
    """
    differences, scale = _subtract(first, second)
    if not len(differences):
        return (1.0, 1.0), float("nan")
    with np.errstate(invalid="ignore"):
        # The sign of a mean of about 1e-17 would be an accident.
        mean = float(rounded(np.asarray(rounded(differences, scale).mean()), scale))
    return signed_rank(differences - amount, scale), mean


def detectable(seeds: int, error: float) -> float:
    """Return the smallest mean difference that so many seeds detect, in its standard deviations.

    Detected means significant in a two-sided test at level ``error``, with a chance of 0.8. The power is
    that of a t test (noncentral t), with 3 / pi of the seeds, the asymptotic relative efficiency of signed
    ranks for normal differences. Infinite if not even differences of one sign in every seed are significant.
    """
    n = seeds * 3 / np.pi
    if 2.0 ** (1 - seeds) > error or n <= 1:
        return float("inf")
    # SciPy solves P(T <= critical) = 1 - power for the noncentrality, which is the effect times sqrt(n).
    return float(nctdtrinc(n - 1, 1 - _POWER, stdtrit(n - 1, 1 - error / 2)) / n**0.5)


def standardised(mean: float, std: float) -> float:
    """Return mean / std; infinite, or 0 for a mean of 0, if nothing varies."""
    if std == 0:
        return float(np.copysign(np.inf, mean)) if mean else 0.0
    return mean / std


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number by Holm's (1979) step-down method; return them in the same order.

    The i-th smallest of m becomes the largest (m - j + 1) p_(j) over j <= i, at most 1.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return [float(value) for value in np.minimum(adjusted, 1)]


def _subtract(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, float]:
    """Return the differences, and the largest absolute finite score as their scale."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired scores must be two lists of one length, not shapes {a.shape} and {b.shape}")
    scores = np.concatenate([a, b])
    if np.isnan(scores).any():
        raise ValueError(
            "paired scores must not be NaN: give a seed that diverged the worst score, -inf or inf"
        )
    # The difference of equal infinities is NaN before it is replaced.
    with np.errstate(invalid="ignore"):
        differences = np.where(a == b, 0.0, a - b)
    return differences, float(np.abs(scores[np.isfinite(scores)]).max(initial=0))


@dataclass(frozen=True)
class Reached:
    """Fraction of runs that reached a score by each time, with 95% bounds: a step function of epochs.

    Its epochs are 0, 1, the times at which it rises, and the horizon. The median is the first time by which
    half the runs have reached the score, None if fewer did.
    """

    epochs: tuple[float, ...]
    fraction: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    median: float | None


def reached_by(times: Sequence[float | None], horizon: int) -> Reached:
    """Estimate the fraction of runs that reach a score by each time (Kaplan and Meier 1958).

    As runs are censored at the horizon only, the estimate is the number that reached the score over n. That
    number is binomial, so the bounds are Wilson's (1927): unlike Greenwood's they are never NaN, and never of
    zero width where none or all reached the score.

    Each run has the time in epochs, from 1, at which it reached the score (``crossing_time``), or None if it
    did not by the horizon, up to which every run was observed.

    Raises:
        ValueError: No runs, or a time outside 1 to horizon.
    """
    known = np.array([time for time in times if time is not None], float)
    n = len(times)
    if not n:
        raise ValueError("no runs to estimate a fraction of")
    if not np.all((known >= 1) & (known <= horizon)):
        raise ValueError(f"times must lie in 1 to {horizon}, the horizon: {list(times)}")
    steps = sorted({1.0, float(horizon), *known.tolist()})
    counts = [int(np.count_nonzero(known <= step)) for step in steps]
    bounds = [_wilson(count, n) for count in counts]
    return Reached(
        epochs=(0.0, *steps),
        fraction=(0.0, *(count / n for count in counts)),
        low=(0.0, *(low for low, _ in bounds)),
        high=(0.0, *(high for _, high in bounds)),
        median=next((step for step, count in zip(steps, counts, strict=True) if 2 * count >= n), None),
    )


def _wilson(count: int, n: int) -> tuple[float, float]:
    """Return the 95% Wilson score interval of the fraction count / n."""
    z = float(ndtri(0.975))
    center = (count + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * (count * (n - count) / n + z**2 / 4) ** 0.5
    return max(0.0, center - half), min(1.0, center + half)


def crossing_time(
    epochs: Sequence[float], scores: Sequence[float], target: float, larger_is_better: bool
) -> float | None:
    """Return the first time, in epochs, at which a curve is at least as good as a target; None if never.

    The curve is piecewise linear through the points (epoch, score), whose epochs ascend. It has a gap at a
    score that is not finite: nothing is interpolated from or to that. The first epoch is the time if its
    score is good enough already.
    """
    sign = 1.0 if larger_is_better else -1.0
    # A gap before the first epoch makes its time the epoch itself.
    before, lacked = float("nan"), float("nan")
    for epoch, score in zip(epochs, scores, strict=True):
        lacks = sign * (target - score) if np.isfinite(score) else float("nan")
        if lacks <= 0:
            # The line meets the target where what is lacking falls from lacked > 0 to lacks <= 0.
            return epoch - (epoch - before) * lacks / (lacks - lacked) if lacked > 0 else float(epoch)
        before, lacked = epoch, lacks
    return None


def area_under(epochs: Sequence[float], scores: Sequence[float], until: float) -> float | None:
    """Return the mean height of a curve from its first epoch to ``until``, in the unit of the score.

    The curve is piecewise linear through the points (epoch, score), whose epochs ascend. Its mean height is
    the area under it (trapezoidal rule) divided by its length; at the first epoch it is the score itself. It
    is None if the curve does not come to ``until`` or has a score that is not finite before.
    """
    x, y = np.asarray(epochs, float), np.asarray(scores, float)
    if not len(x) or not x[0] <= until <= x[-1]:
        return None
    stop = int(np.searchsorted(x, until))
    x, y = x[: stop + 1], y[: stop + 1]
    if not np.isfinite(y).all():
        return None
    if stop == 0:
        return float(y[0])
    y[-1], x[-1] = np.interp(until, x, y), until
    return float(np.diff(x) @ (y[1:] + y[:-1])) / 2 / (until - x[0])
