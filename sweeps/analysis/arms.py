"""Which trials an arm is judged by, and what they came to."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from sweeps.analysis.stats import epochs_to_reach
from sweeps.record.state import CONFIRM, SEARCH, SweepState, TrialRecord
from sweeps.spec.model import Spec
from sweeps.spec.space import is_active


@dataclass(frozen=True)
class Arm:
    """One configuration of an arm, trained with several seeds.

    Attributes:
        name: The value of what is compared.
        point: Its searched hyperparameters, the arm included.
        trials: One a seed, in the order of the seeds.
    """

    name: str
    point: Mapping[str, Any]
    trials: Sequence[TrialRecord]

    def final(self, metric: str, epoch: int | None = None) -> dict[int, float]:
        """Take a metric after the last epoch.

        Args:
            metric: Its name.
            epoch: Or after this one.

        Returns:
            Finite values by seed; trials that did not finish have none.
        """
        values = {
            trial.seed: (trial.epochs.get(epoch, {}) if epoch else trial.last).get(metric, math.nan)
            for trial in self.trials
            if trial.status == "finished"
        }
        return {seed: value for seed, value in values.items() if math.isfinite(value)}

    def reaching(self, metric: str, target: float, *, larger_is_better: bool) -> dict[int, int | None]:
        """Take the epochs until a metric was as good as a target.

        Args:
            metric: A metric of every epoch.
            target: What to reach.
            larger_is_better: Its direction.

        Returns:
            First such epoch by seed; None for a trial that never was, or diverged.
        """
        return {
            trial.seed: epochs_to_reach(
                [trial.epochs[epoch].get(metric, math.nan) for epoch in sorted(trial.epochs)],
                target,
                larger_is_better,
            )
            if trial.status == "finished"
            else None
            for trial in self.trials
            if trial.status in ("finished", "diverged")
        }

    def is_unsound(self, metric: str, epoch: int | None = None) -> bool:
        """Tell whether seeds are missing from a metric because training went wrong.

        Args:
            metric: Its name.
            epoch: After this epoch; None: after the last.

        Returns:
            Whether it diverged or failed with a seed, or finished with a metric that is not finite.
        """
        finished = [trial for trial in self.trials if trial.status == "finished"]
        values = [
            (trial.epochs.get(epoch, {}) if epoch else trial.last).get(metric, 0.0) for trial in finished
        ]
        return self.diverged + self.failed > 0 or not all(map(math.isfinite, values))

    @property
    def failed(self) -> int:
        """Seeds with which its trial failed for good."""
        return sum(trial.status == "failed" for trial in self.trials)

    @property
    def diverged(self) -> int:
        """Seeds with which it diverged."""
        return sum(trial.status == "diverged" for trial in self.trials)

    @property
    def horizon(self) -> int:
        """Epochs of its longest trial."""
        return max(trial.hyperparameters["epochs"] for trial in self.trials)


def arms_of(state: SweepState, where: Mapping[str, Any] | None = None) -> list[Arm]:
    """List what each arm is judged by.

    Args:
        state: The sweep.
        where: In a grid, the point: hyperparameters that apply to an arm must have these values.

    Returns:
        In a study with a confirm stage, each arm's configuration with the best mean objective on validation;
        in a grid, each arm at the point; in another search none, as its trials share one seed.
    """
    if state.spec.confirms:
        return _confirmed_arms(state)
    return _grid_arms(state, where or {}) if state.spec.is_grid else []


def _confirmed_arms(state: SweepState) -> list[Arm]:
    candidates: dict[str, list[Arm]] = {}
    for point in state.selected or []:
        name = str(point[state.spec.compared])
        if trials := state.confirmed(point):
            candidates.setdefault(name, []).append(Arm(name, point, trials))
    # The same number for every arm: the best of more, chosen by the seeds that judge it, would look better.
    n = min(map(len, candidates.values()), default=0)
    return [_best(state.spec, candidates[str(arm)][:n]) for arm in state.spec.arms if str(arm) in candidates]


def _best(spec: Spec, candidates: Sequence[Arm]) -> Arm:
    sign = 1 if spec.objective.mode == "max" else -1

    def quality(arm: Arm) -> tuple[int, float]:
        scores = arm.final(spec.objective.metric).values()
        return len(scores), sign * fmean(scores) if scores else -math.inf

    return max(candidates, key=quality)


def _grid_arms(state: SweepState, where: Mapping[str, Any]) -> list[Arm]:
    arms = []
    for value in state.spec.arms:
        trials = [trial for trial in state.of_stage(SEARCH) if trial.arm == str(value)]
        trials = [trial for trial in trials if _is_at(state.spec, trial, where)]
        if trials:
            point = state.spec.searched_of(trials[0].hyperparameters)
            arms.append(Arm(str(value), point, sorted(trials, key=lambda trial: trial.seed)))
    return arms


def _is_at(spec: Spec, trial: TrialRecord, where: Mapping[str, Any]) -> bool:
    return all(
        trial.hyperparameters[name] == value
        for name, value in where.items()
        if is_active(spec, spec.space[name], trial.hyperparameters)
    )


def points_of(spec: Spec) -> list[tuple[str, dict[str, Any]]]:
    """List the points of a grid at which arms are compared.

    Args:
        spec: The sweep.

    Returns:
        A suffix for titles, and the values; one point with nothing in it where there is no grid.
    """
    if not spec.is_grid:
        return [("", {})]
    several = {
        name: dimension.values
        for name, dimension in spec.space.items()
        if name != spec.compared and len(dimension.values) > 1
    }
    points = [dict(zip(several, values, strict=True)) for values in itertools.product(*several.values())]
    return [(", ".join(f"{name} {value}" for name, value in point.items()), point) for point in points]


def common_target(arms: Sequence[Arm], metric: str, *, larger_is_better: bool) -> float | None:
    """Find a score that every seed of every arm comes to, to compare how soon.

    Args:
        arms: The arms.
        metric: A metric of every epoch.
        larger_is_better: Its direction.

    Returns:
        The worst after the last epoch; None if no seed has finished.
    """
    scores = [score for arm in arms for score in arm.final(metric).values()]
    if not scores:
        return None
    return min(scores) if larger_is_better else max(scores)


def reference_of(spec: Spec) -> str:
    """Say which arm the others are compared with.

    Args:
        spec: The sweep.

    Returns:
        ``none``, or else the first arm.
    """
    names = [str(arm) for arm in spec.arms]
    return "none" if "none" in names else names[0]


def on_shared_seeds(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Pair the values of two arms.

    Args:
        first: Values by seed.
        second: Likewise.

    Returns:
        Both arms' values of the seeds that both have, in the order of the seeds.
    """
    seeds = sorted(first.keys() & second.keys())
    return np.array([first[seed] for seed in seeds]), np.array([second[seed] for seed in seeds])


def is_judgeable(state: SweepState) -> bool:
    """Tell whether there is anything to judge by.

    Args:
        state: The sweep.

    Returns:
        Whether several seeds of one configuration have ended.
    """
    return bool(state.of_stage(CONFIRM)) or (state.spec.is_grid and state.spec.seeds > 1)
