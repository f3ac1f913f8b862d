"""The MLflow runs of one sweep: a parent, and a child for each trial, all found by their tags."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlflow.entities import LifecycleStage
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweeps.record.files import RESOLVED, SWEEP
from sweeps.record.folder import SweepFolder
from sweeps.record.trials import CONFIRM, TrialRecord, trial_name
from sweeps.spec.space import listed_point
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.store import Store, all_runs

_SWEEP_ID = "sweep_id"
RUN_STATUS = {
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


class SweepRuns:
    """Finds or creates the runs of a sweep; never creates one twice, even if a reply is lost.

    Attributes:
        uploaded: Bytes of the journal that the store had when the bookmark was last written.
    """

    def __init__(self, folder: SweepFolder, store: Store, tags: Mapping[str, str]) -> None:
        """Open the parent run of the folder's bookmark, or create one; every run gets the tags."""
        self._folder, self._spec = folder, folder.spec()
        self._store = store
        self._client, self._experiment, self._uri = store.client, store.experiment, store.uri
        self._tags = tags
        self._children: dict[str, str | None] | None = None
        # Trials whose run was created here and has not been ended here: MLflow has it as RUNNING.
        self._running: set[str] = set()
        bookmark = Bookmark.read(folder)
        if bookmark is None or bookmark.uri != store.uri:
            bookmark = Bookmark(store.uri, id=uuid.uuid4().hex, parent="", offset=0)
        self._id = bookmark.id
        self.parent = self._find_parent()
        self.uploaded = bookmark.offset if self.parent == bookmark.parent else 0
        if not self.parent:
            # Save the id first: if this driver is killed after creating the run, the next one finds the run.
            self.save(0)
            self.parent = self._create_parent()
        self.save(self.uploaded)
        self._start_parent()

    def _start_parent(self) -> None:
        try:
            self._log_files()
        # The sweep will not start, so its run must not look as if it were running.
        except Exception:
            with suppress(Exception):
                self._client.set_terminated(self.parent, "KILLED")
            raise
        self._client.update_run(self.parent, status="RUNNING")

    def save(self, offset: int) -> None:
        """Write the bookmark: the store has this many bytes of the journal."""
        Bookmark(self._uri, self._id, self.parent, offset).save(self._folder)

    def _find_parent(self) -> str:
        runs = self._client.search_runs([self._experiment], f"tags.{_SWEEP_ID} = '{self._id}'")
        return str(runs[0].info.run_id) if runs else ""

    def _create_parent(self) -> str:
        name = f"{self._spec.name} {self._folder.path.name}"
        tags = {
            "kind": "sweep",
            "study": self._spec.name,
            "sweep": self._folder.path.name,
            _SWEEP_ID: self._id,
        }
        run = self._client.create_run(self._experiment, run_name=name, tags={**tags, **self._tags})
        return str(run.info.run_id)

    def _log_files(self) -> None:
        present = {file.path for file in self._client.list_artifacts(self.parent)}
        for file in {SWEEP, RESOLVED} - present:
            self._client.log_artifact(self.parent, str(Path(self._folder.path, file)))

    def child(self, trial: TrialRecord) -> str | None:
        """Find or create the run of a trial; return its ID, or None if the user has deleted it."""
        if self._children is None:
            self._children = self._find_children()
        if trial.id not in self._children:
            self._children[trial.id] = self._create_child(trial)
            self._running.add(trial.id)
        return self._children[trial.id]

    def forget(self) -> None:
        """Forget the known runs, so that they are looked up again: some may be new or gone after an error."""
        self._children = None

    def set_status(self, trial: TrialRecord, run: str) -> None:
        """Give a trial's run the trial's status."""
        if trial.status in RUN_STATUS:
            self._client.set_terminated(run, RUN_STATUS[trial.status], trial.ended)
            self._running.discard(trial.id)
        elif trial.id not in self._running:
            self._client.update_run(run, status="RUNNING")

    def _find_children(self) -> dict[str, str | None]:
        condition = f"tags.{MLFLOW_PARENT_RUN_ID} = '{self.parent}'"
        runs = [run for run in all_runs(self._store, condition) if "trial" in run.data.tags]
        return {
            run.data.tags["trial"]: run.info.run_id
            if run.info.lifecycle_stage == LifecycleStage.ACTIVE
            else None
            for run in runs
        }

    def _create_child(self, trial: TrialRecord) -> str:
        tags = {
            MLFLOW_PARENT_RUN_ID: self.parent,
            "kind": "trial",
            "study": self._spec.name,
            "trial": trial.id,
            "stage": "grid" if self._spec.is_grid else trial.stage,
            "arm": trial.arm,
            "seed": str(trial.seed),
            **self._tags,
        }
        if trial.stage == CONFIRM:
            at = listed_point(self._spec, trial.hyperparameters)
            tags["at"] = " ".join(f"{name}={value}" for name, value in at.items()) or "chosen"
        name = trial_name(trial.number, trial.arm, trial.seed if trial.stage == CONFIRM else None)
        run = self._client.create_run(self._experiment, start_time=trial.started, run_name=name, tags=tags)
        return str(run.info.run_id)
