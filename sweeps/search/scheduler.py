"""Early stopping: a scheduler for each arm, rebuilt from the journal, behind Tune's interface."""

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from typing_extensions import override

from sweeps.search.configuration import TRIAL
from sweeps.search.rules import scheduler_of
from sweeps.spec.methods import Median, Rule
from sweeps.spec.model import Spec
from sweeps.spec.space import tuned_by


@dataclass(frozen=True)
class Report:
    """What a trial reported after an epoch, as Tune passes it to a scheduler; None when it started."""

    trial: str
    point: Mapping[str, Any]
    result: dict[str, Any] | None


@dataclass(frozen=True)
class _Trial:
    """What a scheduler needs of a trial; its ID is the one in the journal, as Tune's changes on a resume."""

    trial_id: str
    config: Mapping[str, Any] = field(compare=False)


class ArmScheduler(FIFOScheduler):
    """Passes each trial to its arm's scheduler, so that a mode that learns slowly at first is not cut short.

    Trials run in the order in which they were suggested.
    """

    def __init__(self, spec: Spec, rule: Rule, history: Iterable[Report] = ()) -> None:
        """Replay earlier drivers' reports. Without stages, a single scheduler has all trials."""
        super().__init__()
        self._spec = spec
        self._schedulers = [scheduler_of(spec, rule) for _ in (spec.tuned if spec.stages else [None])]
        self._added: set[str] = set()
        # The last epoch of each trial by its id, and the decision on it.
        self._decided: dict[str, tuple[int, str]] = {}
        for report in history:
            trial = _Trial(report.trial, report.point)
            self._add(trial)
            if report.result is not None:
                self._decide(trial, report.result)

    @override
    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        self._add(_with_own_id(trial))

    @override
    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return CONTINUE or STOP; for an epoch that a resumed trial repeats, the decision made before."""
        own = _with_own_id(trial)
        epoch, decision = self._decided.get(own.trial_id, (0, self.CONTINUE))
        if result["epoch"] < epoch:
            return str(self.CONTINUE)
        return decision if result["epoch"] == epoch else self._decide(own, result)

    @override
    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        own = _with_own_id(trial)
        self._of(own).on_trial_complete(None, own, result)

    @override
    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        own = _with_own_id(trial)
        self._of(own).on_trial_remove(None, own)

    def _of(self, trial: _Trial) -> FIFOScheduler:
        return self._schedulers[tuned_by(self._spec, trial.config) if self._spec.stages else 0]

    def _add(self, trial: _Trial) -> None:
        if trial.trial_id not in self._added:
            self._added.add(trial.trial_id)
            self._of(trial).on_trial_add(None, trial)

    def _decide(self, trial: _Trial, result: dict[str, Any]) -> str:
        decision = str(self._of(trial).on_trial_result(None, trial, result))
        self._decided[trial.trial_id] = result["epoch"], decision
        return decision


def _with_own_id(trial: Trial) -> _Trial:
    # Listed trials have their configuration under "point".
    config = trial.config.get("point", trial.config)
    return _Trial(config[TRIAL], config)


def build_scheduler(spec: Spec, history: Iterable[Report] = ()) -> ArmScheduler | None:
    """Build a spec's scheduler and replay earlier drivers' reports; None for no early stopping."""
    rule = spec.early_stopping
    return None if rule is None else ArmScheduler(spec, rule, history)


def rungs(spec: Spec) -> frozenset[int]:
    """Return the epochs after which a trial may be stopped early; none without early stopping.

    ASHA decides at the first report that is at or above grace_epochs * reduction_factor^k for k = 0, 1, ...;
    so does Hyperband, whose brackets begin at different k. The median rule decides after every epoch.
    """
    rule = spec.early_stopping
    if rule is None:
        return frozenset()
    if isinstance(rule, Median):
        return frozenset(range(rule.grace_epochs, spec.max_epochs + 1))
    milestones = (rule.grace_epochs * rule.reduction_factor**k for k in itertools.count())
    return frozenset(map(math.ceil, itertools.takewhile(lambda epoch: epoch <= spec.max_epochs, milestones)))
