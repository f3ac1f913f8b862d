"""The arms of a study: which trials each is judged by, and their scores."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from sweeps.analysis.stats import crossing_time
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, ENDED, SEARCH, TrialRecord
from sweeps.spec.model import Spec
from sweeps.spec.space import at_point, is_active, points_at


@dataclass(frozen=True)
class Arm:
    """One configuration of an arm, trained with several seeds: one trial per seed, in the order of the seeds.

    ``point`` has the hyperparameters that differ between trials, and the compared one, which gives the name.
    """

    name: str
    point: Mapping[str, Any]
    trials: Sequence[TrialRecord]

    def final(self, metric: str) -> dict[int, float]:
        """Return a metric's finite values by seed, of trials that finished, after the last epoch."""
        values = self.scores(lambda trial: trial.last.get(metric))
        return {seed: value for seed, value in values.items() if math.isfinite(value)}

    def after(self, epoch: int, metric: str) -> dict[int, float]:
        """Return a metric's finite values after an epoch by seed, of trials that finished."""
        finished = [trial for trial in self.trials if trial.status == "finished"]
        values = {trial.seed: trial.epochs.get(epoch, {}).get(metric, math.nan) for trial in finished}
        return {seed: value for seed, value in values.items() if math.isfinite(value)}

    def final_or_worst(self, metric: str, *, larger_is_better: bool) -> dict[int, float]:
        """Return a metric after the last epoch by seed; a seed that diverged has the worst: an infinity."""
        sign = 1.0 if larger_is_better else -1.0
        scores = self.scores(lambda trial: oriented(trial.last.get(metric), sign))
        return {seed: sign * score for seed, score in scores.items()}

    def scores(self, measure: Callable[[TrialRecord], float | None]) -> dict[int, float]:
        """Measure the trials that ended, by seed.

        A seed ranks as worst, with -inf, if its trial diverged or its measure is not finite. Failed and open
        trials are left out, and those for which the measure is None.

        Args:
            measure: Returns a trial's score, larger if better; called only with trials that finished.
        """
        scores: dict[int, float] = {}
        for trial in self.trials:
            if trial.status == "diverged":
                scores[trial.seed] = -math.inf
            elif trial.status == "finished" and (score := measure(trial)) is not None:
                scores[trial.seed] = score if math.isfinite(score) else -math.inf
        return scores

    def reaching(self, metric: str, target: float, *, larger_is_better: bool) -> dict[int, float | None]:
        """Return by seed the time, in epochs, at which a metric was first at least as good as the target.

        It is interpolated between epochs (``crossing_time``), and None if the trial never reached the target
        or diverged. Failed and open trials are left out.
        """
        times: dict[int, float | None] = {}
        for trial in self.trials:
            if trial.status == "finished":
                times[trial.seed] = crossing_time(*curve_of(trial, metric), target, larger_is_better)
            elif trial.status == "diverged":
                times[trial.seed] = None
        return times

    @property
    def failed(self) -> int:
        """Number of seeds whose trial failed."""
        return sum(trial.status == "failed" for trial in self.trials)

    @property
    def diverged(self) -> int:
        """Number of seeds whose trial diverged."""
        return sum(trial.status == "diverged" for trial in self.trials)

    @property
    def horizon(self) -> int:
        """Number of epochs of the longest trial."""
        return max(trial.hyperparameters["epochs"] for trial in self.trials)


def curve_of(trial: TrialRecord, metric: str) -> tuple[list[int], list[float]]:
    """Return the epochs of a trial, and a metric after each; it is NaN where it was not reported."""
    epochs = sorted(trial.epochs)
    return epochs, [trial.epochs[epoch].get(metric, math.nan) for epoch in epochs]


def oriented(value: float | None, sign: float) -> float | None:
    """Return a value times a sign, which makes the larger better; None if there is no value."""
    return None if value is None else sign * value


def arms_of(state: SweepState, where: Mapping[str, Any] | None = None) -> list[Arm]:
    """List the arms with the trials that each is judged by, at a point.

    In a study with a confirm stage, they are those of the arm's configuration with the best mean objective on
    validation; if ``where`` has values of ``at``, those of the arm's first configuration with these values.
    In a grid, they are those with the values ``where``. Hyperparameters that do not apply to an arm do not
    count for it. The list is empty for any other search, as its trials share one seed.

    Args:
        state: The sweep.
        where: Hyperparameters of the point: a value of ``across``, values of ``at``, or a point of the grid.
    """
    if state.spec.confirms:
        return _confirmed_arms(state, where or {})
    return _grid_arms(state, where or {}) if state.spec.is_grid else []


def _confirmed_arms(state: SweepState, where: Mapping[str, Any]) -> list[Arm]:
    spec, candidates = state.spec, dict[str, list[Arm]]()
    across = {name: value for name, value in where.items() if name in spec.strata[0]}
    at = {name: value for name, value in where.items() if name not in across}
    for point in state.selected or []:
        if across.items() <= point.items():
            arm = Arm(str(point[spec.compared]), point, state.confirmed(point))
            candidates.setdefault(arm.name, []).append(arm)
    # Every arm gets the same number of candidates: the best of more would look better by chance, as the seeds
    # that choose it also judge it.
    n = min(map(len, candidates.values()), default=0)
    arms = [_at(state, candidates[str(arm)][:n], at) for arm in spec.arms if str(arm) in candidates]
    return [arm for arm in arms if arm.trials]


