"""Statistics of scores: intervals, paired differences, signed-rank tests, Holm's correction, convergence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

# Not from scipy.stats, which takes a second to import.
from scipy.special import ndtri, poch, stdtrit

ALPHA = 0.05
# Differences are rounded to this many digits relative to the scores: rounding errors hide ties and zeros.
_DIGITS = 12


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation of n values; low and high bound the mean at 95%."""

    n: int
    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference(Summary):
    """First minus second over n seeds; ``p_greater`` is small if first is greater, ``p_less`` if less."""

    effect_size: float
    p_greater: float
    p_less: float

    @property
    def p_value(self) -> float:
        """The two-sided p-value."""
        return min(1.0, 2 * min(self.p_greater, self.p_less))


def summarise(values: Sequence[float] | np.ndarray) -> Summary:
    """Summarize one number per seed; what n is too small for is NaN.

    The interval is mean +- t(0.975, n - 1) * std / sqrt(n) (Student 1908).
    """
    array = np.asarray(values, float)
    n = len(array)
    if n == 0:
        return Summary(0, *[float("nan")] * 4)
    if np.all(array == array[0]):
        # Equal values need no arithmetic, and rounding would make their mean differ from them.
        mean, std = float(array[0]), 0.0 if n > 1 else float("nan")
    else:
        # The infinity of a diverged run makes std NaN, as it should; NumPy need not warn.
        with np.errstate(invalid="ignore"):
            mean, std = float(array.mean()), float(array.std(ddof=1))
    half = float(stdtrit(n - 1, 0.975)) * std / n**0.5 if n > 1 else float("nan")
    return Summary(n, mean, std, mean - half, mean + half)


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Compare the scores of two arms, each of shape (n,), over the same seeds in the same order.

    With d = first - second, the effect size is Cohen's d_z = mean(d) / std(d) times Hedges' (1981) correction
    Gamma(m/2) / (sqrt(m/2) Gamma((m - 1)/2)) for m = n - 1 degrees of freedom, which makes it unbiased for
    normal d; it takes three seeds. The p-values are of Wilcoxon's signed-rank test. Without seeds the
    difference is NaN and the p-values are 1.

    Raises:
        ValueError: Unequal lengths, or scores that are not finite.
    """
    differences, _ = _subtract(first, second)
    summary = summarise(differences)
    m = summary.n - 1
    # SciPy's poch(a, 1/2) is Gamma(a + 1/2) / Gamma(a).
    hedges = float(poch((m - 1) / 2, 0.5) / np.sqrt(m / 2)) if m > 1 else float("nan")
    effect_size = hedges * standardised(summary.mean, summary.std)
    p_greater, p_less = _signed_rank(differences)
    return PairedDifference(**asdict(summary), effect_size=effect_size, p_greater=p_greater, p_less=p_less)


def margin_tests(first: ArrayLike, second: ArrayLike, margin: float) -> list[tuple[float, float]]:
    """Test that d + margin > 0 and that margin - d > 0, with d = first - second (Schuirmann 1987).

    Each of the two tests has a p-value for the statement and one for its reverse.
    """
    differences, scale = _subtract(first, second)
    return [_signed_rank(_rounded(margin + sign * differences, scale)) for sign in (1, -1)]


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
    """Return the differences, and the largest absolute score as their scale."""
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired scores must be two lists of one length, not shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("paired scores must be finite: leave out or replace the seeds that diverged")
    scale = float(np.abs([a, b]).max(initial=0))
    return _rounded(a - b, scale), scale


def _rounded(differences: np.ndarray, scale: float) -> np.ndarray:
    return np.round(differences / scale, _DIGITS) * scale if scale > 0 else differences


def _signed_rank(differences: np.ndarray) -> tuple[float, float]:
    """Return the signed-rank test's p-values against greater and less, exact also with ties and zeros.

    Under the null hypothesis each difference changes its sign with chance 1/2, so the distribution of the sum
    of positive ranks follows by adding one rank at a time. SciPy is exact with ties for up to 13 pairs only,
    which it enumerates in a second. Zeros keep their ranks but have no sign (Pratt 1959): dropping them
    first, as Wilcoxon did, can make a sample that is larger throughout less significant.
    """
    # Ties share the mean of their ranks, so ranks are doubled to be whole.
    _, index, ties = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(ties) - ties + 1)[index]
    chances = np.ones(1)
    for rank in doubled[differences != 0]:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    observed = int(doubled[differences > 0].sum())
    return min(1.0, float(chances[observed:].sum())), min(1.0, float(chances[: observed + 1].sum()))


@dataclass(frozen=True)
class Reached:
    """Fraction of runs that reached a score by each epoch, with 95% bounds: a step function.

    Its epochs are 0, 1, those at which it rises, and the horizon. The median is the first epoch by which half
    the runs have reached the score, None if fewer did.
    """

    epochs: tuple[float, ...]
    fraction: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    median: float | None


def reached_by(epochs: Sequence[int | None], horizon: int) -> Reached:
    """Estimate the fraction of runs that reach a score by each epoch (Kaplan and Meier 1958).

    As runs are censored at the horizon only, the estimate is the number that reached the score over n. That
    number is binomial, so the bounds are Wilson's (1927): unlike Greenwood's they are never NaN, and never of
    zero width where none or all reached the score.

    Each run has the epoch, from 1, at which it reached the score, or None if it did not by the horizon, up to
    which every run was observed.

    Raises:
        ValueError: No runs, or an epoch outside 1 to horizon.
    """
    known = np.array([epoch for epoch in epochs if epoch is not None], float)
    n = len(epochs)
    if not n:
        raise ValueError("no runs to estimate a fraction of")
    if np.any((known < 1) | (known > horizon)):
        raise ValueError(f"epochs must lie in 1 to {horizon}, the horizon: {list(epochs)}")
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
