"""Tune callbacks of a sweep, on the driver: the journal's writer, and the keeper of checkpoints.

Tune pickles callbacks with a sweep's state and revives them on resume, so they hold paths, not open things.
"""

import logging
from pathlib import Path
from typing import Any

from ray.tune import Callback
from ray.tune.experiment import Trial

from sweeps.journal import Journal
from sweeps.spec import Spec
from sweeps.state import ENDED, SweepState, TrialRecord
from sweeps.trial import split_config

logger = logging.getLogger(__name__)


class SweepCallback(Callback):
    """Writes what Tune reports to the journal, each fact once, and drops checkpoints nobody needs.

    After a crash Tune repeats what came after its last snapshot: an epoch that is in the journal already is
    not written again.
    """

    def __init__(self, spec: Spec, journal: Path) -> None:
        self._spec = spec
        self._journal_path = journal

    def __getstate__(self) -> dict[str, Any]:
        return {"_spec": self._spec, "_journal_path": self._journal_path}

    def setup(self, **info: Any) -> None:
        """Read what is known already.

        Args:
            **info: What Tune says of the experiment; not used.
        """
        self._journal = Journal(self._journal_path)
        self._journal.repair()
        self.state = SweepState(self._spec, (event for event, _ in self._journal.read()))

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note a trial that starts, or starts again.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            **info: Nothing.
        """
        searched, seed = split_config(trial.config)
        hyperparameters = self._spec.hyperparameters(searched).model_dump()
        known = self.state.trials.get(trial.trial_id)
        if known and known.status == "running":
            return
        self._write(
            "start",
            trial=trial.trial_id,
            number=known.number if known else len(self.state.trials) + 1,
            arm=hyperparameters["noise"],
            seed=seed,
            hyperparameters=hyperparameters,
        )

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Note a finished epoch.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            result: What ``run_trial`` reported.
            **info: Nothing.
        """
        if result["epoch"] in self.state.trials[trial.trial_id].epochs:
            return
        self._write(
            "epoch",
            trial=trial.trial_id,
            epoch=result["epoch"],
            metrics=result["metrics"],
            tags={"host": result["hostname"], "data_fingerprint": result["data_fingerprint"]},
        )

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note a trial that ended well, early, or by diverging.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            **info: Nothing.
        """
        record = self.state.trials[trial.trial_id]
        if record.status in ENDED:
            return
        if trial.last_result.get("diverged"):
            status = "diverged"
        elif len(record.epochs) < record.hyperparameters["epochs"]:
            status = "stopped"
        else:
            status = "finished"
        best = self.state.best()
        self._end(trial, status)
        for loser in (best, record):
            if loser and loser is not self.state.best():
                _delete_checkpoint(trial, loser)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note a trial that failed for good.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            **info: Nothing.
        """
        self._end(trial, "failed", failure_reason(trial))
        _delete_checkpoint(trial, self.state.trials[trial.trial_id])

    def _end(self, trial: Trial, status: str, reason: str = "") -> None:
        checkpoint = trial.checkpoint.path if trial.checkpoint else None
        self._write("end", trial=trial.trial_id, status=status, reason=reason, checkpoint=checkpoint)

    def _write(self, event: str, **fields: Any) -> None:
        self.state.apply(self._journal.append(event, **fields))


def failure_reason(trial: Trial) -> str:
    """Say in one line why a trial failed.

    Args:
        trial: A trial with an error.

    Returns:
        The type and message of the error that the trainable raised, or of the loss of its worker.
    """
    error = trial.get_pickled_error() or trial.get_error()
    cause = getattr(error, "cause", None) or error
    lines = [line for line in str(cause).strip().splitlines() if line.strip()] or [repr(cause)]
    text = lines[-1].strip() if cause is not None else "unknown"
    return text[:500]


def _delete_checkpoint(trial: Trial, record: TrialRecord) -> None:
    # A night of sweeps would fill the disk: an ended trial that is not the best never reads its own again.
    if record.checkpoint and trial.checkpoint:
        try:
            trial.checkpoint.filesystem.delete_dir(record.checkpoint)
        except OSError as error:
            logger.warning("checkpoint %s is left behind: %s", record.checkpoint, error)
