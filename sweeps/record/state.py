"""The state of a sweep, rebuilt from its journal: one record a trial."""

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sweeps.record.journal import Event
from sweeps.spec.model import Spec
from sweeps.spec.space import n_trials

SEARCH, CONFIRM = "search", "confirm"
ENDED = ("finished", "stopped", "diverged", "failed")
STATUSES = (*ENDED, "interrupted", "running")


@dataclass
class TrialRecord:
    """One trial.

    Attributes:
        id: Its name, for good.
        number: Its place in the order of starting, from 1.
        arm: The noise mode, or the value of what else is compared.
        seed: The seed.
        hyperparameters: All of them, fixed ones and defaults included.
        status: ``running``; ``finished`` all epochs; ``stopped`` early by ASHA; ``diverged``: a loss was not
            finite; ``failed``: an error or a lost worker; ``interrupted``: the sweep ended before it did.
        reason: Why it failed, or was interrupted.
        epochs: Metrics by epoch, from 1.
        started: Time in ms since 1970.
        stage: ``search`` (also of a grid) or ``confirm``.
        ended: Likewise, once it has.
        remarks: What went wrong without harm to its results.
    """

    id: str
    number: int
    arm: str
    seed: int
    hyperparameters: dict[str, Any]
    started: int
    stage: str = SEARCH
    ended: int | None = None
    status: str = "running"
    reason: str = ""
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def last(self) -> dict[str, float]:
        """Metrics of the last epoch; empty before the first."""
        return self.epochs[max(self.epochs)] if self.epochs else {}


def trial_name(number: int, arm: str, seed: int | None = None) -> str:
    """Name a trial for people.

    Args:
        number: Its number.
        arm: Its arm.
        seed: Its seed, where trials differ in it.

    Returns:
        Such as ``0031-layer-seed3``.
    """
    return f"{number:04d}-{arm}" + ("" if seed is None else f"-seed{seed}")


