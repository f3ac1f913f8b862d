"""Arms side by side: each with a searcher and a scheduler of its own, behind Tune's one of each."""

import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from sweeps.parts import Scalar


def charged_epochs(epochs: int) -> int:
    """Say how much of a budget in epochs a trial has used.

    Args:
        epochs: How many it ended with.

    Returns:
        At least one: trials that fail before their first epoch would never end.
    """
    return max(1, epochs)


class ArmSearcher(Searcher):
    """Hands each suggestion to the searcher of one arm, so that every arm learns from its own trials alone.

    The arm that has had least comes first: a sweep that is cut short is balanced.
    """

    def __init__(
        self, searchers: Sequence[OptunaSearch], *, trials: int | None, epochs: int | None, longest: int
    ) -> None:
        """Share a budget evenly.

        Args:
            searchers: One an arm.
            trials: How many each arm starts.
            epochs: Or how many epochs each has had when it starts no more; the last trial may go beyond.
            longest: The most epochs of a trial: what a running one is expected to take.
        """
        super().__init__(metric=searchers[0].metric, mode=searchers[0].mode)
        self._searchers = list(searchers)
        self._trials, self._epochs, self._longest = trials, epochs, longest
        self._arm_of: dict[str, int] = {}
        self._epochs_of: Counter[str] = Counter()
        self._running: set[str] = set()

    def suggest(self, trial_id: str) -> Any:
        """Suggest a configuration of the arm whose turn it is.

        Args:
            trial_id: Tune's name of the trial to be.

        Returns:
            The configuration; None while running trials decide whether there are more; ``FINISHED`` when
            every arm has had its budget.
        """
        if trial_id not in self._arm_of:
            spent = self._spent()
            arm = spent.index(min(spent))
            if spent[arm] >= (self._epochs or self._trials or 0):
                return None if self._epochs and self._running else self.FINISHED
            self._arm_of[trial_id] = arm
            self._running.add(trial_id)
        return self._searchers[self._arm_of[trial_id]].suggest(trial_id)

    def _spent(self) -> list[int]:
        spent = [0] * len(self._searchers)
        for trial_id, arm in self._arm_of.items():
            running = trial_id in self._running
            epochs = self._longest if running else charged_epochs(self._epochs_of[trial_id])
            spent[arm] += epochs if self._epochs else 1
        return spent

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take an epoch in.

        Args:
            trial_id: The trial.
            result: What it reported.
        """
        self._count(trial_id, result)
        self._searchers[self._arm_of[trial_id]].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take a trial's end in.

        Args:
            trial_id: The trial.
            result: What it reported last.
            error: Whether it failed.
        """
        self._running.discard(trial_id)
        self._count(trial_id, result or {})  # Tune tells the last epoch of a trial that ASHA stops only here
        self._searchers[self._arm_of[trial_id]].on_trial_complete(trial_id, result, error)

    def _count(self, trial_id: str, result: Mapping[str, Any]) -> None:
        self._epochs_of[trial_id] = max(self._epochs_of[trial_id], result.get("epoch", 0))

    def save(self, checkpoint_path: str) -> None:
        """Write its state, as ``OptunaSearch`` does.

        Args:
            checkpoint_path: The file.
        """
        Path(checkpoint_path).write_bytes(pickle.dumps(self.__dict__))

    def restore(self, checkpoint_path: str) -> None:
        """Read its state.

        Args:
            checkpoint_path: A file of ``save``.
        """
        self.__dict__.update(pickle.loads(Path(checkpoint_path).read_bytes()))


class ArmScheduler(FIFOScheduler):
    """Hands each trial to the ASHA of its arm: a mode that learns slowly at first loses nothing to another.

    Trials run in the order in which they were suggested.
    """

    def __init__(
        self,
        compared: str | None,
        schedulers: Mapping[Scalar, ASHAScheduler],
        history: Callable[[], Iterable[tuple[Any, dict[str, Any]]]] | None = None,
    ) -> None:
        """Rank each arm by itself.

        Args:
            compared: The hyperparameter whose values are the arms; None for one of all trials, named None.
            schedulers: One an arm.
            history: Trials and what they reported. Tune revives a scheduler as it was before the first trial,
                and what it had learned is learned again from here.
        """
        super().__init__()
        self._compared, self._schedulers = compared, dict(schedulers)
        self._history, self._revived = history, False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._revived = self._history is not None

    def _catch_up(self) -> None:
        if self._revived and self._history:
            self._revived = False
            for trial, result in self._history():
                self._of(trial).on_trial_add(None, trial)
                self._of(trial).on_trial_result(None, trial, result)

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

    def _of(self, trial: Trial) -> ASHAScheduler:
        return self._schedulers[trial.config[self._compared] if self._compared else None]

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take a trial in.

        Args:
            tune_controller: Tune's.
            trial: The trial.
        """
        self._catch_up()
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Decide whether a trial goes on.

        Args:
            tune_controller: Tune's.
            trial: The trial.
            result: What it reported.

        Returns:
            CONTINUE or STOP.
        """
        return str(self._of(trial).on_trial_result(tune_controller, trial, result))

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Take a trial's end in.

        Args:
            tune_controller: Tune's.
            trial: The trial.
            result: What it reported last.
        """
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Forget a trial that has not run.

        Args:
            tune_controller: Tune's.
            trial: The trial.
        """
        self._of(trial).on_trial_remove(tune_controller, trial)

    def debug_string(self) -> str:
        """Describe it.

        Returns:
            What each arm's scheduler says.
        """
        return "\n".join(f"{arm}: {each.debug_string()}" for arm, each in self._schedulers.items())
