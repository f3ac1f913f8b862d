"""Which trained networks a sweep keeps: those that may turn out to be the best."""

import json

from sweeps.analysis.arms import has_several_seeds
from sweeps.analysis.best import best_of
from sweeps.record.folder import SweepFolder
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, TrialRecord


class Networks:
    """Deletes the checkpoints of trials that ended, except of those whose network may be exported.

    That is the best trial so far. Where configurations have several seeds it is the best trial of each: the
    mean over the seeds, which is known at the end, chooses the configuration.
    """

    def __init__(self, folder: SweepFolder, state: SweepState) -> None:
        """Begin with the trials that have ended and whose checkpoints were kept."""
        self._folder, self._state = folder, state
        self._best: dict[tuple[str, str], TrialRecord] = {}
        saved = folder.saved_trials()
        for trial in state.ranked(state.trials.values()):
            if trial.id in saved:
                self._best.setdefault(self._rivals_of(trial), trial)

    def ended(self, trial: TrialRecord) -> None:
        """Keep the checkpoints of a trial that ended or those of its best rival, and delete the others."""
        rivals = self._rivals_of(trial)
        compared = [each for each in (self._best.pop(rivals, None), trial) if each]
        for best in self._state.ranked(compared)[:1]:
            self._best[rivals] = best
        for each in compared:
            if each is not self._best.get(rivals):
                self._folder.checkpoints(each.id).drop()

    def _rivals_of(self, trial: TrialRecord) -> tuple[str, str]:
        """Return what the trials of which one network is kept have in common: stage and configuration."""
        spec = self._state.spec
        has_one_seed = not has_several_seeds(spec) or (spec.confirms and trial.stage != CONFIRM)
        return trial.stage, "" if has_one_seed else json.dumps(trial.hyperparameters)


def to_export(folder: SweepFolder) -> TrialRecord | None:
    """Find the trial of the best configuration whose network is to be exported, once the sweep is complete.

    It is the best of those whose networks were kept: in a sweep that has been extended, another configuration
    may be the best now. None if no trial has a finite score, or the network is exported already.
    """
    state = folder.state()
    best = best_of(state) if state.complete else None
    if best is None:
        return None
    saved = folder.saved_trials()
    trial = next((trial for trial in state.ranked(best.trials) if trial.id in saved), best.trial)
    return None if trial.id == state.exported else trial


def drop_all_but(folder: SweepFolder, best: TrialRecord) -> None:
    """Delete the checkpoints of all trials but failed ones and the one whose network is exported."""
    failed = {trial.id for trial in folder.state().trials.values() if trial.status == "failed"}
    for name in folder.saved_trials() - failed - {best.id}:
        folder.checkpoints(name).drop()
