"""Tune callbacks of a sweep, on the driver: the journal's writer, and the keeper of checkpoints."""

import errno
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial

from sweeps.engine.ahead import import_report
from sweeps.engine.stopping import Stop
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event
from sweeps.record.state import TrialRecord
from sweeps.search.configuration import split_config
from trainables.data import DataError

_REASON_LENGTH = 500  # characters
_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)


class SweepCallback(Callback):
    """Writes what Tune reports to the journal, each fact once, and drops checkpoints nobody needs.

    A trial that goes on from its checkpoint repeats what it reported last: an epoch that is in the journal
    already is not written again.
    """

    def __init__(self, folder: SweepFolder, stage: str, stop: Stop) -> None:
        """Read what is known already.

        Args:
            folder: The sweep's folder.
            stage: What is run: ``search`` or ``confirm``.
            stop: Whether the user has asked to stop.
        """
        self._folder, self._stage, self._stop = folder, stage, stop
        self._journal = folder.journal
        self.state = folder.state()
        self._best = self.state.best()
        self._broken = False  # the journal cannot be written

    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Stop if that was asked for.

        Args:
            iteration: Of Tune's loop.
            trials: All trials that it knows.
            **info: Nothing.
        """
        if self._stop.asked or self._stop.fault:
            self._interrupt()  # before Tune takes its time: who stops a job may not wait for long
        self._stop.check()

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note a trial that starts, or starts again.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            **info: Nothing.
        """
        name, searched, seed = split_config(trial.config)
        hyperparameters = self.state.spec.hyperparameters(searched).model_dump()
        known = self.state.trials.get(name)
        if known and known.status == "running":
            return
        self._write(
            {
                "event": "start",
                "trial": name,
                "number": int(name),
                "stage": self._stage,
                "arm": str(hyperparameters[self.state.spec.compared]),
                "seed": seed,
                "hyperparameters": hyperparameters,
            }
        )

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Note finished epochs.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            result: What ``run_trial`` reported.
            **info: Nothing.
        """
        record = self._record(trial)
        tags = {"host": result["hostname"], "data_fingerprint": result["data_fingerprint"]}
        news: list[Event] = [
            {
                "event": "epoch",
                "trial": record.id,
                "epoch": each["epoch"],
                "metrics": each["metrics"],
                "tags": tags,
            }
            for each in result["epochs"]
            if each["epoch"] not in record.epochs
        ]
        if news and (remark := result["remark"]):
            news.append({"event": "remark", "trial": record.id, "text": remark})
        if news:
            self._write(*news)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note a trial that ended well, early, or by diverging.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            **info: Nothing.
        """
        record = self._record(trial)
        if trial.last_result.get("diverged"):
            status = "diverged"
        elif len(record.epochs) < record.hyperparameters["epochs"]:
            status = "stopped"
        else:
            status = "finished"
        before = self._best
        self._end(record, status)
        self._best = self.state.better(before, record)
        for ended in (before, record):
            if ended and ended is not self._best:
                self._folder.checkpoints(ended.id).drop()
        if len(self.state.trials) == self.state.n_trials:
            import_report()  # no trial waits for the core that this one leaves

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note a trial that failed for good; where files are at fault, not the trial, end the sweep.

        Args:
            iteration: Of Tune's loop.
            trials: All trials.
            trial: The one.
            **info: Nothing.

        """
        if split_config(trial.config)[0] not in self.state.trials:  # its worker could not even start
            self.on_trial_start(iteration, trials, trial)
        record, error = self._record(trial), raised_by(trial)
        if isinstance(error, DataError) or (isinstance(error, OSError) and error.errno in _STORAGE_ERRORS):
            reason = failure_reason(trial, error)
            self._end(record, "interrupted", reason)
            # Every other trial there would fail, too. Raised here, Tune would hand it on as text.
            self._stop.fault = SweepError(f"trial {record.id} cannot read or write: {reason}")
            return
        self._end(record, "failed", failure_reason(trial, error))
        self._folder.checkpoints(record.id).drop()

    def _record(self, trial: Trial) -> TrialRecord:
        return self.state.trials[split_config(trial.config)[0]]

    def _interrupt(self) -> None:
        for record in self.state.trials.values():
            if record.status == "running" and not self._broken:
                self._end(record, "interrupted")

    def _end(self, record: TrialRecord, status: str, reason: str = "") -> None:
        self._write({"event": "end", "trial": record.id, "status": status, "reason": reason})

    def _write(self, *events: Event) -> None:
        try:
            for event in self._journal.extend(events):
                self.state.apply(event)
        except SweepError as error:
            self._stop.fault, self._broken = error, True


def raised_by(trial: Trial) -> Exception | None:
    """Find what a trial's training raised.

    Args:
        trial: A trial with an error.

    Returns:
        The error, or that of the loss of its worker; None if it cannot be loaded here.
    """
    # The driver's own copy: that in the storage, which get_error() reads, may come later.
    try:
        error = ray.cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except Exception:  # there is none, or its class is not known here
        return None
    cause = getattr(error, "cause", None)  # what the worker raised, without Ray's wrapping
    return cause if isinstance(cause, Exception) else error


def failure_reason(trial: Trial, error: Exception | None) -> str:
    """Say in one line why a trial failed.

    Args:
        trial: A trial with an error.
        error: What ``raised_by`` found.

    Returns:
        Its type and message.
    """
    if error is None:
        text = Path(trial.error_file).read_text(errors="replace").split() if trial.error_file else ["unknown"]
        return " ".join(text)[-_REASON_LENGTH:]
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_REASON_LENGTH]
