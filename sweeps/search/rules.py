"""The rules that stop an arm's trials early: schedulers of Tune whose decisions a new driver can repeat."""

import math
from typing import Any

import numpy as np
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule
from typing_extensions import override

from sweeps.search.configuration import OBJECTIVE
from sweeps.spec.methods import ASHA, Hyperband, Median, Rule
from sweeps.spec.model import Spec


def scheduler_of(spec: Spec, rule: Rule) -> FIFOScheduler:
    """Build the scheduler of one arm."""
    match rule:
        case ASHA():
            return _asha(spec, rule.grace_epochs, rule.reduction_factor)
        case Hyperband():
            return _Hyperband(spec, rule)
        case Median():
            return _Median(spec, rule)


def _asha(spec: Spec, grace: float, factor: float) -> ASHAScheduler:
    return ASHAScheduler(
        time_attr="epoch",
        metric=OBJECTIVE,
        mode=spec.objective.mode,
        grace_period=grace,
        reduction_factor=factor,
        max_t=spec.max_epochs,
    )


def brackets(hyperband: Hyperband, epochs: int) -> list[tuple[float, float]]:
    """Return the epochs before which each bracket stops no trial, and its share of the trials.

    With factor f and S = floor(log_f(epochs / grace_epochs)), there are brackets s = S, ..., 0. One stops no
    trial before grace_epochs * f^(S - s) epochs, and the last lets all of its trials finish. Each gets trials
    in proportion to f^s / (s + 1), so that all cost about as many epochs (Li et al., 2018, algorithm 1).
    """
    graces, factor = [float(hyperband.grace_epochs)], hyperband.reduction_factor
    while graces[-1] * factor <= epochs:
        graces.append(graces[-1] * factor)
    sizes = [factor**s / (s + 1) for s in reversed(range(len(graces)))]
    return [(grace, size / sum(sizes)) for grace, size in zip([*graces[:-1], epochs], sizes, strict=True)]


class _Hyperband(FIFOScheduler):
    """An ASHA for each bracket. Tune's Hyperband pauses trials or draws their brackets, so cannot be resumed.

    The nth trial of every arm is in the same bracket: the one that is furthest behind its share.
    """

    def __init__(self, spec: Spec, rule: Hyperband) -> None:
        super().__init__()
        graces, self._shares = zip(*brackets(rule, spec.max_epochs), strict=True)
        self._ashas = [_asha(spec, grace, rule.reduction_factor) for grace in graces]
        self._counts = [0] * len(graces)
        self._asha_of: dict[str, ASHAScheduler] = {}

    @override
    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        n = sum(self._counts) + 1
        behind = [share * n - count for share, count in zip(self._shares, self._counts, strict=True)]
        index = behind.index(max(behind))
        self._counts[index] += 1
        self._asha_of[trial.trial_id] = self._ashas[index]
        self._ashas[index].on_trial_add(tune_controller, trial)

    @override
    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return str(self._asha_of[trial.trial_id].on_trial_result(tune_controller, trial, result))

    @override
    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._asha_of[trial.trial_id].on_trial_complete(tune_controller, trial, result)

    @override
    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._asha_of[trial.trial_id].on_trial_remove(tune_controller, trial)


class _Median(MedianStoppingRule):
    """Tune's median rule, which hears of each epoch once and never pauses a trial."""

    def __init__(self, spec: Spec, rule: Median) -> None:
        self._first = rule.grace_epochs
        super().__init__(
            time_attr="epoch",
            metric=OBJECTIVE,
            mode=spec.objective.mode,
            grace_period=rule.grace_epochs,
            min_samples_required=rule.min_trials,
            # A trial would be paused, to wait for others, if it had run for longer than this.
            min_time_slice=math.inf,
        )

    @override
    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Decide on a trial; earlier epochs, which short ones do not report singly, do not count."""
        if result["epoch"] < self._first:
            return str(self.CONTINUE)
        # Means of the worst scores may overflow, to infinity, where less is better.
        with np.errstate(over="ignore"):
            return str(super().on_trial_result(tune_controller, trial, result))

    @override
    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Do nothing: the last epoch is known, and the journal does not have it twice."""
