"""The trials of a sweep: their stages, their statuses, and a record of each."""

from dataclasses import dataclass, field
from typing import Any

SEARCH, CONFIRM = "search", "confirm"
ENDED = ("finished", "stopped", "diverged", "failed")
STATUSES = (*ENDED, "interrupted", "running")


@dataclass
class TrialRecord:
    """One trial.

    Attributes:
        number: Its place in the order of starting, from 1.
        arm: Its noise mode, or the compared hyperparameter's value.
        hyperparameters: All of them, including fixed ones and defaults; those that differ between trials are
            as the YAML lists them.
        used: What training uses in place of some of these, such as the default for an empty ``weight_decay``.
        started: Time in ms since 1970, as is ``ended``.
        stage: ``search`` (also of a grid) or ``confirm``.
        status: ``running``; ``finished`` all epochs; ``stopped`` early; ``diverged``: a loss was not
            finite; ``failed``: an error or a lost worker; ``interrupted``: the sweep ended before the trial.
        reason: Why it failed or was interrupted.
        epochs: Metrics by epoch, from 1.
        remarks: Problems that did not affect its results.
        fingerprint: Hash of its data; empty before its first epoch.
        correct: Which test examples its network has right, as ``sweeps.record.correctness`` packs them. None
            if it read no test split, is not a classifier, or was recorded by an earlier version.
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
    epochs: dict[int, dict[str, float]] = field(default_factory=dict, repr=False)
    remarks: list[str] = field(default_factory=list)
    fingerprint: str = ""
    correct: dict[str, Any] | None = field(default=None, repr=False)
    used: dict[str, Any] = field(default_factory=dict)

    @property
    def logged(self) -> dict[str, Any]:
        """All hyperparameters as training uses them, and as ``NAME_listed`` what the YAML lists instead."""
        listed = {f"{name}_listed": self.hyperparameters[name] for name in self.used}
        return {**self.hyperparameters, **self.used, **listed}

    @property
    def last(self) -> dict[str, float]:
        """Metrics of the last epoch; empty before the first."""
        return self.epochs[max(self.epochs)] if self.epochs else {}


def trial_name(number: int, arm: str, seed: int | None = None) -> str:
    """Name a trial for users, such as ``0031-layer`` or ``0031-layer-seed3``."""
    name = f"{number:04d}-{arm}"
    return name if seed is None else f"{name}-seed{seed}"


def charged_epochs(epochs: int) -> int:
    """Charge a trial to a budget in epochs: at least one, or failing trials would be started forever."""
    return max(1, epochs)
