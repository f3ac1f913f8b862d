"""Statistics of arms compared on paired seeds: intervals, claims judged together, speed of convergence.

Pure functions of arrays. A claim is tested on the differences between arms over the same seeds by signed-rank
tests; all claims of a study are judged together, so that the chance of any false verdict is bounded.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
import scipy  # whose parts are imported when they are used
from numpy.typing import ArrayLike

ALPHA = 0.05
POWER = 0.8  # to which further seeds are planned
MOST_SEEDS = 10_000
_EFFICIENCY = 3 / np.pi  # of the signed-rank test against the t test, asymptotic, under normality
_DIGITS = 12  # of a difference against the scores: what lies below is rounding, and would hide ties and zeros

Pairs = Sequence[tuple[ArrayLike, ArrayLike]]


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
    """First less second over n seeds; ``p_greater`` is small where first is greater, ``p_less`` if less."""

    effect_size: float
    p_greater: float
    p_less: float

    @property
    def p_value(self) -> float:
        """The two-sided p-value."""
        return min(1.0, 2 * min(self.p_greater, self.p_less))


@dataclass(frozen=True)
class Evidence:
    """For and against one claim; ``margin`` is that of a claim of equivalence, None for superiority."""

    p_support: float
    p_contradict: float
    differences: tuple[PairedDifference, ...]
    margin: float | None


class Verdict(StrEnum):
    """What the seeds say of a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judgement:
    """A verdict with its Holm-adjusted p-value.

    ``seeds_needed``, the present ones included, would probably decide an undecided claim; None if it is
    decided, or if no number up to ``MOST_SEEDS`` would. ``leaning`` is the verdict that it would then have.
    """

    verdict: Verdict
    p_value: float
    seeds_needed: int | None
    leaning: Verdict | None = None


@dataclass(frozen=True)
class Reached:
    """Fraction of runs that reached a score by each epoch, a step function, with 95% bounds at each epoch."""

    epochs: tuple[float, ...]
    fraction: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    median: float | None


def summarise(values: Sequence[float] | np.ndarray) -> Summary:
    """Summarise values: mean +- t(0.975, n - 1) * std / sqrt(n) is the interval (Student 1908).

    Args:
        values: One number per seed.

    Returns:
        The summary; what n is too small for is nan.
    """
    array = np.asarray(values, float)
    n = len(array)
    if n == 0:
        return Summary(0, *[float("nan")] * 4)
    if np.all(array == array[0]):  # spelt out, since rounding makes a mean of equal values differ from them
        mean, std = float(array[0]), 0.0 if n > 1 else float("nan")
    else:
        with np.errstate(invalid="ignore"):  # a diverged run's infinity makes std nan, which says enough
            mean, std = float(array.mean()), float(array.std(ddof=1))
    half = float(scipy.stats.t.ppf(0.975, n - 1)) * std / n**0.5 if n > 1 else float("nan")
    return Summary(n, mean, std, mean - half, mean + half)


def paired_difference(first: ArrayLike, second: ArrayLike) -> PairedDifference:
    """Compare two arms over the same seeds.

    With d = first - second, the effect size is Cohen's d_z = mean(d) / std(d) times Hedges' (1981) correction
    Gamma(m/2) / (sqrt(m/2) Gamma((m - 1)/2)) for m = n - 1 degrees of freedom, which makes it unbiased for
    normal d; it takes three seeds. The p-values are of Wilcoxon's signed-rank test.

    Args:
        first: Scores of one arm, shape (n,).
        second: Scores of the other over the same seeds in the same order, shape (n,).

    Returns:
        The difference; nan and p-values of 1 where there are no seeds.

    Raises:
        ValueError: Unequal lengths, or scores that are not finite.
    """
    differences, _ = _subtract(first, second)
    plain = summarise(differences)
    p_greater, p_less = _signed_rank(differences)
    effect_size = _hedges(plain.n) * _standardised(plain.mean, plain.std)
    return PairedDifference(**asdict(plain), effect_size=effect_size, p_greater=p_greater, p_less=p_less)


def wilcoxon_floor(n: int) -> float:
    """Smallest two-sided p-value that n pairs can give: all differences of one sign, 2 / 2^n.

    Args:
        n: Number of pairs.

    Returns:
        The p-value, at most 1.
    """
    return min(1.0, 2.0 ** (1 - n))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number by Holm's (1979) step-down method.

    The i-th smallest of m becomes the largest (m - j + 1) p_(j) over j <= i, at most 1.

    Args:
        p_values: One per hypothesis.

    Returns:
        The adjusted ones, in the order given.
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return [float(value) for value in np.minimum(adjusted, 1)]


