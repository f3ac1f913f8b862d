"""Tune callbacks of a sweep, on the driver: the journal's writer, and the keeper of checkpoints.

Tune pickles callbacks with a sweep's state and revives them on resume, so they hold paths, not open things.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ray
from pyarrow.fs import FileSelector
from ray import tune
from ray.tune import Callback
from ray.tune.experiment import Trial

from sweeps.journal import Journal
from sweeps.search import OBJECTIVE
from sweeps.spec import Spec
from sweeps.state import ENDED, SEARCH, SweepState
from sweeps.trial import CHECKPOINT_FILE, split_config, worst

_REASON_LENGTH = 500  # characters


@dataclass(frozen=True)
class History:
    """What the trials of a search have reported, by the journal, for a scheduler that is revived."""

    spec: Spec
    journal: Path

    def __call__(self) -> Iterator[tuple[SimpleNamespace, dict[str, Any]]]:
        """Read the journal.

        Yields:
            A trial's id and configuration, and one of its reports, as its scheduler had them.
        """
        state = SweepState(self.spec, (event for event, _ in Journal(self.journal).read()))
        for record in state.of_stage(SEARCH):
            trial = SimpleNamespace(trial_id=record.id, config=self.spec.searched_of(record.hyperparameters))
            for epoch, metrics in sorted(record.epochs.items()):
                score = metrics.get(self.spec.objective.metric, math.nan)
                ranked = score if math.isfinite(score) else worst(self.spec)
                yield trial, {"epoch": epoch, OBJECTIVE: ranked}


class SweepCallback(Callback):
    """Writes what Tune reports to the journal, each fact once, and drops checkpoints nobody needs.

    After a crash Tune repeats what came after its last snapshot: an epoch that is in the journal already is
    not written again.
    """

    def __init__(self, spec: Spec, journal: Path, stage: str) -> None:
        self._spec = spec
        self._journal_path = journal
        self._stage = stage

    def __getstate__(self) -> dict[str, Any]:
        return {"_spec": self._spec, "_journal_path": self._journal_path, "_stage": self._stage}

    def setup(self, **info: Any) -> None:
        """Read what is known already.

        Args:
            **info: What Tune says of the experiment; not used.
        """
        self._looked_for_forgotten = False
        self._journal = Journal(self._journal_path)
        self._journal.repair()
        self.state = SweepState(self._spec, (event for event, _ in self._journal.read()))

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Drop, on resume, the trials that Tune forgot when it was killed: it runs others in their place.

        Args:
            iteration: Of Tune's loop.
            trials: All trials that it knows.
            **info: Nothing.
        """
        if self._looked_for_forgotten:
            return
        self._looked_for_forgotten = True
        known = {trial.trial_id for trial in trials}
        for record in self.state.of_stage(self._stage):
            if record.id not in known:
                self._write("forget", trial=record.id)

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
            stage=self._stage,
            arm=str(hyperparameters[self._spec.compared]),
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
        before = self.state.best()
        self._end(trial, status)
        for ended in (before, record):
            if ended:
                drop_checkpoints(trial, ended.folder, keep=1 if ended is self.state.best() else 0)

    def on_checkpoint(
        self, iteration: int, trials: list[Trial], trial: Trial, checkpoint: tune.Checkpoint, **info: Any
    ) -> None:
        """Keep a running trial's last two checkpoints.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            checkpoint: The new checkpoint.
            **info: Nothing.
        """
        drop_checkpoints(trial, trial.storage.trial_fs_path, keep=2)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note a trial that failed for good.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            **info: Nothing.
        """
        if trial.trial_id not in self.state.trials:  # its worker could not even start
            self.on_trial_start(iteration, trials, trial)
        self._end(trial, "failed", failure_reason(trial))
        drop_checkpoints(trial, trial.storage.trial_fs_path, keep=0)

    def _end(self, trial: Trial, status: str, reason: str = "") -> None:
        folder = trial.storage.trial_fs_path
        self._write("end", trial=trial.trial_id, status=status, reason=reason, folder=folder)

    def _write(self, event: str, **fields: Any) -> None:
        self.state.apply(self._journal.append(event, **fields))


def failure_reason(trial: Trial) -> str:
    """Say in one line why a trial failed.

    Args:
        trial: A trial with an error.

    Returns:
        The type and message of the error that the trainable raised, or of the loss of its worker.
    """
    # The driver's own copies: those in the storage, which get_error() reads, may come later.
    try:
        error = ray.cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except Exception:  # there is none, or its class cannot be loaded here
        text = Path(trial.error_file).read_text(errors="replace").split() if trial.error_file else ["unknown"]
        return " ".join(text)[-_REASON_LENGTH:]
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):  # what the worker raised, without Ray's wrapping
        error = cause
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_REASON_LENGTH]


def drop_checkpoints(trial: Trial, folder: str, *, keep: int) -> None:
    """Delete old checkpoints, or a night of sweeps would fill the disk.

    Tune's own ``num_to_keep`` writes the whole sweep's state at every checkpoint, and a driver that is killed
    in between cannot resume a trial whose checkpoint is gone. Here the folder stays and only its file goes:
    the trial goes on from the newest that is left.

    Args:
        trial: Any trial of the sweep, for its storage.
        folder: Folder of the trial whose checkpoints are dropped.
        keep: How many of the newest to keep.
    """
    filesystem = trial.storage.storage_filesystem
    infos = filesystem.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    files = sorted(info.path for info in infos if info.base_name == CHECKPOINT_FILE)
    for path in files[: max(0, len(files) - keep)]:
        filesystem.delete_file(path)
