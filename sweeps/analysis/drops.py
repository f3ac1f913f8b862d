"""How far the scores of an arm fall from its best epoch to its last."""

from collections.abc import Mapping, Sequence

import numpy as np

from sweeps.analysis.arms import Arm, curve_of


def best_and_last(curves: Mapping[int, Sequence[float]]) -> tuple[dict[int, float], dict[int, float]]:
    """Return by seed the score at the arm's best epoch, and the score after its last.

    The best epoch of a seed is the one before the last with the best mean over the other seeds. Were it the
    best of the seed's own curve, every curve that is flat but noisy would fall, by the luck of its best
    epoch. The other seeds choose without knowing that luck: for a flat curve the expected difference is 0,
    for one that still rises it is negative.

    Seeds that diverged choose only if all others did, because the mean is -inf once one of them diverged.

    Args:
        curves: Scores after each epoch by seed, larger if better, each of the same length of two or more;
            -inf from the epoch in which a seed diverged. A single seed has no best epoch.

    Returns:
        Scores at the best epoch, and after the last.
    """
    scores = np.array(list(curves.values()), float)
    best, last = dict[int, float](), dict[int, float]()
    for index, seed in enumerate(curves):
        others = np.delete(scores, index, axis=0)
        if len(others):
            best[seed] = float(scores[index, _best_epoch(others)])
            last[seed] = float(scores[index, -1])
    return best, last


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
