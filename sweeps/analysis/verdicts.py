"""Verdicts on the claims of a study, judged together, look by look."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from sweeps.analysis.stats import holm, one_sided_tests
from sweeps.spec.looks import ALPHA

Pairs = Sequence[tuple[ArrayLike, ArrayLike]]


class Verdict(StrEnum):
    """Whether the seeds decide a claim, and which way."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    REVERSED = "reversed"
    UNDECIDED = "undecided"


# The order of the columns of evidence.
_SUPPORT, _REFUTE, _REVERSE = range(3)


@dataclass(frozen=True)
class Evidence:
    """One-sided tests of a claim at one look: one for each pair of arms, two for a pair said to be equal.

    Attributes:
        p_values: Of shape (tests, 3): against d <= 0, which supports; against d >= by, which refutes; against
            d >= 0, which reverses. For equivalence, d is the margin plus or minus the difference, ``by`` is
            0, and nothing is reversed.
        excess: The mean of d, of ``by`` - d and of -d, of the same shape: each is above 0 where the mean
            agrees with its test.
    """

    p_values: np.ndarray
    excess: np.ndarray


def superiority(pairs: Pairs, by: float = 0.0) -> Evidence:
    """Weigh the claim that every ``better`` exceeds its ``worse``, where only ``by`` or more matters.

    Each pair has the scores (better, worse) over the same seeds, oriented so that larger is better. Scores
    may be infinite, as in ``paired_difference``. Without ``by``, what refutes also reverses.

    Raises:
        ValueError: As ``paired_difference``.
    """
    rows = []
    for better, worse in pairs:
        (p_support, p_reverse), mean = one_sided_tests(better, worse)
        (_, p_refute), _ = one_sided_tests(better, worse, by)
        rows.append(((p_support, p_refute, p_reverse), (mean, by - mean, -mean)))
    return _evidence(rows)


