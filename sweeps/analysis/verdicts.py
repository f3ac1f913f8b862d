"""Verdicts on the claims of a study, judged together, and the seeds that would decide a claim."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import scipy
from numpy.typing import ArrayLike

from sweeps.analysis.stats import (
    ALPHA,
    PairedDifference,
    amount_test,
    holm,
    margin_tests,
    paired_difference,
    standardised,
)

POWER = 0.8
MOST_SEEDS = 10_000
# Asymptotic relative efficiency of the signed-rank test to the t test for normal differences.
_EFFICIENCY = 3 / np.pi

Pairs = Sequence[tuple[ArrayLike, ArrayLike]]


@dataclass(frozen=True)
class Evidence:
    """P-values for and against one claim; ``margin`` is None unless it is a claim of equivalence.

    ``amount`` is what every difference is claimed to exceed; the differences themselves are as measured.
    ``p_against`` has the p-value of each reversed test: one a pair, or two for equivalence. ``p_pairs`` has
    the two-sided p-value of each test.
    """

    p_support: float
    p_against: tuple[float, ...]
    differences: tuple[PairedDifference, ...]
    margin: float | None
    p_pairs: tuple[float, ...] = ()
    amount: float = 0.0

    @property
    def p_contradict(self) -> float:
        """The p-value of all reversed tests together (Bonferroni)."""
        return min(1.0, len(self.p_against) * min(self.p_against))

    @property
    def estimates(self) -> list[tuple[float, float]]:
        """Mean and standard deviation of what each test holds to be above 0, in the order of the tests."""
        if self.margin is None:
            return [(pair.mean - self.amount, pair.std) for pair in self.differences]
        return [(self.margin + sign * pair.mean, pair.std) for pair in self.differences for sign in (1, -1)]


class Verdict(StrEnum):
    """Whether the seeds decide a claim, and which way."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judgement:
    """A verdict with its Holm-adjusted p-value.

    ``seeds_needed``, the present ones included, would probably decide an undecided claim; None if it is
    decided, or if no number up to ``MOST_SEEDS`` would. ``leaning`` is the verdict that it would then have.
    Both are None where the means cannot tell: they are infinite or NaN, or there is a doubt.

    ``doubt`` says why a claim is undecided although its tests decide it, and is otherwise empty. It continues
    "it would be supported, but" or "it would be contradicted, but".
    """

    verdict: Verdict
    p_value: float
    seeds_needed: int | None
    leaning: Verdict | None = None
    doubt: str = ""


def superiority(pairs: Pairs, amount: float = 0.0) -> Evidence:
    """Weigh the claim that every ``better`` exceeds its ``worse`` by more than an amount, in its units.

    It is supported if each of the k one-sided tests is (intersection-union test, Berger 1982: the largest p),
    and contradicted if one reversed test is (Bonferroni: k times the smallest p). Each pair has the scores
    (better, worse) over the same seeds, oriented so that larger is better.
    """
    tests = [amount_test(better, worse, amount) for better, worse in pairs]
    differences = tuple(paired_difference(better, worse) for better, worse in pairs)
    return replace(_evidence(tests, differences, None), amount=amount)


