"""The MLflow runs of a sweep's arms, beside those of its trials: means over the seeds, with intervals."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mlflow.entities import LifecycleStage, Metric, Param, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweeps.record.folder import SweepFolder
from sweeps.tracking.store import MAX_TAGS, Store, all_runs, log_metrics
from sweeps.tracking.views import arms_view, view_tag

# The tag by which the run of an arm is found again: a hash of what is known of the arm.
_CONTENT = "content"


class ArmRuns:
    """Logs a run for each arm and point of a sweep, and verdicts on its claims.

    A run never changes, as MLflow only adds to a metric's history: when more seeds have ended, the arm gets
    another run, and the earlier one is deleted. A run that the user has deleted stays deleted.
    """

    def __init__(self, folder: SweepFolder, store: Store, parent: str, tags: Mapping[str, str]) -> None:
        self._folder, self._store, self._client = folder, store, store.client
        self._parent, self._tags = parent, {**tags, MLFLOW_PARENT_RUN_ID: parent, "study": folder.study}

    def log(self) -> None:
        """Log what the driver knows of the arms (``sweeps.analysis.arm_records``); nothing before it does."""
        if not self._folder.arms.exists():
            return
        content = json.loads(self._folder.arms.read_text())
        condition = f"tags.{MLFLOW_PARENT_RUN_ID} = '{self._parent}' and tags.kind = 'arm'"
        names = verdict_tags(content["verdicts"])
        known = {run.data.tags[_CONTENT]: run for run in all_runs(self._store, condition)}
        wanted = {_hash(record): record for record in content["arms"]}
        for key, record in wanted.items():
            run = known.get(key) or self._create(record, key)
            if run.info.lifecycle_stage == LifecycleStage.ACTIVE:
                self._fill(run, record, {names[claim]: each for claim, each in record["verdicts"].items()})
        for key, run in known.items():
            if key not in wanted and run.info.lifecycle_stage == LifecycleStage.ACTIVE:
                self._client.delete_run(run.info.run_id)
        self._tag(self._parent, {names[claim]: each for claim, each in content["verdicts"].items()})
        if wanted:
            view = arms_view(self._parent, content)
            self._client.set_experiment_tag(self._store.experiment, view_tag(self._parent), view)

    def _create(self, record: Mapping[str, Any], key: str) -> Run:
        tags = {"kind": "arm", "arm": record["arm"], "seeds": str(record["seeds"]), _CONTENT: key}
        at = " ".join(f"{name}={value}" for name, value in record["at"].items())
        if record["confirmed"]:
            tags["at"] = at or "chosen"
        if record["point"]:
            tags["point"] = record["point"]
        tags |= {name: str(record[name]) for name in ("diverged", "failed") if record[name]}
        name = " ".join(filter(None, (record["arm"], at, record["point"])))
        tags = {**self._tags, **tags}
        return self._client.create_run(self._store.experiment, record["started"], tags, name)

    def _fill(self, run: Run, record: Mapping[str, Any], verdicts: Mapping[str, str]) -> None:
        run_id = run.info.run_id
        if run.info.status == "RUNNING":
            params = [Param(name, str(value)) for name, value in record["hyperparameters"].items()]
            self._client.log_batch(run_id, params=params)
            log_metrics(self._client, run_id, list(_metrics(record)))
            self._client.set_terminated(run_id, "FINISHED", record["ended"])
        self._tag(run_id, {name: tag for name, tag in verdicts.items() if run.data.tags.get(name) != tag})

    def _tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        items = [RunTag(name, value) for name, value in tags.items()]
        for start in range(0, len(items), MAX_TAGS):
            self._client.log_batch(run_id, tags=items[start : start + MAX_TAGS])


def _hash(record: Mapping[str, Any]) -> str:
    # Verdicts depend on other arms as well.
    lasting = {name: value for name, value in record.items() if name != "verdicts"}
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:16]


def _metrics(record: Mapping[str, Any]) -> Iterator[Metric]:
    for name, values in record["metrics"].items():
        for epoch, value in values.items():
            yield Metric(name, value, record["ended"], int(epoch))


def verdict_tags(claims: Iterable[str]) -> dict[str, str]:
    """Name a tag for each claim, such as ``claim.layer beats none``; MLflow permits few characters.

    Among names that differ in other characters only, those after the first get a number.
    """
    tags: dict[str, str] = {}
    for claim in claims:
        name = "claim." + re.sub(r"[^\w. :-]", "_", claim)[:200]
        numbered = (f"{name} {number}" for number in itertools.count(2))
        tags[claim] = next(tag for tag in itertools.chain([name], numbered) if tag not in tags.values())
    return tags
