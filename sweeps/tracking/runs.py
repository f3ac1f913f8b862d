"""The MLflow runs of one sweep, each found again by its tags: a parent, and a child for each trial."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweeps.record.files import RESOLVED, SWEEP
from sweeps.record.folder import SweepFolder
from sweeps.record.state import CONFIRM, TrialRecord, trial_name
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.store import Store

_SWEEP_ID = "sweep_id"


class SweepRuns:
    """Finds and makes the runs of a sweep: asking twice makes none twice, also after a lost answer.

    Attributes:
        parent: Id of the parent run.
        delivered: Bytes of the journal that the store had when the bookmark was last written.
    """

    def __init__(self, folder: SweepFolder, store: Store, provenance: Mapping[str, str]) -> None:
        """Open the parent run.

        Args:
            folder: The sweep; its bookmark says which runs are its own.
            store: The tracking store.
            provenance: Tags of every run.
        """
        self._folder, self._spec = folder, folder.spec()
        self._client: MlflowClient = store.client
        self._experiment, self._uri, self._provenance = store.experiment, store.uri, provenance
        self._known: dict[str, str | None] | None = None
        self._made: set[str] = set()
        bookmark = Bookmark.read(folder)
        if bookmark is None or bookmark.uri != store.uri:
            bookmark = Bookmark(store.uri, id=uuid.uuid4().hex, parent="", offset=0)
        self._id, self.parent, self.delivered = bookmark.id, bookmark.parent, bookmark.offset
        if not self._is_there(self.parent):
            self.parent, self.delivered = "", 0
            self.save(0)  # before the run is made: killed in between, the next driver finds it by its tag
            self.parent = self._find_parent() or self._create_parent()
            self.save(0)
        try:
            self._log_files()
        except Exception:  # the sweep does not begin
            with suppress(Exception):
                self._client.set_terminated(self.parent, "KILLED")
            raise
        self._client.update_run(self.parent, status="RUNNING")

    def save(self, offset: int) -> None:
        """Write down how far delivery got.

        Args:
            offset: Bytes of the journal that the store has.
        """
        Bookmark(self._uri, self._id, self.parent, offset).save(self._folder)

    def _is_there(self, run: str) -> bool:
        try:
            return bool(run) and self._client.get_run(run).info.lifecycle_stage == LifecycleStage.ACTIVE
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return False
            raise

    def _find_parent(self) -> str | None:
        found = self._client.search_runs([self._experiment], f"tags.{_SWEEP_ID} = '{self._id}'")
        return str(found[0].info.run_id) if found else None

    def _create_parent(self) -> str:
        name = f"{self._spec.name} {self._folder.path.name}"
        tags = {"study": self._spec.name, "sweep": self._folder.path.name, _SWEEP_ID: self._id}
        run = self._client.create_run(self._experiment, run_name=name, tags={**tags, **self._provenance})
        return str(run.info.run_id)

    def _log_files(self) -> None:
        there = {file.path for file in self._client.list_artifacts(self.parent)}
        for file in {SWEEP, RESOLVED} - there:
            self._client.log_artifact(self.parent, str(Path(self._folder.path, file)))

    def child(self, trial: TrialRecord) -> str | None:
        """Find the run of a trial, or make it.

        Args:
            trial: The trial.

        Returns:
            The run's id; None if the user has deleted it.
        """
        if self._known is None:
            self._known = self._find_children()
        if trial.id not in self._known:
            self._known[trial.id] = self._create_child(trial)
            self._made.add(trial.id)
        return self._known[trial.id]

    def is_new(self, trial: TrialRecord) -> bool:
        """Tell whether a trial's run was made here: it runs, unless it was ended since.

        Args:
            trial: The trial.

        Returns:
            False for one that was found.
        """
        return trial.id in self._made

    def is_over(self, trial: TrialRecord) -> None:
        """Note that a run was ended: should its trial go on, it is no longer new.

        Args:
            trial: The trial.
        """
        self._made.discard(trial.id)

    def look_again(self) -> None:
        """Forget what is known: a run may have been made, or deleted, without an answer."""
        self._known = None

    def _find_children(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        token: str | None = None
        where = f"tags.{MLFLOW_PARENT_RUN_ID} = '{self.parent}'"
        while True:
            page = self._client.search_runs([self._experiment], where, ViewType.ALL, page_token=token)
            for run in page:
                found[run.data.tags["trial"]] = _unless_deleted(run)
            token = page.token
            if not token:
                return found

    def _create_child(self, trial: TrialRecord) -> str:
        tags = {
            MLFLOW_PARENT_RUN_ID: self.parent,
            "study": self._spec.name,
            "trial": trial.id,
            "stage": "grid" if self._spec.is_grid else trial.stage,
            "arm": trial.arm,
            "seed": str(trial.seed),
            **self._provenance,
        }
        name = trial_name(trial.number, trial.arm, trial.seed if trial.stage == CONFIRM else None)
        run = self._client.create_run(self._experiment, start_time=trial.started, run_name=name, tags=tags)
        return str(run.info.run_id)


def _unless_deleted(run: Run) -> str | None:
    return str(run.info.run_id) if run.info.lifecycle_stage == LifecycleStage.ACTIVE else None
