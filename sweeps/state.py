"""The state of a sweep, rebuilt from its journal: one record a trial."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sweeps.journal import Event
from sweeps.search import n_trials
from sweeps.spec import Spec

ENDED = ("finished", "stopped", "diverged", "failed")
STATUSES = (*ENDED, "interrupted", "running")


@dataclass
class TrialRecord:
    """One trial.

    Attributes:
        id: Tune's trial id.
        number: Its place in the order of starting, from 1.
        arm: The noise mode.
        seed: The seed.
        hyperparameters: All of them, fixed ones and defaults included.
        status: ``running``; ``finished`` all epochs; ``stopped`` early by ASHA; ``diverged``: a loss was not
            finite; ``failed``: an error or a lost worker; ``interrupted``: the sweep ended before it did.
        reason: Why it failed.
        epochs: Metrics by epoch, from 1.
        started: Time in ms since 1970.
        ended: Likewise, once it has.
        folder: Where its last checkpoint is, if it has ended and is the best; the others' are dropped.
    """

    id: str
    number: int
    arm: str
    seed: int
    hyperparameters: dict[str, Any]
    started: int
    ended: int | None = None
    status: str = "running"
    reason: str = ""
    folder: str = ""
    epochs: dict[int, dict[str, float]] = field(default_factory=dict)

    @property
    def last(self) -> dict[str, float]:
        """Metrics of the last epoch; empty before the first."""
        return self.epochs[max(self.epochs)] if self.epochs else {}


class SweepState:
    """All trials of a sweep."""

    def __init__(self, spec: Spec, events: Iterable[Event] = ()) -> None:
        self.spec = spec
        self.trials: dict[str, TrialRecord] = {}
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
            record = TrialRecord(event["trial"], **{key: event[key] for key in keys}, started=event["time"])
            self.trials[record.id] = record
        elif kind == "start":
            self.trials[event["trial"]].status = "running"
        elif kind == "epoch":
            self.trials[event["trial"]].epochs[event["epoch"]] = event["metrics"]
        elif kind == "end":
            trial = self.trials[event["trial"]]
            trial.status, trial.reason, trial.ended = event["status"], event["reason"], event["time"]
            trial.folder = event["folder"]

    @property
    def complete(self) -> bool:
        """Whether as many trials have ended as the spec asks for."""
        return sum(trial.status in ENDED for trial in self.trials.values()) >= n_trials(self.spec)

    def counts(self) -> dict[str, int]:
        """Count trials.

        Returns:
            Number by status, every status included.
        """
        counter = Counter(trial.status for trial in self.trials.values())
        return {status: counter[status] for status in STATUSES}

    def score(self, trial: TrialRecord) -> float | None:
        """Score a trial: the objective's metric after its last epoch.

        Args:
            trial: The trial.

        Returns:
            The score; None before the first epoch.
        """
        return trial.last.get(self.spec.objective.metric)

    def best(self, arm: str | None = None, *, running: bool = False) -> TrialRecord | None:
        """Find the best trial so far.

        Args:
            arm: Look among the trials of this noise mode; None: among all.
            running: Look among those still running, too.

        Returns:
            The trial; None if none has a finite score.
        """
        statuses = ("finished", "stopped", "running") if running else ("finished", "stopped")
        scored = [
            (score, trial)
            for trial in self.trials.values()
            if arm in (None, trial.arm) and trial.status in statuses
            if (score := self.score(trial)) is not None and math.isfinite(score)
        ]
        if not scored:
            return None
        choose = max if self.spec.objective.mode == "max" else min
        return choose(scored, key=lambda pair: pair[0])[1]

    def arms(self) -> list[str]:
        """List the noise modes that have trials, in the order of the spec.

        Returns:
            Their names.
        """
        seen = dict.fromkeys(trial.arm for trial in self.trials.values())
        dimension = self.spec.search.get("noise")
        order = [str(value) for value in dimension.values] if dimension else []
        return sorted(seen, key=lambda arm: order.index(arm) if arm in order else len(order))

    def frame(self) -> pd.DataFrame:
        """Tabulate the trials.

        Returns:
            One row a trial: number, id, arm, seed, status, epochs, searched hyperparameters, last metrics.
        """
        return pd.DataFrame(
            {
                "number": trial.number,
                "trial": trial.id,
                "arm": trial.arm,
                "seed": trial.seed,
                "status": trial.status,
                "epochs": len(trial.epochs),
                **{name: trial.hyperparameters[name] for name in self.spec.search},
                **{name: value for name, value in trial.last.items() if name not in self.spec.search},
                "reason": trial.reason,
            }
            for trial in sorted(self.trials.values(), key=lambda trial: trial.number)
        )