def _at(state: SweepState, candidates: Sequence[Arm], at: Mapping[str, Any]) -> Arm:
    """Return an arm at a point of ``at``; without one, the best of its candidates."""
    if not at:
        return best_arm(state.spec, candidates)
    first = candidates[0]
    # Also where nothing of the point applies: only the first configuration of the others is trained there.
    point = at_point(state.spec, first.point, at)
    return Arm(first.name, point, state.confirmed(point))


def best_arm(spec: Spec, candidates: Iterable[Arm]) -> Arm:
    """Return the configuration with the best mean objective on validation over its seeds.

    One of which fewer seeds diverged or failed comes first, as the mean is over the others. The number of
    seeds itself does not count: arms need not all be trained with the same number.
    """
    sign = 1 if spec.objective.mode == "max" else -1

    def quality(arm: Arm) -> tuple[bool, int, float]:
        scores = arm.final(spec.objective.metric).values()
        lost = sum(trial.status in ENDED for trial in arm.trials) - len(scores)
        return bool(scores), -lost, sign * fmean(scores) if scores else -math.inf

    return max(candidates, key=quality)


def _grid_arms(state: SweepState, where: Mapping[str, Any]) -> list[Arm]:
    arms = []
    # Whether a hyperparameter applies takes a while to find out, and many seeds share a configuration.
    by_configuration: dict[str, list[TrialRecord]] = {}
    for trial in state.of_stage(SEARCH):
        by_configuration.setdefault(state.identity(trial), []).append(trial)
    found = [trials for trials in by_configuration.values() if _is_at(state.spec, trials[0], where)]
    there = list(itertools.chain(*found))
    for name in map(str, state.spec.arms):
        if trials := [trial for trial in there if trial.arm == name]:
            point = state.spec.searched_of(trials[0].hyperparameters)
            arms.append(Arm(name, point, sorted(trials, key=lambda trial: trial.seed)))
    return arms


def _is_at(spec: Spec, trial: TrialRecord, where: Mapping[str, Any]) -> bool:
    own, space = trial.hyperparameters, spec.space
    return all(own[name] == value or not is_active(spec, space[name], own) for name, value in where.items())


def points_of(spec: Spec) -> list[tuple[str, dict[str, Any]]]:
    """List the points at which arms are compared, with titles; an empty one if there is only one.

    They are the points of a grid, or the values of ``across``, where each arm has the configuration that the
    search chose for it.
    """
    if not spec.is_grid:
        return [(title_of(stratum), dict(stratum)) for stratum in spec.strata]
    varied = [name for name in spec.space if name != spec.compared and len(spec.space[name].values) > 1]
    combinations = itertools.product(*(spec.space[name].values for name in varied))
    points = [dict(zip(varied, values, strict=True)) for values in combinations]
    return [(title_of(point), point) for point in points]


def all_points_of(spec: Spec) -> list[dict[str, Any]]:
    """List the points at which arms are compared, those of ``at`` among them."""
    points = [dict(point) for _, point in points_of(spec)]
    return [{**point, **at} for point in points for at in ({}, *points_at(spec))]


def title_of(point: Mapping[str, Any]) -> str:
    """Return the title of a point, such as ``sigma 0.03, model deep``; empty for an empty point."""
    return ", ".join(f"{name} {value}" for name, value in point.items())


def common_target(arms: Sequence[Arm], metric: str, *, larger_is_better: bool) -> float | None:
    """Return the worst final score of all arms' seeds, which every seed reaches; None without scores."""
    worst = min if larger_is_better else max
    return worst((score for arm in arms for score in arm.final(metric).values()), default=None)


def reference_of(spec: Spec) -> str:
    """Return the arm that the others are compared with: ``none`` if there is one, otherwise the first."""
    names = [str(arm) for arm in spec.arms]
    return "none" if "none" in names else names[0]


def on_shared_seeds(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Pair two arms' values by seed, and drop seeds that only one has."""
    seeds = sorted(first.keys() & second.keys())
    return np.array([first[seed] for seed in seeds]), np.array([second[seed] for seed in seeds])


def is_judgeable(state: SweepState) -> bool:
    """Whether several seeds train one configuration: in a confirm stage that has begun, or in a grid."""
    if state.spec.confirms:
        return bool(state.selected and state.of_stage(CONFIRM))
    return has_several_seeds(state.spec)


def has_several_seeds(spec: Spec) -> bool:
    """Whether a sweep trains one configuration with several seeds, in a confirm stage or in a grid."""
    return spec.confirms or (spec.is_grid and spec.n_seeds[-1] > 1)


def in_stratum(trials: Sequence[TrialRecord], stratum: Mapping[str, Any]) -> list[TrialRecord]:
    """Select the trials with the value of ``across`` that a stratum has; all for an empty one."""
    return [trial for trial in trials if stratum.items() <= trial.hyperparameters.items()]
