"""Delivery of a sweep's journal to MLflow: one experiment a study, a parent run a sweep, a child run a trial.

The journal is on disk before anything is sent, and what is sent twice changes nothing: a server may go away
and come back, and the driver may be killed, at any moment.
"""

import json
import platform
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID, MLFLOW_SOURCE_NAME

from sweeps.journal import Event, Follower
from sweeps.mistakes import SweepError
from sweeps.models import log_best_model
from sweeps.spec import Spec
from sweeps.state import CONFIRM, SweepState, trial_name
from sweeps.storage import SweepFolder
from sweeps.store import Store

RUN_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}
_LAST_RETRIES_SECONDS = 15  # how long an absent server is waited for when the sweep is over


class Publisher(Follower):
    """Delivers a journal to MLflow from a thread of its own, and remembers on disk how far it got."""

    def __init__(self, spec: Spec, folder: SweepFolder, store: Store, say: Callable[[str], None]) -> None:
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
        self._bookmark = folder.bookmark
        self._folder = folder
        self._client = store.client
        self._experiment = store.experiment
        self._provenance = provenance()
        known = json.loads(self._bookmark.read_text()) if self._bookmark.exists() else {}
        if known.get("uri") == self.uri:
            self.offset, self.parent = known["offset"], str(known["parent"])
            self._client.update_run(self.parent, status="RUNNING")
        else:
            self.parent = self._create_parent(folder.path)
            self._save()
        self._children: dict[str, str] | None = None
        self._away_since: float | None = None
        self._closing_since: float | None = None

    def handle(self, events: list[Event]) -> None:
        """Deliver events, the metrics of one trial in one request.

        Args:
            events: In order.
        """
        metrics: dict[str, list[Metric]] = defaultdict(list)
        tags: dict[str, dict[str, str]] = defaultdict(dict)
        ends: dict[str, Event] = {}
        if self._children is None:
            self._children = self._find_children()
        children = self._children
        for event in events:
            kind = event["event"]
            if "trial" not in event:
                continue
            if event["trial"] not in children:
                children[event["trial"]] = self._create_child(event)
            run = children[event["trial"]]
            if kind == "start":
                # Again each time: a server that went away may have made the run and missed these.
                self._client.log_batch(run, params=params_of(event))
                self._client.update_run(run, status="RUNNING")
                tags[run]["status"] = "running"
                ends.pop(run, None)
            elif kind == "epoch":
                metrics[run] += [
                    Metric(name, value, event["time"], event["epoch"])
                    for name, value in event["metrics"].items()
                ]
                tags[run] |= event["tags"]
            elif kind == "remark":
                tags[run]["remark"] = event["text"]
            elif kind == "end":
                tags[run] |= {"status": event["status"]}
                if event["reason"]:
                    tags[run]["reason"] = event["reason"]
                ends[run] = event
        for run in metrics.keys() | tags.keys():
            self._log(run, metrics[run], tags[run])
        for run, end in ends.items():
            self._client.set_terminated(run, RUN_STATUS[end["status"]], end["time"])
        for event in events:
            if event["event"] == "finish":
                self._finish(event)
        if self._away_since is not None:
            self._say(f"MLflow answers again at {self.uri}")
            self._away_since = None

    def tick(self) -> None:
        """Write down how far delivery got."""
        self._save()

    def give_up(self, error: Exception) -> bool:
        """Keep trying while the sweep runs, and a little longer.

        Args:
            error: What MLflow answered.

        Returns:
            Whether to leave the rest in the journal.
        """
        now = time.monotonic()
        self._children = None  # a run may have been created although no answer came
        if self._away_since is None:
            self._away_since = now
            reason = " ".join(str(error).split())[:200]
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

    def _create_parent(self, folder: Path) -> str:
        tags = {"study": self._spec.name, "sweep": folder.name, **self._provenance}
        run = self._client.create_run(
            self._experiment, run_name=f"{self._spec.name} {folder.name}", tags=tags
        )
        for file in ("sweep.yaml", "resolved.yaml"):
            self._client.log_artifact(run.info.run_id, str(folder / file))
        return str(run.info.run_id)

    def _find_children(self) -> dict[str, str]:
        found: dict[str, str] = {}
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.{MLFLOW_PARENT_RUN_ID} = '{self.parent}'", page_token=token
            )
            found |= {run.data.tags["trial"]: run.info.run_id for run in page}
            token = page.token
            if not token:
                return found

    def _create_child(self, start: Event) -> str:
        tags = {
            MLFLOW_PARENT_RUN_ID: self.parent,
            "study": self._spec.name,
            "trial": start["trial"],
            "stage": "grid" if self._spec.is_grid else start["stage"],
            "arm": start["arm"],
            "seed": str(start["seed"]),
            **self._provenance,
        }
        name = trial_name(start["number"], start["arm"], start["seed"] if start["stage"] == CONFIRM else None)
        run = self._client.create_run(self._experiment, start_time=start["time"], run_name=name, tags=tags)
        return str(run.info.run_id)

    def _log(self, run: str, metrics: list[Metric], tags: dict[str, str]) -> None:
        for start in range(0, max(len(metrics), 1), 1000):  # MLflow takes 1,000 at a time
            chunk = metrics[start : start + 1000]
            self._client.log_batch(run, metrics=chunk, tags=[RunTag(k, v) for k, v in tags.items()])

    def _finish(self, event: Event) -> None:
        state = SweepState(self._spec, (event for event, _ in self._journal.read()))
        self._client.log_text(self.parent, state.frame().to_csv(index=False), "results.csv")
        log_report(self._client, self._folder)
        summary: dict[str, Any] = {f"trials_{status}": n for status, n in state.counts().items()}
        best = state.best()
        tags = {"status": event["status"]}
        if best is not None:
            summary[f"best_{self._spec.objective.metric}"] = state.score(best)
            tags |= {"best_trial": best.id, "best_arm": best.arm}
            tags |= {f"best.{key}": str(value) for key, value in best.hyperparameters.items()}
            try:
                log_best_model(self._client, self.parent, self._folder, best)
            except SweepError as error:  # its checkpoint is gone: no later try would find it
                self._say(f"the best network is not logged: {error}")
        self._log(self.parent, [Metric(key, value, event["time"], 0) for key, value in summary.items()], tags)
        status = "FINISHED" if event["status"] == "finished" else "KILLED"
        self._client.set_terminated(self.parent, status, event["time"])

    def _save(self) -> None:
        content = json.dumps({"uri": self.uri, "parent": self.parent, "offset": self.offset})
        if not self._bookmark.exists() or self._bookmark.read_text() != content:
            scratch = self._bookmark.with_suffix(".new")
            scratch.write_text(content)
            scratch.replace(self._bookmark)


def log_report(client: MlflowClient, folder: SweepFolder) -> None:
    """Log a sweep's report to its parent run, if it has one.

    Args:
        client: Client of the store that the sweep was delivered to.
        folder: The sweep.
    """
    if folder.report.exists():
        client.log_artifacts(json.loads(folder.bookmark.read_text())["parent"], str(folder.report), "report")


def params_of(start: Event) -> list[Param]:
    """List a trial's parameters.

    Args:
        start: The event of its start.

    Returns:
        All its hyperparameters.
    """
    return [Param(key, str(value)) for key, value in start["hyperparameters"].items()]


def provenance() -> dict[str, str]:
    """Say what made a run.

    Returns:
        Tags: git commit of the working directory, versions, and the driver's host.
    """
    git = shutil.which("git") or "false"
    commit = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    packages = ("noisesweep", "torch", "ray", "optuna", "mlflow")
    versions = [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    tags = {MLFLOW_SOURCE_NAME: "noisesweep", "driver": platform.node(), "versions": ", ".join(versions)}
    if commit.returncode == 0:
        tags[MLFLOW_GIT_COMMIT] = tags["git_commit"] = commit.stdout.strip()
    return tags
