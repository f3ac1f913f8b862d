"""How far the scores of an arm fall from its best epoch to its last."""

from collections.abc import Mapping, Sequence

import numpy as np

from sweeps.analysis.arms import Arm, curve_of
from sweeps.spec.looks import n_choosing


def best_and_last(curves: Mapping[int, Sequence[float]]) -> tuple[dict[int, float], dict[int, float]]:
    """Return by seed the score at the arm's best epoch, and the score after its last.

    The first fifth of the seeds choose the epoch: the one before the last with their best mean. Only the
    other seeds have a result. Were the best epoch that of each seed's own curve, every curve that is flat but
    noisy would fall, by the luck of its best epoch. Seeds that had no part in the choice show a difference of
    0 on average for a flat curve, and a negative one for a curve that still rises.

    Leaving out only the seed itself, so that every seed is judged at the best epoch of all others, is not
    enough. The differences then have a mean of 0 as well, but since nearly all seeds have a part in the same
    choice they are not independent, and flat curves fall in up to four times as many studies as they may.

    Choosing seeds that diverged do not count, unless all did: the mean is -inf once one of them diverged.

    Args:
        curves: Scores after each epoch by seed, larger if better, each of the same length of two or more;
            -inf from the epoch in which a seed diverged.

    Returns:
        Scores at the best epoch, and after the last; empty for fewer than two seeds.
    """
    seeds, scores = sorted(curves), np.array([curves[seed] for seed in sorted(curves)], float)
    n = n_choosing(len(seeds))
    if len(seeds) <= n:
        return {}, {}
    best = scores[n:, _best_epoch(scores[:n])]
    tested = seeds[n:]
    return dict(zip(tested, best.tolist(), strict=True)), dict(
        zip(tested, scores[n:, -1].tolist(), strict=True)
    )


def _best_epoch(scores: np.ndarray) -> int:
    """Return the index of the best mean before the last epoch, for scores of shape (seeds, epochs)."""
    whole = scores[np.isfinite(scores).all(axis=1)]
    means = (whole if len(whole) else scores).mean(axis=0)
    return int(np.argmax(means[:-1]))


def curves_of(arm: Arm, metric: str, *, larger_is_better: bool) -> dict[int, list[float]]:
    """Return the curves of an arm's seeds for ``best_and_last``; failed and open trials are left out."""
    sign, curves = 1.0 if larger_is_better else -1.0, dict[int, list[float]]()
    for trial in arm.trials:
        scores = [sign * score for score in curve_of(trial, metric)[1]]
        if trial.status == "diverged":
            # The last epoch is the one in which it diverged, whatever its scores.
            curves[trial.seed] = [*scores[:-1], *[-np.inf] * (arm.horizon - len(scores[:-1]))]
        elif trial.status == "finished" and metric in trial.last:
            curves[trial.seed] = scores
    return {seed: [x if np.isfinite(x) else -np.inf for x in curve] for seed, curve in curves.items()}
