"""Speed of convergence: how many epochs runs take to reach a score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy


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
    bounds = [scipy.stats.binomtest(count, n).proportion_ci(0.95, method="wilson") for count in counts]
    return Reached(
        epochs=(0.0, *steps),
        fraction=(0.0, *(count / n for count in counts)),
        low=(0.0, *(float(bound.low) for bound in bounds)),
        high=(0.0, *(float(bound.high) for bound in bounds)),
        median=next((step for step, count in zip(steps, counts, strict=True) if 2 * count >= n), None),
    )
