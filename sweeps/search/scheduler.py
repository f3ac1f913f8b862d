"""Early stopping: an ASHA for each arm, rebuilt by every driver from the journal, behind Tune's interface."""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from typing_extensions import override

from sweeps.search.configuration import OBJECTIVE, TRIAL
from sweeps.spec.model import Spec
from sweeps.spec.sections import ASHA
from sweeps.spec.space import tuned_by


@dataclass(frozen=True)
class Report:
    """What a trial reported after an epoch; ``result`` is as Tune passes it to a scheduler."""

    trial: str
    point: Mapping[str, Any]
    result: dict[str, Any]


class ArmScheduler(FIFOScheduler):
    """Passes each trial to the ASHA of its arm, so that a mode that learns slowly at first is not cut short.

    Trials run in the order in which they were suggested.
    """

    def __init__(self, spec: Spec, asha: ASHA, history: Iterable[Report] = ()) -> None:
        """Replay earlier drivers' reports. Without stages, a single ASHA has all trials."""
        super().__init__()
        self._spec = spec
        self._schedulers = [
            ASHAScheduler(
                time_attr="epoch",
                metric=OBJECTIVE,
                mode=spec.objective.mode,
                grace_period=asha.grace_epochs,
                reduction_factor=asha.reduction_factor,
                max_t=spec.max_epochs,
            )
            for _ in (spec.tuned if spec.stages else [None])
        ]
        # The last epoch of each trial by its id, and the decision on it.
        self._decided: dict[str, tuple[int, str]] = {}
        for report in history:
            trial = SimpleNamespace(trial_id=report.trial, config=report.point)
            if report.trial not in self._decided:
                self._asha_of(trial).on_trial_add(None, trial)
            self._decide(trial, report.result)

    @override
    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        trial = _with_own_id(trial)
        if trial.trial_id not in self._decided:
            self._asha_of(trial).on_trial_add(None, trial)

    @override
    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return CONTINUE or STOP; for an epoch that a resumed trial repeats, the decision made before."""
        trial = _with_own_id(trial)
        epoch, decision = self._decided.get(trial.trial_id, (0, self.CONTINUE))
        if result["epoch"] < epoch:
            return str(self.CONTINUE)
        return decision if result["epoch"] == epoch else self._decide(trial, result)

    @override
    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        trial = _with_own_id(trial)
        self._asha_of(trial).on_trial_complete(None, trial, result)

    @override
    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        trial = _with_own_id(trial)
        self._asha_of(trial).on_trial_remove(None, trial)

    def _asha_of(self, trial: Any) -> ASHAScheduler:
        return self._schedulers[tuned_by(self._spec, trial.config) if self._spec.stages else 0]

    def _decide(self, trial: Any, result: dict[str, Any]) -> str:
        decision = str(self._asha_of(trial).on_trial_result(None, trial, result))
        self._decided[trial.trial_id] = result["epoch"], decision
        return decision


def _with_own_id(trial: Any) -> Any:
    """Replace a trial's Tune id, which changes when a sweep is resumed, with the id in its configuration."""
    # Listed trials have their configuration under "point".
    config = trial.config.get("point", trial.config)
    return SimpleNamespace(trial_id=config[TRIAL], config=config)


def build_scheduler(spec: Spec, history: Iterable[Report] = ()) -> ArmScheduler | None:
    """Build a spec's scheduler and replay earlier drivers' reports; None for no early stopping."""
    asha = _asha(spec)
    return None if asha is None else ArmScheduler(spec, asha, history)


def rungs(spec: Spec) -> frozenset[int]:
    """Return the epochs after which a trial may be stopped early; none without early stopping.

    ASHA decides at the first report that is at or above grace_epochs * reduction_factor^k for k = 0, 1, ...
    """
    asha = _asha(spec)
    if asha is None:
        return frozenset()
    milestones = (asha.grace_epochs * asha.reduction_factor**k for k in itertools.count())
    return frozenset(map(math.ceil, itertools.takewhile(lambda epoch: epoch <= spec.max_epochs, milestones)))


def _asha(spec: Spec) -> ASHA | None:
    stage = spec.search_stage
    scheduler = stage.scheduler if stage else spec.scheduler
    return scheduler.asha if scheduler else None