def equivalence(pairs: Pairs, margin: float) -> Evidence:
    """Weigh the claim that the arms of each pair differ by less than a margin, in units of the score.

    Each pair has two one-sided tests, of d + margin > 0 and of margin - d > 0 (Schuirmann 1987); all must
    hold to support the claim, and one of their reverses refutes it.

    Raises:
        ValueError: As ``paired_difference``, or a margin that is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0, not {margin}")
    rows = []
    for pair in pairs:
        for first, second in (pair, pair[::-1]):
            (p_support, p_refute), mean = one_sided_tests(first, second, -margin)
            rows.append(((p_support, p_refute, 1.0), (mean + margin, -mean - margin, np.nan)))
    return _evidence(rows)


def _evidence(rows: Sequence[tuple[tuple[float, float, float], tuple[float, float, float]]]) -> Evidence:
    if not rows:
        raise ValueError("a claim needs at least one pair of arms")
    p_values, excess = zip(*rows, strict=True)
    return Evidence(np.array(p_values), np.array(excess))


def _no_doubt(look: int, verdict: Verdict) -> str:
    return ""


@dataclass(frozen=True)
class Case:
    """A claim as ``judge`` needs it, at each look that has been taken.

    Attributes:
        evidence: The tests over all seeds at each look.
        shares: Each look's share of alpha, for each test; 0 for a test that got no new seed, as the look did
            not look at it.
        doubt: Called with the index of a look and a verdict; says why that must not stand although its tests
            decide it, and is empty if it may.
    """

    evidence: Sequence[Evidence]
    shares: Sequence[np.ndarray]
    doubt: Callable[[int, Verdict], str] = _no_doubt


@dataclass(frozen=True)
class Judgement:
    """A verdict with its p-value, sequential and corrected by Holm's method, to be compared with alpha.

    Attributes:
        look: The look that decided, from 0; for an undecided claim the last one, None before the first.
        doubt: Why a claim is undecided although its tests decide it; otherwise empty.
        doubted: The verdict that the tests would give a claim with a doubt.
    """

    verdict: Verdict
    p_value: float
    look: int | None
    doubt: str = ""
    doubted: Verdict | None = None


def judge(cases: Sequence[Case]) -> list[Judgement]:
    """Judge claims together at every look that has been taken; a verdict stands from the look that decides.

    At look k, a test's p-value counts as p_k divided by the look's share of alpha; its sequential p-value is
    the smallest so far. As the shares sum to 1, it keeps its level at every look (Bonferroni), whatever the
    results of one look decide about the next.

    A claim is supported if all of its tests support it (intersection-union, Berger 1982: its p is the
    largest of theirs), and refuted, or reversed, if one does (Bonferroni: the smallest p times their
    number). Its p-value is that of supporting or refuting, whichever is smaller, times two. It costs nothing
    to tell reversed from refuted, since what reverses a claim refutes it as well (three-sided testing:
    Goeman, Solari and Stijnen 2010). Holm's method over the claims keeps the chance of any false verdict at
    alpha (Holm 1979; wrong directions count: Shaffer 1980).

    The signed-rank test is about the typical difference, and blind to a few seeds that are far off. So a
    claim that the tests decide stays undecided while the means do not agree: to support it all must, to
        refute or
    reverse it the mean of one pair whose own test is significant.
    """
    judgements = [Judgement(Verdict.UNDECIDED, 1.0, None) for _ in cases]
    sequential = [_sequential(case) for case in cases]
    for look in range(max((len(case.evidence) for case in cases), default=0)):
        now = [p_values[min(look, len(p_values) - 1)] if len(p_values) else None for p_values in sequential]
        sides = [_sides(p_values) for p_values in now]
        unadjusted = [min(1.0, 2 * min(side[_SUPPORT], side[_REFUTE])) for side in sides]
        for index, adjusted in enumerate(holm(unadjusted)):
            if look < len(cases[index].evidence) and judgements[index].verdict is Verdict.UNDECIDED:
                factor = 2 * (adjusted / unadjusted[index] if unadjusted[index] else 1.0)
                judgements[index] = _judgement(cases[index], look, now[index], adjusted, factor)
    return judgements


def _sequential(case: Case) -> np.ndarray:
    """Return the sequential p-values by look, of shape (looks, tests, 3)."""
    p_values = []
    for evidence, shares in zip(case.evidence, case.shares, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            p_values.append(np.where(shares[:, None] > 0, evidence.p_values / shares[:, None], 1.0))
    return np.minimum(np.minimum.accumulate(p_values), 1.0) if p_values else np.empty((0, 0, 3))


def _sides(p_values: np.ndarray | None) -> tuple[float, float, float]:
    """Return the p-values of supporting, refuting and reversing a claim, given those of its tests."""
    if p_values is None:
        return 1.0, 1.0, 1.0
    refute, reverse = (min(1.0, len(p_values) * p_values[:, side].min()) for side in (_REFUTE, _REVERSE))
    return float(p_values[:, _SUPPORT].max()), float(refute), float(reverse)


def _judgement(
    case: Case, look: int, p_values: np.ndarray | None, adjusted: float, factor: float
) -> Judgement:
    """Judge a claim at a look; ``factor`` corrects the p-value of a side for both sides and all claims."""
    if p_values is None or adjusted > ALPHA:
        return Judgement(Verdict.UNDECIDED, adjusted, look)
    first_doubt, doubted = "", None
    for verdict in _verdicts(p_values, factor):
        doubt = _disagreement(case.evidence[look], p_values * factor, verdict) or case.doubt(look, verdict)
        if not doubt:
            return Judgement(verdict, adjusted, look)
        first_doubt, doubted = first_doubt or doubt, doubted or verdict
    return Judgement(Verdict.UNDECIDED, adjusted, look, first_doubt, doubted)


def _verdicts(p_values: np.ndarray, factor: float) -> Iterator[Verdict]:
    """Yield what the tests decide, the strongest first: an advantage too small to matter is refuted."""
    verdicts = (Verdict.SUPPORTED, Verdict.REFUTED, Verdict.REVERSED)
    decided = [p * factor <= ALPHA for p in _sides(p_values)]
    yield from itertools.compress(verdicts[::-1], decided[::-1])


def _disagreement(evidence: Evidence, corrected: np.ndarray, verdict: Verdict) -> str:
    """Return how the means disagree with the tests; empty if they agree."""
    if verdict is Verdict.SUPPORTED:
        # NaN does not agree either.
        excess = evidence.excess[:, _SUPPORT]
        disagreeing = excess[~(excess > 0)]
    else:
        side = _REFUTE if verdict is Verdict.REFUTED else _REVERSE
        significant = len(corrected) * corrected[:, side] <= ALPHA
        excess = evidence.excess[significant, side]
        disagreeing = excess if not np.any(excess > 0) else excess[:0]
    if not len(disagreeing):
        return ""
    subject = "the mean difference" if len(evidence.excess) == 1 else "a mean difference"
    if np.isnan(disagreeing).any():
        return f"{subject} is undefined: seeds of both arms diverged"
    return f"{subject} does not agree with its test: a few seeds are far off"
