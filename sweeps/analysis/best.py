"""The best configuration of a sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from sweeps.analysis.arms import all_points_of, arms_of, best_arm, has_several_seeds
from sweeps.analysis.failures import none_finished
from sweeps.analysis.standing import Standing, standing_of
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, TrialRecord
from sweeps.spec.space import identity_of


@dataclass(frozen=True)
class Best:
    """The best configuration of a sweep or of an arm, by the objective on validation.

    Attributes:
        arm: Its arm.
        point: The searched hyperparameters, with the arm.
        trials: The trials that the mean is over, one a seed.
        trial: The best of them, whose network is exported.
        mean: The mean objective of the trials after their last epoch.
        standing: The arms that are shown to be better than the reference; its text, such as ``no arm can be
            told from none``, is empty if configurations have one seed, or if there is one arm.
        beaten_by: The arm that a supported claim says is better than this configuration; empty if none does.
    """

    arm: str
    point: Mapping[str, Any]
    trials: Sequence[TrialRecord] = field(repr=False)
    trial: TrialRecord
    mean: float
    standing: Standing
    beaten_by: str = ""

    @property
    def winner(self) -> str:
        """The arm, or the sentence that says that it has not won."""
        is_better = self.arm in self.standing.better and not self.beaten_by
        return self.arm if is_better or not self.standing.text else self.remark

    @property
    def remark(self) -> str:
        """What is shown of the arms, and of this one."""
        beaten = f"; {self.beaten_by} is better than {self.arm}" if self.beaten_by else ""
        return self.standing.text + beaten


def best_of(state: SweepState, arm: str | None = None) -> Best | None:
    """Find the best configuration of a sweep, or of one arm.

    A sweep whose confirm stage is over without a trial that finished has none.

    Where configurations have several seeds, it is the one with the best mean (``best_arm``) of those that are
    compared, also at listed points. Otherwise, and before any seed has ended, it is that of the best trial.

    Args:
        state: The sweep, in any state.
        arm: An arm; None for all.

    Returns:
        The configuration; None if there is none, or no trial has a finite score.
    """
    if state.complete and none_finished(state.of_stage(CONFIRM)):
        return None
    if not has_several_seeds(state.spec):
        return _of_one_trial(state, arm, Standing())
    points = all_points_of(state.spec)
    candidates = [each for where in points for each in arms_of(state, where) if arm in (None, each.name)]
    best = best_arm(state.spec, candidates) if candidates else None
    standing, metric = standing_of(state, points), state.spec.objective.metric
    if best is None or not (scores := best.final(metric)):
        return _of_one_trial(state, arm, standing)
    trials = [trial for trial in best.trials if trial.seed in scores]
    first, mean = state.ranked(trials)[0], fmean(scores.values())
    beaten_by = standing.beaten.get(identity_of(state.spec, best.point), "")
    return Best(best.name, best.point, trials, first, mean, standing, beaten_by)


def _of_one_trial(state: SweepState, arm: str | None, standing: Standing) -> Best | None:
    trial = state.best(arm)
    if trial is None:
        return None
    point, score = state.spec.searched_of(trial.hyperparameters), trial.last[state.spec.objective.metric]
    return Best(trial.arm, point, [trial], trial, score, standing)