def equivalence(pairs: Pairs, margin: float) -> Evidence:
    """Weigh the claim that the arms of each pair differ by less than a margin, in units of the score.

    Each pair has two one-sided tests (``margin_tests``). As for superiority, all must hold to support the
    claim, and one of the 2k reversed tests contradicts it.

    Raises:
        ValueError: No pairs, margin not above 0, or as ``paired_difference``.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0, not {margin}")
    tests = [test for first, second in pairs for test in margin_tests(first, second, margin)]
    return _evidence(tests, tuple(paired_difference(*pair) for pair in pairs), margin)


def judge(evidence: Sequence[Evidence]) -> list[Judgement]:
    """Judge all claims of a study together.

    A claim's p-value is that of its stronger side, doubled since there are two; Holm's method over the claims
    keeps the chance of any false verdict at alpha (Holm 1979; wrong directions count: Shaffer 1980).

    The signed-rank test is about the typical difference, and blind to a few seeds that are far off. So a
    claim that the tests decide is undecided if the means do not agree: to support it all must, to contradict
    it the mean of one pair whose reversed test is significant.

    For an undecided claim, the number of seeds is planned that would decide it with power 0.8 at level
    alpha / claims if the observed means and deviations were the truth: that of t tests (noncentral t), times
    pi / 3 for the efficiency of signed ranks.
    """
    adjusted = holm([min(1.0, 2 * min(each.p_support, each.p_contradict)) for each in evidence])
    return [_judgement(each, p, len(evidence)) for each, p in zip(evidence, adjusted, strict=True)]


def min_seeds(claims: int) -> int:
    """Return the fewest seeds n that can decide one of several claims: 2 / 2^n * claims <= alpha.

    The smallest two-sided p-value of n pairs is 2 / 2^n, when all differences have one sign.
    """
    return math.ceil(1 + math.log2(claims / ALPHA))


def _evidence(
    tests: Sequence[tuple[float, float]], differences: tuple[PairedDifference, ...], margin: float | None
) -> Evidence:
    """Combine one-sided tests, each (p for, p against), that must all hold for the claim to hold."""
    if not tests:
        raise ValueError("a claim needs at least one pair of arms")
    p_pairs = tuple(min(1.0, 2 * min(test)) for test in tests)
    return Evidence(max(p for p, _ in tests), tuple(p for _, p in tests), differences, margin, p_pairs)


def _judgement(evidence: Evidence, p_value: float, claims: int) -> Judgement:
    if p_value > ALPHA:
        return Judgement(Verdict.UNDECIDED, p_value, *_seeds_needed(evidence, claims))
    supported = evidence.p_support < evidence.p_contradict
    if doubt := _doubt(evidence, p_value, supported=supported):
        return Judgement(Verdict.UNDECIDED, p_value, None, doubt=doubt)
    return Judgement(Verdict.SUPPORTED if supported else Verdict.CONTRADICTED, p_value, None)


def _doubt(evidence: Evidence, p_value: float, *, supported: bool) -> str:
    """Return how the means disagree with the tests; empty if they agree."""
    means = np.array([mean for mean, _ in evidence.estimates])
    if supported:
        # NaN does not agree either.
        disagreeing = means[~(means > 0)]
    else:
        against = np.array(evidence.p_against)
        # The adjusted p-value is that of the smallest; the others' are larger in proportion.
        means = means[against * p_value <= ALPHA * against.min()]
        disagreeing = means if not np.any(means < 0) else means[:0]
    if not len(disagreeing):
        return ""
    subject = "the mean difference" if len(evidence.differences) == 1 else "a mean difference"
    if np.isnan(disagreeing).any():
        return f"{subject} is undefined: seeds of both arms diverged"
    if evidence.margin is not None:
        where = "not within the margin" if supported else "within the margin"
        return f"{subject} is {where}: a few seeds are far off"
    if evidence.amount:
        side = "does not exceed" if supported else "exceeds"
        return f"{subject} {side} {evidence.amount:.3g}: a few seeds are far off"
    sign = "has the other sign" if np.any(disagreeing) else "is 0"
    return f"{subject} {sign}: a few seeds are far off"


def _seeds_needed(evidence: Evidence, claims: int) -> tuple[int | None, Verdict | None]:
    """Plan the seeds for the verdict that the observed means lean to, and return that verdict too.

    Tests that must all hold do so with a chance of at least 1 minus the sum of their type II errors; where
    one is enough, the most powerful counts, and the level is shared among the tests.
    """
    effects, tests = np.array([standardised(*estimate) for estimate in evidence.estimates]), claims
    if np.isnan(effects).any():
        return None, None
    supports = effects.min() >= 0
    leaning = Verdict.SUPPORTED if supports else Verdict.CONTRADICTED
    if not supports:
        effects, tests = -effects, claims * len(effects)

    def suffices(seeds: int) -> bool:
        # The power of a t test is P(T > t(1 - level, n - 1)) for T noncentral t with noncentrality
        # effect * sqrt(n). The noncentrality is cut at 40, where the power is 0 or 1 and SciPy still exact.
        n = seeds * _EFFICIENCY
        critical = scipy.stats.t.isf(ALPHA / tests / 2, n - 1)
        powers = scipy.stats.nct.sf(critical, n - 1, np.clip(effects * n**0.5, -40, 40))
        return bool((1 - np.sum(1 - powers) if supports else powers.max()) >= POWER)

    fewest = max(min_seeds(tests), *(1 + pair.n for pair in evidence.differences))
    candidates = range(fewest, MOST_SEEDS + 1)
    index = bisect_left(candidates, True, key=suffices)
    return candidates[index] if index < len(candidates) else None, leaning