class SweepState:
    """All trials of a sweep.

    Attributes:
        spec: The sweep.
        trials: By id.
        versions: What ran it: the versions of each driver.
        commits: Git commits of the folders that they were started in.
        fingerprints: Of the data.
        hosts: Where its trials ran.
        selected: What the confirm stage trains, each with every seed: searched hyperparameters with the arm;
            None before the search is over.
    """

    def __init__(self, spec: Spec, events: Iterable[Event] = ()) -> None:
        self.spec = spec
        self.trials: dict[str, TrialRecord] = {}
        self.versions: set[str] = set()
        self.commits: set[str] = set()
        self.fingerprints: set[str] = set()
        self.hosts: set[str] = set()
        self.selected: list[dict[str, Any]] | None = None
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Take an event in.

        Args:
            event: From the journal.
        """
        kind = event["event"]
        if kind == "start" and event["trial"] not in self.trials:
            keys = ("number", "arm", "seed", "hyperparameters")
            known = {key: event[key] for key in keys}
            stage = event.get("stage", SEARCH)
            record = TrialRecord(event["trial"], **known, started=event["time"], stage=stage)
            self.trials[record.id] = record
        elif kind == "start":
            self.trials[event["trial"]].status = "running"
        elif kind == "remark":
            self.trials[event["trial"]].remarks.append(event["text"])
        elif kind == "begin":
            for trial in self.trials.values():  # the driver before it was killed
                trial.status = "interrupted" if trial.status == "running" else trial.status
            self.versions.add(event["versions"])
            self.commits |= {event["git_commit"]} if event.get("git_commit") else set()
        elif kind == "select":
            self.selected = event["points"]
        elif kind == "epoch":
            self.trials[event["trial"]].epochs[event["epoch"]] = event["metrics"]
            self.fingerprints.add(event["tags"]["data_fingerprint"])
            self.hosts.add(event["tags"]["host"])
        elif kind == "end":
            trial = self.trials[event["trial"]]
            trial.status, trial.reason, trial.ended = event["status"], event["reason"], event["time"]

    def of_stage(self, stage: str) -> list[TrialRecord]:
        """List the trials of a stage.

        Args:
            stage: ``search`` or ``confirm``.

        Returns:
            By number.
        """
        chosen = (trial for trial in self.trials.values() if trial.stage == stage)
        return sorted(chosen, key=lambda trial: trial.number)

    def _point(self, trial: TrialRecord) -> dict[str, Any]:
        return self.spec.searched_of(trial.hyperparameters)

    @property
    def searched(self) -> bool:
        """Whether the search stage, or a sweep without stages, has had its budget."""
        if self.selected is not None:
            return True
        ended = [trial for trial in self.of_stage(SEARCH) if trial.status in ENDED]
        if not self.spec.stages:
            return len(ended) >= (n_trials(self.spec) or 0)
        stage = self.spec.stages.search
        spent: Counter[str] = Counter()
        for trial in ended:
            spent[trial.arm] += 1 if stage.trials_per_arm else charged_epochs(len(trial.epochs))
        # While a trial of an arm runs, those that ended have had less: it was started within the budget.
        budget = stage.trials_per_arm or stage.epochs_per_arm or 0
        return all(spent[str(arm)] >= budget for arm in self.spec.arms)

    @property
    def complete(self) -> bool:
        """Whether as much has been run as the spec asks for."""
        if not self.searched or self.n_confirm is None:
            return False
        return sum(trial.status in ENDED for trial in self.of_stage(CONFIRM)) >= self.n_confirm

    @property
    def n_confirm(self) -> int | None:
        """Trials of the confirm stage; None before the search is over."""
        if not self.spec.confirms:
            return 0
        return None if self.selected is None else len(self.selected) * len(self.spec.confirm_seeds)

    @property
    def n_trials(self) -> int | None:
        """Trials of all stages as they are planned; None while the search, by epochs, is open."""
        n_search = n_trials(self.spec)
        if self.selected is not None:
            n_search = sum(trial.status in ENDED for trial in self.of_stage(SEARCH))
        if n_search is None or not self.spec.stages or not self.spec.stages.confirm:
            return n_search
        planned = len(self.spec.arms) * self.spec.stages.confirm.top * self.spec.stages.confirm.seeds
        return n_search + (planned if self.n_confirm is None else self.n_confirm)

    def select(self) -> list[dict[str, Any]]:
        """Choose what the confirm stage trains: the best configurations of each arm, by validation.

        Returns:
            Searched hyperparameters, with the arm; the best of every arm before the second of any. An arm
            none of whose trials has a finite score has none; one that has tried few has fewer.
        """
        top = self.spec.stages.confirm.top if self.spec.stages and self.spec.stages.confirm else 0
        ranked = [self._distinct(self.ranking(str(arm), SEARCH))[:top] for arm in self.spec.arms]
        rounds = itertools.zip_longest(*ranked)
        return [point for each in rounds for point in each if point]

    def _distinct(self, trials: Iterable[TrialRecord]) -> list[dict[str, Any]]:
        points: dict[tuple[Any, ...], dict[str, Any]] = {}
        for point in map(self._point, trials):
            points.setdefault(tuple(point.values()), point)
        return list(points.values())

    def counts(self) -> dict[str, int]:
        """Count trials.

        Returns:
            Number by status, every status included.
        """
        counter = Counter(trial.status for trial in self.counted())
        return {status: counter[status] for status in STATUSES}

    def counted(self) -> list[TrialRecord]:
        """List the trials of all stages.

        Returns:
            Stage by stage, as ``of_stage`` has them.
        """
        return [trial for stage in (SEARCH, CONFIRM) for trial in self.of_stage(stage)]

    def score(self, trial: TrialRecord) -> float | None:
        """Score a trial: the objective's metric after its last epoch.

        Args:
            trial: The trial.

        Returns:
            The score; None before the first epoch.
        """
        return trial.last.get(self.spec.objective.metric)

    def ranking(self, arm: str | None, stage: str, *, running: bool = False) -> list[TrialRecord]:
        """Rank trials by the objective after their last epoch, those that had all epochs before others.

        Args:
            arm: Those of this arm; None: all.
            stage: Those of this stage.
            running: Those still running, too.

        Returns:
            The best first; those without a finite score are left out.
        """
        of_arm = (trial for trial in self.of_stage(stage) if arm in (None, trial.arm))
        return self._ranked(of_arm, running=running)

    def _ranked(self, trials: Iterable[TrialRecord], *, running: bool = False) -> list[TrialRecord]:
        statuses = ("finished", "stopped", "running") if running else ("finished", "stopped")
        scored = [
            (score, trial)
            for trial in trials
            if trial.status in statuses
            if (score := self.score(trial)) is not None and math.isfinite(score)
        ]
        sign = -1 if self.spec.objective.mode == "max" else 1

        def order(pair: tuple[float, TrialRecord]) -> tuple[bool, float, int]:
            score, trial = pair
            return trial.status == "stopped" and not running, sign * score, trial.number

        return [trial for _, trial in sorted(scored, key=order)]

    def best(self, arm: str | None = None, *, running: bool = False) -> TrialRecord | None:
        """Find the best trial so far, on validation; once trials are confirmed, among those.

        Args:
            arm: Look among the trials of this arm; None: among all.
            running: Look among those still running, too.

        Returns:
            The trial; None if none has a finite score.
        """
        for stage in (CONFIRM, SEARCH):
            if ranked := self.ranking(arm, stage, running=running):
                return ranked[0]
        return None

    def better(self, *trials: TrialRecord | None) -> TrialRecord | None:
        """Find the best of a few trials, as ``best`` does among all.

        Args:
            *trials: The trials.

        Returns:
            The trial; None if none has a finite score.
        """
        for stage in (CONFIRM, SEARCH):
            if ranked := self._ranked(trial for trial in trials if trial and trial.stage == stage):
                return ranked[0]
        return None

    def arms(self) -> list[str]:
        """List the arms that have trials, in the order of the spec.

        Returns:
            Their names.
        """
        seen = dict.fromkeys(trial.arm for trial in self.trials.values())
        order = [str(arm) for arm in self.spec.arms]
        return sorted(seen, key=lambda arm: order.index(arm) if arm in order else len(order))

    def confirmed(self, point: Mapping[str, Any]) -> list[TrialRecord]:
        """Find the trials that confirm a configuration.

        Args:
            point: One of ``selected``.

        Returns:
            In the order of their seeds.
        """
        trials = (
            trial
            for trial in self.of_stage(CONFIRM)
            if all(trial.hyperparameters[name] == value for name, value in point.items())
        )
        return sorted(trials, key=lambda trial: trial.seed)

    def frame(self) -> pd.DataFrame:
        """Tabulate the trials.

        Returns:
            One row a trial: number, id, stage, arm, seed, status, epochs, searched hyperparameters, last
            metrics.
        """
        return pd.DataFrame(
            {
                "number": trial.number,
                "trial": trial.id,
                "stage": trial.stage,
                "arm": trial.arm,
                "seed": trial.seed,
                "status": trial.status,
                "epochs": len(trial.epochs),
                **{name: trial.hyperparameters[name] for name in self.spec.space},
                **{name: value for name, value in trial.last.items() if name not in self.spec.space},
                "reason": trial.reason,
            }
            for trial in sorted(self.trials.values(), key=lambda trial: trial.number)
        )


def charged_epochs(epochs: int) -> int:
    """Say how much of a budget in epochs a trial has used.

    Args:
        epochs: How many it ended with.

    Returns:
        At least one: trials that fail before their first epoch would never end.
    """
    return max(1, epochs)
