"""What a claim measures in its arms at one point: a score of every seed."""

import math
from collections.abc import Mapping
from typing import Any

from sweeps.analysis.arms import arms_of, common_target, curve_of, oriented
from sweeps.analysis.drops import best_and_last, curves_of
from sweeps.analysis.stats import area_under, crossing_time
from sweeps.record.state import SweepState
from sweeps.record.trials import TrialRecord
from sweeps.spec.claim import Claim

Scores = dict[int, float]


class Measured:
    """The arms that a claim names, at a point, and their scores by seed, larger if better.

    A score is the metric after an epoch, its mean over the first epochs (``area``), or minus the time in
    epochs until a target (``reach``). A seed that diverged ranks as worst, with -inf.

    Attributes:
        where: The point.
        arms: The claim's arms that have trials at the point, by name.
        compared: The names of the arms that are compared at the point.
    """

    def __init__(self, state: SweepState, claim: Claim, where: Mapping[str, Any]) -> None:
        self._claim, self.where, self.compared = claim, where, dict[str, None]()
        names = set(map(str, claim.arms))
        self.arms = {arm.name: arm for arm in arms_of(state, where) if arm.name in names}
        # A metric without a direction keeps its sign.
        self._larger_is_better = state.spec.directions.get(claim.measured) != "min"
        self._sign = 1.0 if self._larger_is_better else -1.0
        # The shortest horizon counts for every arm: one that trains longer gains nothing by that.
        self._horizon = min((arm.horizon for arm in self.arms.values()), default=0)
        self._target = self._find_target()

    def _find_target(self) -> float | None:
        """Return the score of ``reach``; ``common`` is the worst that a seed of these arms ends with."""
        if self._claim.reach != "common":
            return self._claim.reach
        arms = list(self.arms.values())
        return common_target(arms, self._claim.measured, larger_is_better=self._larger_is_better)

    def scores(self, name: str) -> Scores:
        """Return an arm's scores; empty if it has no trials at the point."""
        return self.arms[name].scores(self._score) if name in self.arms else {}

    def best_and_last(self, name: str) -> tuple[Scores, Scores]:
        """Return an arm's scores at its best epoch and after its last."""
        if name not in self.arms:
            return {}, {}
        metric, larger_is_better = self._claim.measured, self._larger_is_better
        return best_and_last(curves_of(self.arms[name], metric, larger_is_better=larger_is_better))

    def never_reached(self, name: str) -> list[bool]:
        """Return for each seed of an arm whether it diverged or never reached the target of ``reach``."""
        if name not in self.arms or self._target is None:
            return []
        metric, larger_is_better = self._claim.measured, self._larger_is_better
        times = self.arms[name].reaching(metric, self._target, larger_is_better=larger_is_better)
        return [time is None for time in times.values()]

    def _score(self, trial: TrialRecord) -> float | None:
        claim, metric = self._claim, self._claim.measured
        if claim.reach is not None:
            return self._minus_time(trial)
        if metric not in trial.last:
            return None
        if claim.area is None:
            epoch = trial.epochs.get(claim.epoch, {}) if claim.epoch else trial.last
            return oriented(epoch.get(metric), self._sign)
        area = area_under(*curve_of(trial, metric), claim.until or self._horizon)
        # There is none if a score before is not finite.
        return math.nan if area is None else self._sign * area

    def _minus_time(self, trial: TrialRecord) -> float | None:
        """Return minus the time to the target.

        A run that never reached it has horizon + 1 epochs. That is the least it can be, so a difference from
        such a run is a lower bound.
        """
        if self._target is None:
            return None
        time = crossing_time(*curve_of(trial, self._claim.measured), self._target, self._larger_is_better)
        return -(self._horizon + 1.0) if time is None or time > self._horizon else -time
