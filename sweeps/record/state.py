"""The state of a sweep, rebuilt from its journal: one record per trial."""

import copy
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from sweeps.record.earlier import EarlierEvents
from sweeps.record.journal import Event
from sweeps.record.rounds import Round, rounds_of
from sweeps.record.trials import CONFIRM, ENDED, SEARCH, STATUSES, TrialRecord, charged_epochs
from sweeps.spec.claim import Claim
from sweeps.spec.looks import Look, share_out
from sweeps.spec.model import Spec
from sweeps.spec.space import (
    budget_of,
    grid_points,
    identity,
    identity_of,
    n_trials,
    tuned_by,
    with_points_at,
)


class SweepState:
    """All trials of a sweep.

    Attributes:
        trials: By ID.
        versions: The software versions of each driver.
        commits: The git commits from which drivers were started.
        fingerprints: Hashes of the data.
        ended_as: The status with which the last driver ended: ``finished``, ``failed`` or ``interrupted``;
            empty if it did not record one, or the sweep goes on.
        exporting: ID of the trial whose network a driver began to export; empty if none did.
        exported: ID of the trial whose network has been exported; empty if none has.
        selected: The configurations that the search chose for the confirm stage: the hyperparameters that
            differ between trials, with the arm. None until the search is complete.
        post_hoc: Claims that were made after the sweep had begun.
        extensions: The events that extended the sweep.
        retries: The events that let failed trials run again.
    """

    def __init__(self, spec: Spec, events: Iterable[Event] = ()) -> None:
        self.spec = spec
        self.trials: dict[str, TrialRecord] = {}
        self.versions, self.commits = set[str](), set[str]()
        self.fingerprints, self.hosts = set[str](), set[str]()
        self.selected: list[dict[str, Any]] | None = None
        self.post_hoc: list[Claim] = []
        self.extensions: list[Event] = []
        self.retries: list[Event] = []
        # The looks that the driver has closed, and the configurations that it let go on after each.
        self._closed: list[Look] = []
        self._going_on: list[list[dict[str, Any]]] = []
        # The number of seeds that had results when the looks to come were declared.
        self._known = 0
        self._begun: list[Round] | None = None
        self._identities: dict[str, str] = {}
        self._earlier = EarlierEvents(spec)
        self.ended_as = self.exporting = self.exported = ""
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Update the state with the journal's next event."""
        event = self._earlier.read(event)
        kind = event["event"]
        if kind in ("begin", "extend", "retry"):
            self.ended_as = ""
        if kind == "begin":
            self._begin(event)
        elif kind == "select":
            self.selected, self._begun = event["points"], None
        elif kind == "look":
            self._closed.append(Look(event["seeds"], event["share"], event["known"]))
            self._going_on.append(event["points"])
            self._begun = None
        elif kind == "extend":
            self._extend(event)
        elif kind == "retry":
            self._retry(event)
        elif kind == "claims":
            self.post_hoc += [Claim.model_validate(claim) for claim in event["claims"]]
        elif kind == "finish":
            self.ended_as = event["status"]
        elif kind == "export":
            self.exporting = event["best"]
        elif kind == "model":
            self.exported = event["best"]
        elif kind == "start":
            self._start(event)
        elif kind == "epoch":
            trial = self.trials[event["trial"]]
            trial.epochs[event["epoch"]] = event["metrics"]
            trial.correct = event.get("correct")
            trial.fingerprint = event["tags"].get("data_fingerprint", "")
            self.fingerprints |= {trial.fingerprint} - {""}
            self.hosts.add(event["tags"]["host"])
        elif kind == "remark":
            self.trials[event["trial"]].remarks.append(event["text"])
        elif kind == "end":
            trial = self.trials[event["trial"]]
            trial.status, trial.reason, trial.ended = event["status"], event["reason"], event["time"]

    def _begin(self, event: Event) -> None:
        self.versions.add(event["versions"])
        if commit := event.get("git_commit"):
            self.commits.add(commit)
        self.interrupt()

    def interrupt(self) -> None:
        """Mark the running trials of a driver that was killed before it could record their end."""
        for trial in self.trials.values():
            if trial.status == "running":
                trial.status = "interrupted"

    def _extend(self, event: Event) -> None:
        self.extensions.append(event)
        self._begun, self._known = None, event["known"]
        if event["search"]:
            self._search_again()

    def _retry(self, event: Event) -> None:
        self.retries.append(event)
        for name in event["trials"]:
            self.trials[name].status = "interrupted"
        self._begun = None
        if event["search"]:
            self._search_again()
        del self._closed[event["looks"] :], self._going_on[event["looks"] :]

    def _search_again(self) -> None:
        """Let the search choose again; what it chooses is looked at from the first look on."""
        self.selected, self._closed, self._going_on, self._known = None, [], [], 0

    def _start(self, event: Event) -> None:
        if known := self.trials.get(event["trial"]):
            known.status, known.reason = "running", ""
            return
        self.trials[event["trial"]] = TrialRecord(
            id=event["trial"],
            number=event["number"],
            arm=event["arm"],
            seed=event["seed"],
            hyperparameters=event["hyperparameters"],
            started=event["time"],
            stage=event.get("stage", SEARCH),
            used=event["used"],
        )

    def by_number(self) -> list[TrialRecord]:
        """List all trials in the order of starting."""
        return sorted(self.trials.values(), key=lambda trial: trial.number)

    def of_stage(self, stage: str, arm: str | None = None) -> list[TrialRecord]:
        """List the trials of ``search`` or ``confirm``, of one arm or of all, by number."""
        return [trial for trial in self.by_number() if trial.stage == stage and arm in (None, trial.arm)]

    def counts(self) -> dict[str, int]:
        """Count the trials of every status."""
        counter = Counter(trial.status for trial in self.trials.values())
        return {status: counter[status] for status in STATUSES}

    def _n_ended(self, stage: str) -> int:
        return sum(trial.status in ENDED for trial in self.of_stage(stage))

    @property
    def searched(self) -> bool:
        """Whether the search has used its budget; true for a sweep without a search."""
        if self.selected is not None or self.spec.is_grid:
            return True
        if not self.spec.stages:
            return self._n_ended(SEARCH) >= (n_trials(self.spec) or 0)
        stage = self.spec.search_stage
        if stage is None:
            return True
        spent: Counter[int] = Counter()
        for trial in self.of_stage(SEARCH):
            if trial.status in ENDED:
                epochs = 1 if stage.trials_per_arm else charged_epochs(len(trial.epochs))
                spent[tuned_by(self.spec, trial.hyperparameters)] += epochs
        # A trial starts only while budget is left, so the budget is not used up while one runs.
        return all(spent[index] >= budget_of(self.spec, tuned) for index, tuned in enumerate(self.spec.tuned))

    @property
    def looks(self) -> list[Look]:
        """All declared looks, with their shares of alpha."""
        return share_out(self.spec.n_seeds, self._closed, self._known)

    @property
    def taken(self) -> list[Look]:
        """The looks of which every trial has ended: claims are judged at these."""
        n = len(self.rounds)
        return self.looks[: n if n and self.round_is_complete and self.rounds[-1].points else max(0, n - 1)]

    @property
    def looked_stage(self) -> str | None:
        """The stage whose configurations have several seeds: confirm, or that of a grid; None for neither."""
        return CONFIRM if self.spec.confirms else SEARCH if self.spec.is_grid else None

    @property
    def rounds(self) -> list[Round]:
        """What the looks train that have begun; none before the search has chosen."""
        if self._begun is None:
            known = self.selected is not None if self.spec.confirms else self.spec.is_grid
            first = self.to_confirm if self.spec.confirms else grid_points(self.spec) if known else []
            self._begun = rounds_of(self.spec, [first, *self._going_on]) if known else []
        return self._begun

    @property
    def round_is_complete(self) -> bool:
        """Whether every trial of the rounds that have begun has ended."""
        ended = {key for key, trial in self.by_point_and_seed.items() if trial.status in ENDED}
        return all(key in ended for each in self.rounds for key in each)

    @property
    def by_point_and_seed(self) -> dict[tuple[str, int], TrialRecord]:
        """The trials of a confirm stage or a grid, by configuration (``identity``) and seed."""
        trials = self.of_stage(self.looked_stage) if self.looked_stage else []
        return {(self.identity(trial), trial.seed): trial for trial in trials}

    def identity(self, trial: TrialRecord) -> str:
        """Return the ``identity`` of a trial's configuration, which is the same for all of its seeds."""
        if trial.id not in self._identities:
            self._identities[trial.id] = identity(self.spec, trial.hyperparameters)
        return self._identities[trial.id]

    @property
    def complete(self) -> bool:
        """Whether all that the spec asks for has been run."""
        if not self.searched or self.looked_stage is None:
            return self.searched
        if not self.rounds or not self.round_is_complete:
            return False
        return len(self.rounds) == len(self.looks) or not self.rounds[-1].points

    @property
    def n_known(self) -> int:
        """The number of seeds, from the first, of which a trial has begun: their results may be known."""
        seeds = [seed for _, seed in self.by_point_and_seed]
        return max(seeds) - self.spec.replicates[0] + 1 if seeds else 0

    def at_look(self, look: Look) -> "SweepState":
        """Return the state with the trials of the seeds that a look tests."""
        seeds, view = self.spec.replicates[look.known : look.seeds], copy.copy(self)
        view.trials = {
            trial.id: trial
            for trial in self.trials.values()
            if trial.stage != self.looked_stage or trial.seed in seeds
        }
        return view

    @property
    def to_confirm(self) -> list[dict[str, Any]]:
        """The configurations that the confirm stage trains with every seed.

        They are those selected, and the first of each arm with the values of every point in ``at``.
        """
        return with_points_at(self.spec, self.selected or [])

    @property
    def n_trials(self) -> int | None:
        """The number of trials up to the next look; None while a search with a budget in epochs runs."""
        n_search = n_trials(self.spec) if self.selected is None else self._n_ended(SEARCH)
        confirm = self.spec.confirm
        if n_search is None or self.looked_stage is None:
            return n_search
        if self.rounds or confirm is None:
            planned = {key for each in self.rounds for key in each}
            # Those of configurations that a larger search no longer chose count too.
            known = planned | self.by_point_and_seed.keys()
            return len(known) + (n_search if confirm else 0)
        at = len(with_points_at(self.spec, self.spec.tuned)) - len(self.spec.tuned)
        return n_search + (len(self.spec.tuned) * confirm.top + at) * self.spec.n_seeds[0]

    def select(self) -> list[dict[str, Any]]:
        """Choose what the confirm stage trains: the best configurations of each arm, by validation.

        A point has the searched hyperparameters and the arm; the best of every arm come before the second of
        any. An arm in which no trial has a finite score has none; one with few configurations has fewer.
        """
        confirm = self.spec.confirm
        if confirm is None:
            return []
        if given := confirm.configurations:
            return [{**tuned, **given[str(tuned[self.spec.compared])]} for tuned in self.spec.tuned]
        best_by_arm = [self._best_points(index)[: confirm.top] for index in range(len(self.spec.tuned))]
        return [point for rank in itertools.zip_longest(*best_by_arm) for point in rank if point]

    def _best_points(self, index: int) -> list[dict[str, Any]]:
        """List the configurations that the search tried for one of ``spec.tuned``, the best first."""
        points: dict[tuple[Any, ...], dict[str, Any]] = {}
        for trial in self.ranked(self.of_stage(SEARCH)):
            if tuned_by(self.spec, trial.hyperparameters) == index:
                point = self.spec.searched_of(trial.hyperparameters)
                # A configuration that was tried twice counts once.
                points.setdefault(tuple(point.values()), point)
        return list(points.values())

    def score(self, trial: TrialRecord) -> float | None:
        """Return the objective's metric after the trial's last epoch; None before the first."""
        return trial.last.get(self.spec.objective.metric)

    def ranked(self, trials: Iterable[TrialRecord], *, running: bool = False) -> list[TrialRecord]:
        """Sort trials by the objective after their last epoch, the best first.

        Trials without a finite score are left out. Confirmed trials come before those of the search, and
        trials stopped early after those with all epochs. Equal scores are ranked by the loss on validation:
        by the order of the trials, the starting points would win every tie.

        Args:
            running: Include running trials, and do not put stopped ones last.
        """
        statuses = ("finished", "stopped", "running") if running else ("finished", "stopped")
        sign = -1 if self.spec.objective.mode == "max" else 1
        keyed = []
        for trial in trials:
            score = self.score(trial)
            if trial.status in statuses and score is not None and math.isfinite(score):
                stopped = trial.status == "stopped" and not running
                loss = trial.last.get("val_loss", math.inf)
                tied = loss if math.isfinite(loss) else math.inf, trial.number
                keyed.append((trial.stage != CONFIRM, stopped, sign * score, tied, trial))
        return [trial for *_, trial in sorted(keyed, key=lambda entry: entry[:-1])]

    def best(self, arm: str | None = None) -> TrialRecord | None:
        """Find the best trial so far, of one arm or of all; None if no trial has a finite score."""
        ranked = self.ranked(trial for trial in self.trials.values() if arm in (None, trial.arm))
        return ranked[0] if ranked else None

    def arms(self) -> list[str]:
        """List the arms that have trials: first those of the spec, in its order."""
        present = dict.fromkeys(trial.arm for trial in self.trials.values())
        planned = [str(arm) for arm in self.spec.arms]
        return [*(arm for arm in planned if arm in present), *(arm for arm in present if arm not in planned)]

    def confirmed(self, point: Mapping[str, Any]) -> list[TrialRecord]:
        """List the trials that confirm a configuration, one of ``to_confirm``, by seed."""
        wanted = identity_of(self.spec, point)
        trials = [trial for trial in self.of_stage(CONFIRM) if self.identity(trial) == wanted]
        return sorted(trials, key=lambda trial: trial.seed)
