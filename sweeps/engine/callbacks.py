"""The Tune callback of a sweep, on the driver: it writes the journal and deletes checkpoints."""

import errno
from itertools import dropwhile
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial
from typing_extensions import override

from sweeps.engine.networks import Networks
from sweeps.engine.same_data import SameData
from sweeps.engine.stopping import Stop
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event
from sweeps.record.trials import TrialRecord
from sweeps.search.configuration import split_config
from trainables.data import DataError

_REASON_LENGTH = 500  # characters
# The keys of an epoch's report that its event keeps. ``correct`` is only in the last epoch of some trials.
_RECORDED = ("epoch", "metrics", "correct")
_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)


class SweepCallback(Callback):
    """Writes what Tune reports to the journal, each fact once, and deletes checkpoints that are not needed.

    A trial that continues from its checkpoint reports earlier epochs again; those are already in the journal
    and not written a second time. What a trial on other data reports is not written at all.
    """

    def __init__(self, folder: SweepFolder, stage: str, stop: Stop) -> None:
        """Begin a stage, ``search`` or ``confirm``, with what the journal knows."""
        self._folder, self._stage, self._stop = folder, stage, stop
        self._journal = folder.journal
        self.state = folder.state()
        self._networks = Networks(folder, self.state)
        self._data = SameData(self.state)
        # The trials on other data.
        self._refused: set[str] = set()
        self._journal_failed = False

    @override
    def on_step_begin(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        if self._stop.asked or self._stop.fault:
            # Do this before Tune cleans up, which can take longer than a stopped job is given.
            self._interrupt()
        self._stop.check()

    @override
    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        name, searched, seed = split_config(trial.config)
        hyperparameters = self.state.spec.values(searched)
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
                "used": self.state.spec.used(searched),
            }
        )

    @override
    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        record = self._record(trial)
        if mistake := self._data.mistake(record, result["data_fingerprint"], result["hostname"]):
            self._refused.add(record.id)
            self._stop.fail(SweepError(mistake))
            return
        tags = {"host": result["hostname"], "data_fingerprint": result["data_fingerprint"]}
        events: list[Event] = [
            {
                "event": "epoch",
                "trial": record.id,
                **{key: report[key] for key in _RECORDED if key in report},
                "tags": tags,
            }
            for report in result["epochs"]
            if report["epoch"] not in record.epochs
        ]
        if events and result["remark"]:
            events.append({"event": "remark", "trial": record.id, "text": result["remark"]})
        if events:
            self._write(*events)

    @override
    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        record = self._record(trial)
        if record.id in self._refused:
            # The next driver trains it again.
            self._end(record, "interrupted", "other data")
            return
        if trial.last_result.get("diverged"):
            status = "diverged"
        elif len(record.epochs) < record.hyperparameters["epochs"]:
            status = "stopped"
        else:
            status = "finished"
        self._end(record, status)
        self._networks.ended(record)

    @override
    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Record a trial that failed for good; end the sweep if data or storage are at fault."""
        if split_config(trial.config)[0] not in self.state.trials:
            # The trial's worker could not even start.
            self.on_trial_start(iteration, trials, trial)
        record, error = self._record(trial), raised_by(trial)
        reason = failure_reason(trial, error)
        if isinstance(error, DataError) or (isinstance(error, OSError) and error.errno in _STORAGE_ERRORS):
            self._end(record, "interrupted", reason)
            # Every other trial there would fail too. Tune would turn an error raised here into text.
            self._stop.fail(SweepError(f"trial {record.id} cannot read or write: {reason}"))
            return
        # Its checkpoints stay: it may be retried, from its last epoch.
        self._end(record, "failed", reason)

    def _record(self, trial: Trial) -> TrialRecord:
        return self.state.trials[split_config(trial.config)[0]]

    def _interrupt(self) -> None:
        for record in self.state.trials.values():
            if record.status == "running" and not self._journal_failed:
                self._end(record, "interrupted")

    def _end(self, record: TrialRecord, status: str, reason: str = "") -> None:
        self._write({"event": "end", "trial": record.id, "status": status, "reason": reason})

    def _write(self, *events: Event) -> None:
        try:
            for event in self._journal.extend(events):
                self.state.apply(event)
        except SweepError as error:
            self._journal_failed = True
            self._stop.fail(error)


def raised_by(trial: Trial) -> Exception | None:
    """Return the error of a failed trial's training or worker; None if it cannot be loaded here."""
    # Read the driver's own copy: the one in the storage, which get_error() reads, may arrive later.
    try:
        error = ray.cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())
    except Exception:
        # The file does not exist, or the error's class is not known here.
        return None
    # Ray wraps the worker's own error, and what was raised as it loaded something there.
    for name in ("cause", "client_exc"):
        inner = getattr(error, name, None)
        error = inner if isinstance(inner, Exception) else error
    return error


def failure_reason(trial: Trial, error: Exception | None) -> str:
    """Describe a trial's error, as ``raised_by`` returns it, in one line."""
    if error is None:
        text = (
            _after_frames(Path(trial.error_file).read_text(errors="replace"))
            if trial.error_file
            else "unknown"
        )
    else:
        text = f"{type(error).__name__}: {error}"
    # Ray writes a traceback of its own after some messages.
    return " ".join(text.partition("\ntraceback: ")[0].split())[:_REASON_LENGTH]


def _after_frames(text: str) -> str:
    """Return what a traceback says after its last frame; a text without frames as it is."""
    lines = ("\n" + text).rpartition("\n  File ")[2].splitlines()[1:]
    return "\n".join(dropwhile(lambda line: line.startswith("  "), lines)) or text
