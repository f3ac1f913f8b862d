"""Checks that all trials of a sweep train on the same data, also those of a later driver."""

from collections import defaultdict
from typing import Any

from sweeps.record.state import SweepState
from sweeps.record.trials import TrialRecord


class SameData:
    """The fingerprints of the data that a sweep's trials have trained on, by what they may depend on."""

    def __init__(self, state: SweepState) -> None:
        """Begin with what the journal has; earlier versions recorded no fingerprints."""
        self._declaration = state.spec.declaration
        self._known: dict[tuple[Any, ...], set[str]] = defaultdict(set)
        for trial in state.trials.values():
            if trial.fingerprint:
                self._known[self._key(trial)].add(trial.fingerprint)

    def mistake(self, trial: TrialRecord, fingerprint: str, host: str) -> str:
        """Return what is wrong with a trial's data and what to do; empty if nothing is.

        Only a trainable with ``fixed_data`` is checked: the fingerprint of data that are computed, such as
        those drawn from a seed, may differ from machine to machine in rounding errors.
        """
        known = self._known[self._key(trial)]
        if not self._declaration.fixed_data or not known or fingerprint in known:
            known.add(fingerprint)
            return ""
        return (
            f"the data have changed since the sweep began: trial {trial.id} on {host} has the fingerprint "
            f"{fingerprint}, earlier trials {', '.join(sorted(known))}; new trials would not be comparable "
            "with existing ones; restore the data, or start another sweep (run with --new)"
        )

    def _key(self, trial: TrialRecord) -> tuple[Any, ...]:
        names = self._declaration.data_hyperparameters
        # An earlier version may have lacked a hyperparameter.
        return tuple(repr(trial.hyperparameters.get(name)) for name in names)
