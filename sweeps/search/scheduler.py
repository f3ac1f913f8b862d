"""Early stopping: each arm has an ASHA of its own, behind Tune's one scheduler.

Every driver rebuilds them from the reports in the journal, as it does the studies of the searcher.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from sweeps.search.configuration import OBJECTIVE, TRIAL
from sweeps.spec.model import Spec
from sweeps.spec.sections import ASHA, Scalar


@dataclass(frozen=True)
class Report:
    """An epoch of a trial as its scheduler is told of it."""

    trial: str
    point: Mapping[str, Any]
    result: dict[str, Any]


class ArmScheduler(FIFOScheduler):
    """Hands each trial to the ASHA of its arm: a mode that learns slowly at first loses nothing to another.

    Trials run in the order in which they were suggested.
    """

    def __init__(
        self,
        compared: str | None,
        schedulers: Mapping[Scalar, ASHAScheduler],
        history: Iterable[Report] = (),
    ) -> None:
        """Rank each arm by itself.

        Args:
            compared: The hyperparameter whose values are the arms; None for one of all trials, named None.
            schedulers: One an arm.
            history: What trials have reported to earlier drivers, in that order.
        """
        super().__init__()
        self._compared, self._schedulers = compared, dict(schedulers)
        self._decided: dict[str, tuple[int, str]] = {}  # last epoch of each trial, and what was decided
        for report in history:
            trial = SimpleNamespace(trial_id=report.trial, config={**report.point, TRIAL: report.trial})
            if report.trial not in self._decided:
                self._of(trial).on_trial_add(None, trial)
            self._decide(trial, report.result)

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Keep metric and mode, which the schedulers of the arms have.

        Args:
            metric: Tune's, None.
            mode: Tune's, None.
            **spec: Not used.

        Returns:
            True.
        """
        return True

    def _of(self, trial: Any) -> ASHAScheduler:
        return self._schedulers[trial.config[self._compared] if self._compared else None]

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take a trial in.

        Args:
            tune_controller: Tune's.
            trial: The trial.
        """
        trial = _named(trial)
        if trial.trial_id not in self._decided:
            self._of(trial).on_trial_add(None, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Decide whether a trial goes on.

        Args:
            tune_controller: Tune's.
            trial: The trial.
            result: What it reported.

        Returns:
            CONTINUE or STOP; for an epoch that comes again, what was decided then.
        """
        trial = _named(trial)
        epoch, decision = self._decided.get(trial.trial_id, (0, self.CONTINUE))
        if result["epoch"] < epoch:
            return str(self.CONTINUE)
        return decision if result["epoch"] == epoch else self._decide(trial, result)

    def _decide(self, trial: Any, result: dict[str, Any]) -> str:
        decision = str(self._of(trial).on_trial_result(None, trial, result))
        self._decided[trial.trial_id] = result["epoch"], decision
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Take a trial's end in.

        Args:
            tune_controller: Tune's.
            trial: The trial.
            result: What it reported last.
        """
        trial = _named(trial)
        self._of(trial).on_trial_complete(None, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Forget a trial that has not run.

        Args:
            tune_controller: Tune's.
            trial: The trial.
        """
        trial = _named(trial)
        self._of(trial).on_trial_remove(None, trial)

    def debug_string(self) -> str:
        """Describe it.

        Returns:
            What each arm's scheduler says.
        """
        return "\n".join(f"{arm}: {each.debug_string()}" for arm, each in self._schedulers.items())


def _named(trial: Any) -> Any:
    # By its own name, which stays the same when a sweep is resumed.
    point = trial.config.get("point", trial.config)  # where it is, of a trial that is listed
    return SimpleNamespace(trial_id=point[TRIAL], config=point)


def build_scheduler(spec: Spec, history: Iterable[Report] = ()) -> ArmScheduler | None:
    """Build the scheduler of a spec.

    Args:
        spec: The spec.
        history: What trials have reported to earlier drivers.

    Returns:
        ASHA over epochs, one for each arm of a comparison; or None for no early stopping.
    """
    scheduler = spec.stages.search.scheduler if spec.stages else spec.scheduler
    if scheduler is None:
        return None
    if not spec.stages:
        return ArmScheduler(None, {None: _asha(spec, scheduler.asha)}, history)
    arms = {arm: _asha(spec, scheduler.asha) for arm in spec.arms}
    return ArmScheduler(spec.compared, arms, history)


def _asha(spec: Spec, asha: ASHA) -> ASHAScheduler:
    return ASHAScheduler(
        time_attr="epoch",
        metric=OBJECTIVE,
        mode=spec.objective.mode,
        grace_period=asha.grace_epochs,
        reduction_factor=asha.reduction_factor,
        max_t=spec.max_epochs,
    )
