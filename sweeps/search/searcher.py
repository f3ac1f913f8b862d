"""The searcher of a sweep: each arm has a study of its own, behind Tune's one searcher.

Every driver rebuilds the studies from the trials in the journal, so that a resumed sweep suggests what an
undisturbed one would have suggested.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ray.tune.search import Searcher

from sweeps.record.state import charged_epochs
from sweeps.search.configuration import TRIAL, trial_id


@dataclass(frozen=True)
class KnownTrial:
    """What a searcher has to know of a trial that an earlier driver started.

    Attributes:
        id: Its id.
        arm: Index of its arm.
        point: Its searched hyperparameters.
        epochs: How many it has had.
        ended: Whether it needs no more.
        score: What it is ranked by, if it ended well.
    """

    id: str
    arm: int
    point: Mapping[str, Any]
    epochs: int
    ended: bool
    score: float | None


class Study(Protocol):
    """What suggests the configurations of one arm."""

    def ask(self, trial: str, point: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Suggest the configuration of a trial; with ``point`` that one again."""

    def tell(self, trial: str, score: float | None) -> None:
        """Take in what a trial came to; None if it failed."""


class ArmSearcher(Searcher):
    """Hands each suggestion to the study of one arm, so that every arm learns from its own trials alone.

    Trials that were interrupted come first, as they were; then the arm that has had least, so that a sweep
    that is cut short is balanced.
    """

    def __init__(
        self,
        studies: Sequence[Study],
        *,
        metric: str,
        trials: int | None,
        epochs: int | None,
        longest: int,
        known: Iterable[KnownTrial] = (),
    ) -> None:
        """Share a budget evenly.

        Args:
            studies: One an arm.
            metric: What trials report for them.
            trials: How many each arm starts.
            epochs: Or how many epochs each has had when it starts no more; the last trial may go beyond.
            longest: The most epochs of a trial: what a running one is expected to take.
            known: Trials that were started already, in the order of their numbers.
        """
        super().__init__()
        self._studies = list(studies)
        self._objective = metric
        self._trials, self._epochs, self._longest = trials, epochs, longest
        self._suggested: dict[str, dict[str, Any]] = {}  # by Tune's id
        self._arm_of: dict[str, int] = {}
        self._spent = [0] * len(self._studies)  # of each arm's budget
        self._epochs_of: Counter[str] = Counter()
        self._running: set[str] = set()
        self._interrupted: list[dict[str, Any]] = []
        self._number = 0
        for trial in known:
            self._remember(trial)

    def _remember(self, trial: KnownTrial) -> None:
        configuration = self._studies[trial.arm].ask(trial.id, trial.point)
        self._number = max(self._number, int(trial.id))
        self._arm_of[trial.id] = trial.arm
        self._epochs_of[trial.id] = trial.epochs
        self._spent[trial.arm] += self._expected
        if trial.ended:
            self._charge(trial.id)
            self._studies[trial.arm].tell(trial.id, trial.score)
        else:
            self._running.add(trial.id)
            self._interrupted.append({**configuration, TRIAL: trial.id})

    def suggest(self, trial_id: str) -> Any:
        """Suggest a configuration of the arm whose turn it is.

        Args:
            trial_id: Tune's name of the trial to be.

        Returns:
            The configuration, with the trial's own name; None while running trials decide whether there are
            more; ``FINISHED`` when every arm has had its budget.
        """
        if trial_id not in self._suggested:
            found = self._interrupted.pop(0) if self._interrupted else self._next()
            if not isinstance(found, dict):
                return found
            self._suggested[trial_id] = found
        return self._suggested[trial_id]

    def _next(self) -> Any:
        arm = self._spent.index(min(self._spent))
        if self._spent[arm] >= (self._epochs or self._trials or 0):
            return None if self._epochs and self._running else self.FINISHED
        self._number += 1
        name = trial_id(self._number)
        self._arm_of[name] = arm
        self._spent[arm] += self._expected
        self._running.add(name)
        return {**self._studies[arm].ask(name), TRIAL: name}

    @property
    def _expected(self) -> int:
        return self._longest if self._epochs else 1

    def _charge(self, name: str) -> None:
        # In place of what it was expected to take.
        if self._epochs:
            self._spent[self._arm_of[name]] += charged_epochs(self._epochs_of[name]) - self._longest

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Take an epoch in.

        Args:
            trial_id: Tune's name of the trial.
            result: What it reported.
        """
        self._count(self._suggested[trial_id][TRIAL], result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take a trial's end in.

        Args:
            trial_id: Tune's name of the trial.
            result: What it reported last.
            error: Whether it failed.
        """
        name = self._suggested[trial_id][TRIAL]
        self._running.discard(name)
        self._count(name, result or {})  # Tune tells the last epoch of a trial that ASHA stops only here
        self._charge(name)
        score = None if error or not result else result[self._objective]
        self._studies[self._arm_of[name]].tell(name, score)

    def _count(self, name: str, result: Mapping[str, Any]) -> None:
        self._epochs_of[name] = max(self._epochs_of[name], result.get("epoch", 0))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what it knows is in the journal.

        Args:
            checkpoint_path: Not used.
        """

    def restore(self, checkpoint_path: str) -> None:
        """Nothing.

        Args:
            checkpoint_path: Not used.
        """