def superiority(pairs: Pairs) -> Evidence:
    """Weigh the claim that every ``better`` exceeds its ``worse``.

    It is supported if each of the k one-sided tests is (intersection-union test, Berger 1982: the largest p),
    and contradicted if one reversed test is (Bonferroni: k times the smallest p).

    Args:
        pairs: Scores (better, worse) over the same seeds, oriented so that larger is better.

    Returns:
        The evidence.

    Raises:
        ValueError: No pairs, or as ``paired_difference``.
    """
    differences = tuple(paired_difference(better, worse) for better, worse in pairs)
    return _evidence([(each.p_greater, each.p_less) for each in differences], differences, None)


def equivalence(pairs: Pairs, margin: float) -> Evidence:
    """Weigh the claim that each pair differs by less than margin.

    Two one-sided tests a pair (Schuirmann 1987): that d + margin > 0 and that margin - d > 0, with d the
    differences. As for superiority, all must hold, or one of the 2k be reversed.

    Args:
        pairs: Scores of two arms over the same seeds.
        margin: The largest difference that does not matter, in units of the score; above 0.

    Returns:
        The evidence.

    Raises:
        ValueError: No pairs, margin not above 0, or as ``paired_difference``.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0, not {margin}")
    tests = []
    for first, second in pairs:
        differences, scale = _subtract(first, second)
        tests += [_signed_rank(_rounded(margin + sign * differences, scale)) for sign in (1, -1)]
    return _evidence(tests, tuple(paired_difference(*pair) for pair in pairs), margin)


def judge(evidence: Sequence[Evidence], alpha: float = ALPHA) -> list[Judgement]:
    """Judge all claims of a study together.

    A claim's p-value is that of its stronger side, doubled since there are two; Holm's method over the claims
    keeps the chance of any false verdict at alpha (Holm 1979; wrong directions count: Shaffer 1980).

    For an undecided claim, the seeds are planned with which it would be decided with power 0.8 at level
    alpha / claims, were the observed means and deviations the truth: n of t tests (noncentral t) times
    pi / 3, for the efficiency of signed ranks.

    Args:
        evidence: That of each claim.
        alpha: The chance of any false verdict among them.

    Returns:
        A judgement per claim.
    """
    adjusted = holm([min(1.0, 2 * min(each.p_support, each.p_contradict)) for each in evidence])
    return [_judgement(each, p, alpha, len(evidence)) for each, p in zip(evidence, adjusted, strict=True)]


def epochs_to_reach(scores: Sequence[float], target: float, larger_is_better: bool) -> int | None:
    """Find the first epoch at which a run is at least as good as a target.

    Args:
        scores: The run's score after each epoch; nan reaches nothing.
        target: The score to reach.
        larger_is_better: Whether the score is to rise.

    Returns:
        The epoch, counted from 1, or None if it was never reached.
    """
    array = np.asarray(scores, float)
    reached = np.flatnonzero(array >= target if larger_is_better else array <= target)
    return int(reached[0]) + 1 if len(reached) else None


def reached_by(epochs: Sequence[int | None], horizon: int) -> Reached:
    """Estimate the fraction of runs that reach a score by each epoch (Kaplan and Meier 1958).

    As runs are censored at the horizon only, the estimate is the number that reached the score over n. That
    number is binomial, so the bounds are Wilson's (1927): never nan, and not of zero width where none or all
    reached it, as Greenwood's are. At epoch 0 none can have reached it.

    Args:
        epochs: When each run reached the score, counted from 1; None if not by the horizon.
        horizon: Epochs that every run was observed for.

    Returns:
        The fraction at epochs 0 and 1, wherever it rises, and at the horizon; the median is the first epoch
        by which half the runs have reached the score, None if fewer did.

    Raises:
        ValueError: No runs, or an epoch outside 1 to horizon.
    """
    known = np.array([epoch for epoch in epochs if epoch is not None], float)
    if not len(epochs):
        raise ValueError("no runs to estimate a fraction of")
    if np.any((known < 1) | (known > horizon)):
        raise ValueError(f"epochs must lie in 1 to {horizon}, the horizon: {list(epochs)}")
    steps = sorted({1.0, float(horizon), *known.tolist()})
    counts = [int(np.count_nonzero(known <= step)) for step in steps]
    bounds = [
        scipy.stats.binomtest(count, len(epochs)).proportion_ci(0.95, method="wilson") for count in counts
    ]
    return Reached(
        epochs=(0.0, *steps),
        fraction=(0.0, *(count / len(epochs) for count in counts)),
        low=(0.0, *(float(bound.low) for bound in bounds)),
        high=(0.0, *(float(bound.high) for bound in bounds)),
        median=next((step for step, k in zip(steps, counts, strict=True) if 2 * k >= len(epochs)), None),
    )


def censored(epochs: Sequence[int | None], horizon: int) -> np.ndarray:
    """Replace None by horizon + 1, the least it can be: a difference from a censored run is a lower bound.

    Args:
        epochs: When each run reached a score; None if not by the horizon.
        horizon: Epochs that every run was observed for.

    Returns:
        The epochs, as floats.
    """
    return np.array([horizon + 1 if epoch is None else epoch for epoch in epochs], float)


def _subtract(first: ArrayLike, second: ArrayLike) -> tuple[np.ndarray, float]:
    a, b = np.asarray(first, float), np.asarray(second, float)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired scores must be two lists of one length, not shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("paired scores must be finite: leave out or replace the seeds that diverged")
    scale = float(np.abs([a, b]).max(initial=0))
    return _rounded(a - b, scale), scale


def _rounded(differences: np.ndarray, scale: float) -> np.ndarray:
    return np.round(differences / scale, _DIGITS) * scale if scale > 0 else differences


def _hedges(n: int) -> float:
    m = n - 1
    return (
        float(np.exp(scipy.special.gammaln(m / 2) - scipy.special.gammaln((m - 1) / 2)) / np.sqrt(m / 2))
        if n > 2
        else float("nan")
    )


def _standardised(shift: float, std: float) -> float:
    if std == 0:
        return float(np.copysign(np.inf, shift)) if shift else 0.0
    return shift / std


# P-values of the signed-rank test against greater and less, exact also with ties and zeros: the null flips
# the sign of each difference with chance 1/2. With ties, scipy enumerates the flips of up to 13 pairs, in a
# second a test; adding one rank at a time is quick. Zeros keep their ranks but have no sign (Pratt 1959):
# dropping them first, as Wilcoxon did, can make a sample that is larger throughout less significant.
def _signed_rank(differences: np.ndarray) -> tuple[float, float]:
    doubled = np.rint(2 * scipy.stats.rankdata(np.abs(differences))).astype(int)  # since ties have half ranks
    chances = np.ones(1)
    for rank in doubled[differences != 0]:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    # Zeros and no pairs at all leave one sum, of chance 1.
    observed = int(doubled[differences > 0].sum())
    return min(1.0, float(chances[observed:].sum())), min(1.0, float(chances[: observed + 1].sum()))


# From one-sided tests, each (p for, p against), that must all hold for the claim to hold.
def _evidence(
    tests: Sequence[tuple[float, float]], differences: tuple[PairedDifference, ...], margin: float | None
) -> Evidence:
    if not tests:
        raise ValueError("a claim needs at least one pair of arms")
    contradict = min(1.0, len(tests) * min(p for _, p in tests))
    return Evidence(max(p for p, _ in tests), contradict, differences, margin)


def _judgement(evidence: Evidence, p_value: float, alpha: float, claims: int) -> Judgement:
    if p_value > alpha:
        leaning = Verdict.SUPPORTED if _effects(evidence).min() >= 0 else Verdict.CONTRADICTED
        needed = _seeds_needed(evidence, leaning, alpha / claims / 2)
        return Judgement(Verdict.UNDECIDED, p_value, needed, leaning)
    supported = evidence.p_support < evidence.p_contradict
    return Judgement(Verdict.SUPPORTED if supported else Verdict.CONTRADICTED, p_value, None)


# Mean / std of the tests that must all hold for the claim to hold.
def _effects(evidence: Evidence) -> np.ndarray:
    def shifts(mean: float) -> tuple[float, ...]:
        return (mean,) if evidence.margin is None else (evidence.margin + mean, evidence.margin - mean)

    pairs = evidence.differences
    return np.array([_standardised(shift, each.std) for each in pairs for shift in shifts(each.mean)])


# For the verdict that the observed means lean to. Tests that must all hold do so with a chance of at least
# 1 less the sum of their misses; where one is enough, the most powerful counts. The level must also be within
# reach of n differences of one sign.
def _seeds_needed(evidence: Evidence, leaning: Verdict, level: float) -> int | None:
    effects, supports = _effects(evidence), leaning is Verdict.SUPPORTED
    if not supports:
        effects, level = -effects, level / len(effects)

    def enough(n: int) -> bool:
        powers = _power(effects, n * _EFFICIENCY, level)
        power = 1 - np.sum(1 - powers) if supports else powers.max()
        return bool(power >= POWER and wilcoxon_floor(n) <= 2 * level)

    candidates = range(max(2, 1 + max(each.n for each in evidence.differences)), MOST_SEEDS + 1)
    found = bisect_left(candidates, True, key=enough)
    return candidates[found] if found < len(candidates) else None


# P(T > t(1 - level, n - 1)), T noncentral t, noncentrality effect * sqrt(n); that is cut at 40, where the
# power is 0 or 1 and scipy still exact.
def _power(effects: np.ndarray, n: float, level: float) -> np.ndarray:
    noncentrality = np.clip(effects * n**0.5, -40, 40)
    return np.asarray(scipy.stats.nct.sf(scipy.stats.t.isf(level, n - 1), n - 1, noncentrality))
