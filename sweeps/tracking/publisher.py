"""Delivery of a sweep's journal to MLflow: one experiment a study, a parent run a sweep, a child run a trial.

The journal is on disk before anything is sent, and what is sent twice changes nothing: a server may go away
and come back, and the driver may be killed, at any moment.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_SOURCE_NAME

from sweeps.errors import SweepError, in_a_line
from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.state import SweepState, TrialRecord
from sweeps.spec.model import Spec
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.models import log_best_model
from sweeps.tracking.provenance import provenance
from sweeps.tracking.runs import SweepRuns
from sweeps.tracking.store import Store, connect
from sweeps.tracking.uris import check_database

RUN_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
_RECORD_SECONDS = 30
_MOST_METRICS = 800  # MLflow takes 1,000 items at a time, of which 100 params and 100 tags at most
_LAST_RETRIES_SECONDS = 15  # how long an absent server is waited for when the sweep is over


class Publisher(Follower):
    """Delivers a journal to MLflow from a thread of its own, and remembers on disk how far it got."""

    def __init__(
        self,
        spec: Spec,
        folder: SweepFolder,
        store: Store,
        say: Callable[[str], None],
    ) -> None:
        """Open the sweep's parent run.

        Args:
            spec: The sweep.
            folder: Its folder, which holds the journal and how far delivery got.
            store: The tracking store.
            say: Tells the user that the store went away or came back.
        """
        super().__init__(folder.journal)
        self.uri = store.uri
        self._spec = spec
        self._say = say
        self._folder = folder
        self._client = store.client
        self._runs = SweepRuns(folder, store, _tags())
        self.offset, self.parent = self._runs.delivered, self._runs.parent
        self._state = SweepState(spec)
        for event, offset in folder.journal.read():
            if offset <= self.offset:
                self._state.apply(event)
        self._finished = False
        self._logged = ""  # the trial whose model is
        self._recorded, self._recorded_at = 0, -math.inf
        self._away_since: float | None = None
        self._closing_since: float | None = None

    def handle(self, events: list[Event]) -> None:
        """Deliver events, those of one trial together.

        Args:
            events: In order.
        """
        by_trial: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            self._state.apply(event)
            if "trial" in event:
                by_trial[event["trial"]].append(event)
        for trial, of_trial in by_trial.items():
            self._deliver(self._state.trials[trial], of_trial)
        if self._state.complete:  # beside the driver, which writes the report now
            self._log_model()
        for event in events:
            if event["event"] == "finish":
                self._finish(event)
        if self._away_since is not None:
            self._say(f"MLflow answers again at {self.uri}")
            self._away_since = None

    def _deliver(self, trial: TrialRecord, events: list[Event]) -> None:
        run = self._runs.child(trial)
        if run is None:  # deleted by the user
            return
        params, metrics, tags = [], [], {"status": trial.status}
        for event in events:
            if event["event"] == "start":
                # Again each time: a server that went away may have made the run and missed these.
                params = params_of(event)
            elif event["event"] == "epoch":
                metrics += [
                    Metric(name, value, event["time"], event["epoch"])
                    for name, value in event["metrics"].items()
                ]
                tags |= event["tags"]
        if trial.reason:
            tags["reason"] = trial.reason
        if trial.remarks:
            tags["remark"] = trial.remarks[-1]
        # Few calls: on SQLite each takes five milliseconds of Python.
        self._log(run, metrics, tags, params)
        if trial.status in RUN_STATUS:
            self._client.set_terminated(run, RUN_STATUS[trial.status], trial.ended)
            self._runs.is_over(trial)
        elif params and not self._runs.is_new(trial):
            self._client.update_run(run, status="RUNNING")

    def tick(self) -> None:
        """Write down how far delivery got; keep the record in the store, for those who have only that."""
        with suppress(OSError):  # a full disk; what is delivered again changes nothing
            self._runs.save(self.offset)
        if self._recorded != self.offset and time.monotonic() - self._recorded_at > _RECORD_SECONDS:
            with suppress(Exception):  # what cannot be sent now comes with the next
                self._record()

    def _record(self) -> None:
        self._recorded_at = time.monotonic()
        self._client.log_artifact(self.parent, str(self._journal.path))
        self._recorded = self.offset

    def close(self) -> None:
        """Deliver the rest, and leave no run that looks as if it went on."""
        super().close()
        if self._finished:
            return
        running = [trial for trial in self._state.trials.values() if trial.status == "running"]
        with suppress(Exception):  # the store may be as gone as what wrote the journal
            for run in filter(None, map(self._runs.child, running)):
                self._client.set_terminated(run, "KILLED")
            self._client.set_terminated(self.parent, "KILLED")

    def give_up(self, error: Exception) -> bool:
        """Keep trying while the sweep runs, and a little longer.

        Args:
            error: What MLflow answered.

        Returns:
            Whether to leave the rest in the journal.
        """
        now = time.monotonic()
        self._runs.look_again()
        if self._away_since is None:
            self._away_since = now
            reason = in_a_line(error)
            self._say(
                f"MLflow does not take writes at {self.uri} ({reason}); "
                f"they are kept in {self._journal.path} and delivered when it does"
            )
        if self._closing.is_set():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > _LAST_RETRIES_SECONDS:
                return True
            time.sleep(0.5)
        else:
            self._closing.wait(min(30.0, 1.0 + (now - self._away_since) / 4))
        return False

    @property
    def undelivered(self) -> int:
        """Events in the journal that MLflow does not have yet."""
        return sum(1 for _ in self._journal.read(self.offset))

    def _log(
        self, run: str, metrics: list[Metric], tags: dict[str, str], params: Sequence[Param] = ()
    ) -> None:
        for start in range(0, max(len(metrics), 1), _MOST_METRICS):
            self._client.log_batch(
                run,
                metrics=metrics[start : start + _MOST_METRICS],
                params=params if start == 0 else (),
                tags=[RunTag(k, v) for k, v in tags.items()],
            )

    def _finish(self, event: Event) -> None:
        state = self._folder.state()
        self._record()
        self._client.log_text(self.parent, state.frame().to_csv(index=False), "results.csv")
        log_report(self._client, self.parent, self._folder)
        summary: dict[str, Any] = {f"trials_{status}": n for status, n in state.counts().items()}
        best = state.best()
        tags = {"status": event["status"]}
        if best is not None:
            summary[f"best_{self._spec.objective.metric}"] = state.score(best)
            tags |= {"best_trial": best.id, "best_arm": best.arm}
            tags |= {f"best.{key}": str(value) for key, value in best.hyperparameters.items()}
        self._log_model()
        self._log(self.parent, [Metric(key, value, event["time"], 0) for key, value in summary.items()], tags)
        status = "FINISHED" if event["status"] == "finished" else "KILLED"
        self._client.set_terminated(self.parent, status, event["time"])
        self._finished = True

    def _log_model(self) -> None:
        best = self._state.best()
        if best is None or best.id == self._logged:
            return
        try:
            log_best_model(self._client, self.parent, self._folder, best)
        except SweepError as error:  # its checkpoint is gone: no later try would find it
            self._say(f"the best network is not logged: {error}")
        self._logged = best.id


def send_report(folder: SweepFolder) -> None:
    """Log a sweep's report to its parent run, where MLflow has the sweep.

    Args:
        folder: The sweep, with its report written.

    Raises:
        SweepError: If MLflow is out of reach.
    """
    bookmark = Bookmark.read(folder)
    if bookmark is None:
        return
    check_database(bookmark.uri)
    try:
        log_report(connect(bookmark.uri), bookmark.parent, folder)
    except MlflowException as error:
        raise SweepError(str(error)) from None


def log_report(client: MlflowClient, run_id: str, folder: SweepFolder) -> None:
    """Log a sweep's report, if it has one.

    Args:
        client: Client of the store that the sweep was delivered to.
        run_id: The sweep's parent run.
        folder: The sweep.
    """
    if folder.report.exists():
        client.log_artifacts(run_id, str(folder.report), "report")


def _tags() -> dict[str, str]:
    made_by = provenance()
    commit = {MLFLOW_GIT_COMMIT: made_by["git_commit"]} if "git_commit" in made_by else {}
    return {MLFLOW_SOURCE_NAME: "noisesweep", **made_by, **commit}


def params_of(start: Event) -> list[Param]:
    """List a trial's parameters.

    Args:
        start: The event of its start.

    Returns:
        All its hyperparameters.
    """
    return [Param(key, str(value)) for key, value in start["hyperparameters"].items()]
