"""The searcher of a sweep: a study for each arm, behind the one searcher that Tune takes.

Every driver rebuilds the studies from the trials in the journal, so that a resumed sweep suggests what an
uninterrupted one would have suggested.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray.tune.search import Searcher
from typing_extensions import override

from sweeps.record.trials import charged_epochs
from sweeps.search.configuration import OBJECTIVE, TRIAL, trial_id
from sweeps.search.optuna import OptunaStudy, starting_points
from sweeps.spec.model import Spec
from sweeps.spec.space import SearchSpace, budget_of
from sweeps.spec.starting import n_random


@dataclass(frozen=True)
class KnownTrial:
    """A trial that an earlier driver started.

    ``arm`` is an index, ``point`` its searched hyperparameters, ``epochs`` the number that it has reported,
    ``score`` what its study learns, None if it failed.
    """

    id: str
    arm: int
    point: Mapping[str, Any]
    epochs: int
    ended: bool
    score: float | None


class ArmSearcher(Searcher):
    """Takes each suggestion from the study of one arm, so that every arm learns from its own trials alone.

    Interrupted trials come first, with the configurations that they had. Then it is the turn of the arm that
    has used least of its budget, so that a sweep that is cut short is balanced.
    """

    def __init__(
        self,
        studies: Sequence[OptunaStudy],
        budgets: Sequence[int],
        *,
        longest: int | None = None,
        known: Iterable[KnownTrial] = (),
        last_number: int = 0,
    ) -> None:
        """Start from what earlier drivers did.

        Args:
            studies: One per arm.
            budgets: How many trials each arm starts. If ``longest`` is given: epochs after which each arm
                starts no trial; its last may exceed them.
            longest: For budgets in epochs, the most epochs of a trial; a running one is charged all of them.
            known: Trials that earlier drivers started, in the order of their numbers.
            last_number: The highest number of a trial so far; those of another stage count.
        """
        super().__init__()
        self._studies = list(studies)
        self._budgets, self._longest = budgets, longest
        # Configurations by Tune's trial ID; everything else is by the ID in the journal.
        self._suggested: dict[str, dict[str, Any]] = {}
        self._arm_of: dict[str, int] = {}
        self._epochs_of: Counter[str] = Counter()
        self._running: set[str] = set()
        self._interrupted: list[dict[str, Any]] = []
        self._number = last_number
        for trial in known:
            self._restart(trial)

    def _restart(self, trial: KnownTrial) -> None:
        configuration = self._studies[trial.arm].ask(trial.id, trial.point)
        self._number = max(self._number, int(trial.id))
        self._arm_of[trial.id] = trial.arm
        self._epochs_of[trial.id] = trial.epochs
        if trial.ended:
            self._studies[trial.arm].tell(trial.id, trial.score)
        else:
            self._running.add(trial.id)
            self._interrupted.append({**configuration, TRIAL: trial.id})

    @override
    def suggest(self, trial_id: str) -> Any:
        """Suggest a configuration, None to ask later, or ``FINISHED`` when every arm has had its budget."""
        if trial_id not in self._suggested:
            suggestion = self._interrupted.pop(0) if self._interrupted else self._next()
            if not isinstance(suggestion, dict):
                return suggestion
            self._suggested[trial_id] = suggestion
        return self._suggested[trial_id]

    def _next(self) -> Any:
        spent = [0] * len(self._studies)
        for name, arm in self._arm_of.items():
            spent[arm] += self._charged(name)
        shares = [used / budget for used, budget in zip(spent, self._budgets, strict=True)]
        arm = shares.index(min(shares))
        if shares[arm] >= 1:
            # A running trial may end with fewer epochs than it is charged for.
            return None if self._longest and self._running else self.FINISHED
        self._number += 1
        name = trial_id(self._number)
        self._arm_of[name] = arm
        self._running.add(name)
        return {**self._studies[arm].ask(name), TRIAL: name}

    def _charged(self, name: str) -> int:
        """Return a trial's share of its arm's budget, in trials or epochs: all epochs while it runs."""
        if self._longest is None:
            return 1
        return self._longest if name in self._running else charged_epochs(self._epochs_of[name])

    @override
    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        self._count(self._suggested[trial_id][TRIAL], result)

    @override
    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        name = self._suggested[trial_id][TRIAL]
        self._running.discard(name)
        # Tune passes the last epoch of a trial that is stopped early only here, not to on_trial_result.
        self._count(name, result or {})
        score = None if error or not result else result[OBJECTIVE]
        self._studies[self._arm_of[name]].tell(name, score)

    def _count(self, name: str, result: Mapping[str, Any]) -> None:
        self._epochs_of[name] = max(self._epochs_of[name], result.get("epoch", 0))

    @override
    def save(self, checkpoint_path: str) -> None:
        """Do nothing; the journal already holds this state."""

    @override
    def restore(self, checkpoint_path: str) -> None:
        """Do nothing; the journal already holds this state."""


def build_searcher(spec: Spec, known: Iterable[KnownTrial] = (), last_number: int = 0) -> ArmSearcher:
    """Build a spec's searcher: a study for each arm of a comparison, or a single one over the joint space."""
    earlier: dict[str, Any] = {"known": known, "last_number": last_number}
    stage = spec.search_stage
    if stage is None:
        trials = spec.budget.trials or 0
        return ArmSearcher([OptunaStudy(spec, SearchSpace(spec), random=n_random(spec))], [trials], **earlier)
    studies = []
    for tuned in spec.tuned:
        start = starting_points(spec, tuned)
        studies.append(OptunaStudy(spec, SearchSpace(spec, tuned), start, random=len(start)))
    budgets = [budget_of(spec, tuned) for tuned in spec.tuned]
    return ArmSearcher(studies, budgets, longest=spec.max_epochs if stage.epochs_per_arm else None, **earlier)
