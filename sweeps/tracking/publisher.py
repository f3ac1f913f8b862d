"""Uploads a journal to MLflow: an experiment per study, a run per sweep, in it one per trial and per arm.

Events are on disk before they are uploaded, and uploading one twice changes nothing, so the server may go
away and the driver may be killed at any moment.
"""

import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME
from pyarrow.fs import FileSystem, LocalFileSystem, copy_files
from typing_extensions import override

from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.state import SweepState
from sweeps.record.trials import TrialRecord
from sweeps.tracking.arm_runs import ArmRuns
from sweeps.tracking.provenance import provenance
from sweeps.tracking.reasons import reason_of
from sweeps.tracking.runs import RUN_STATUS, SweepRuns
from sweeps.tracking.store import MAX_METRICS, Store, connect, log_metrics
from sweeps.tracking.uris import check_database

_JOURNAL_SECONDS = 30
# How long closing waits for an absent server.
_LAST_RETRIES_SECONDS = 15
_MODEL = "best_model"
# The tag of the parent run that names the trial whose network is logged.
_MODEL_TRIAL = "model_trial"


class Publisher(Follower):
    """Uploads a journal from its own thread, and keeps a bookmark on disk."""

    def __init__(self, folder: SweepFolder, store: Store, say: Callable[[str], None]) -> None:
        super().__init__(folder.journal)
        self._uri, self._client = store.uri, store.client
        self._folder, self._say = folder, say
        tags = _run_tags()
        self._runs = SweepRuns(folder, store, tags)
        self.offset, self.parent = self._runs.uploaded, self._runs.parent
        self._arm_runs = ArmRuns(folder, store, self.parent, tags)
        events = (event for event, offset in folder.journal.read(end=self.offset))
        self._state = SweepState(folder.spec(), events)
        self._finished = False
        self._journal_offset, self._journal_logged_at = 0, -math.inf
        self._away_since: float | None = None
        self._closing_since: float | None = None

    @override
    def handle(self, events: list[Event]) -> None:
        events_by_trial: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            self._state.apply(event)
            if "trial" in event:
                events_by_trial[event["trial"]].append(event)
        for trial, trial_events in events_by_trial.items():
            self._upload(self._state.trials[trial], trial_events)
        for event in events:
            if event["event"] == "model":
                self._log_model(event["best"])
            elif event["event"] == "look":
                self._arm_runs.log()
            elif event["event"] == "finish":
                self._finish(event)
        if self._away_since is not None:
            self._say(f"resumed uploading to MLflow at {self._uri}")
            self._away_since = None

    def _upload(self, trial: TrialRecord, events: list[Event]) -> None:
        """Upload a trial's events, in few calls: on SQLite each takes five milliseconds of Python."""
        run = self._runs.child(trial)
        if run is None:
            return
        params, metrics, tags = [], [], {"status": trial.status}
        for event in events:
            if event["event"] == "start":
                # Set these at every start: the server may have gone away right after it created the run.
                params = [Param(key, str(value)) for key, value in trial.logged.items()]
            elif event["event"] == "epoch":
                values = event["metrics"].items()
                metrics += [Metric(name, value, event["time"], event["epoch"]) for name, value in values]
                tags |= event["tags"]
        if trial.reason or any(trial.id in event["trials"] for event in self._state.retries):
            # The run of a trial that was retried still has the reason for which it failed before.
            tags["reason"] = trial.reason
        if trial.remarks:
            tags["remark"] = trial.remarks[-1]
        self._log(run, metrics, tags, params)
        if params or trial.status != "running":
            self._runs.set_status(trial, run)

    @override
    def tick(self) -> None:
        # If the disk is full, the next driver uploads some events twice, which changes nothing.
        with suppress(OSError):
            self._runs.save(self.offset)
        is_due = time.monotonic() - self._journal_logged_at > _JOURNAL_SECONDS
        if is_due and self._journal_offset != self.offset:
            # If this fails, the next upload of the journal includes it.
            with suppress(Exception):
                self._log_journal()

    def _log_journal(self) -> None:
        """Keep the journal in the store, for ``status`` on machines that do not have the storage."""
        self._journal_logged_at = time.monotonic()
        self._client.log_artifact(self.parent, str(self._journal.path))
        self._journal_offset = self.offset

    @override
    def close(self) -> None:
        """Upload the rest; if the sweep did not finish, mark its running runs as killed."""
        super().close()
        if self._finished:
            return
        running = [trial for trial in self._state.trials.values() if trial.status == "running"]
        # The server may still be away.
        with suppress(Exception):
            for run in filter(None, map(self._runs.child, running)):
                self._client.set_terminated(run, "KILLED")
            self._client.set_terminated(self.parent, "KILLED")

    @override
    def give_up(self, error: Exception) -> bool:
        """Wait before the next attempt; give up only after closing, when the server stays away."""
        now = time.monotonic()
        self._runs.forget()
        if self._away_since is None:
            self._away_since = now
            self._say(
                f"cannot write to MLflow at {self._uri} ({reason_of(error)}); events are kept in "
                f"{self._journal.path} and uploaded later"
            )
        if not self._closing.is_set():
            self._closing.wait(min(30.0, 1.0 + (now - self._away_since) / 4))
            return False
        self._closing_since = self._closing_since or now
        if now - self._closing_since > _LAST_RETRIES_SECONDS:
            return True
        time.sleep(0.5)
        return False

    @property
    def undelivered(self) -> int:
        """Number of events in the journal that MLflow does not have."""
        return sum(1 for _ in self._journal.read(self.offset))

    def _log(self, run: str, metrics: list[Metric], tags: dict[str, str], params: list[Param]) -> None:
        run_tags = [RunTag(key, value) for key, value in tags.items()]
        first, rest = metrics[:MAX_METRICS], metrics[MAX_METRICS:]
        self._client.log_batch(run, metrics=first, params=params, tags=run_tags)
        log_metrics(self._client, run, rest)

    def _finish(self, event: Event) -> None:
        state = self._state
        self._arm_runs.log()
        self._log_journal()
        # Earlier versions wrote none.
        if self._folder.results.exists():
            self._client.log_artifact(self.parent, str(self._folder.results))
        log_report(self._client, self.parent, self._folder)
        summary: dict[str, Any] = {f"trials_{status}": count for status, count in state.counts().items()}
        tags = {"status": event["status"]}
        # Earlier versions did not write the best configuration.
        if best := event.get("best"):
            summary[f"best_{state.spec.objective.metric}"] = best["mean"]
            tags |= {"best_trial": best["trial"], "best_arm": best["winner"]}
            tags |= {f"best.{key}": str(value) for key, value in best["hyperparameters"].items()}
        metrics = [Metric(key, value, event["time"], 0) for key, value in summary.items()]
        self._log(self.parent, metrics, tags, [])
        self._client.set_terminated(self.parent, RUN_STATUS[event["status"]], event["time"])
        self._finished = True

    def _log_model(self, trial: str) -> None:
        """Log the exported network as ``runs:/RUN/best_model``, once."""
        if self._client.get_run(self.parent).data.tags.get(_MODEL_TRIAL) == trial:
            return
        # Not MLflow's log_model, which uses the global tracking URI and stores a further copy at each call.
        filesystem, path = FileSystem.from_uri(self._folder.model)
        with tempfile.TemporaryDirectory() as scratch:
            try:
                copy_files(path, scratch, filesystem, LocalFileSystem())
            except FileNotFoundError as error:
                self._say(f"the best network is not logged: {reason_of(error)}")
                return
            self._client.log_artifacts(self.parent, scratch, _MODEL)
        self._client.set_tag(self.parent, _MODEL_TRIAL, trial)


def send_report(folder: SweepFolder, uri: str, parent: str) -> None:
    """Log the report of a sweep that is in MLflow to its parent run, within ``mlflow_settings``."""
    check_database(uri)
    log_report(connect(uri), parent, folder)


def log_report(client: MlflowClient, run_id: str, folder: SweepFolder) -> None:
    """Log a sweep's report to its parent run, if there is a report."""
    if folder.report.exists():
        client.log_artifacts(run_id, str(folder.report), "report")


def _run_tags() -> dict[str, str]:
    tags = {MLFLOW_SOURCE_NAME: "noisesweep", **provenance()}
    if "git_commit" in tags:
        tags[MLFLOW_GIT_COMMIT] = tags["git_commit"]
    return tags
