"""The runs of arms in a real MLflow: logged once, and replaced when more seeds have ended."""

import functools
import json
import os

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from sweeps.analysis.arm_records import arm_records
from sweeps.engine.arms import write_arms
from sweeps.record.folder import create_sweep
from sweeps.tracking.publisher import Publisher
from sweeps.tracking.store import mlflow_settings, open_store
from sweeps.tracking.views import link, view_tag
from tests.made_sweeps import MODES, TRUTH, MadeSweep, comparison, search, take_looks

CLAIMS = [
    {"name": "layer, not none", "metric": "test_accuracy", "better": "layer", "worse": "none"},
    {"name": "layer; not none", "metric": "test_accuracy", "better": "none", "worse": "after_all"},
    {"name": "after_all beats none", "metric": "test_accuracy", "better": "after_all", "worse": "none"},
]
STAGES = {"search": {"trials_per_arm": 2}, "confirm": {"looks": [9, 13]}}


@pytest.fixture(autouse=True)
def settings():
    with mlflow_settings():
        yield


@functools.cache
def made(looks):
    """Make the events of a sweep up to a look."""
    sweep = MadeSweep(comparison(*CLAIMS, stages=STAGES))
    search(sweep, TRUTH)
    sweep.select()
    take_looks(sweep, {**TRUTH, "layer": TRUTH["none"]}, looks=looks)
    return sweep


class Tracked:
    """A sweep, of which the driver has recorded all events up to the first look, and its MLflow."""

    def __init__(self, root):
        spec = made(1).spec.model_copy(update={"name": root.name})
        self.sweep = MadeSweep(spec)
        self.folder = create_sweep(root, spec)
        self.store = open_store(os.environ["MLFLOW_TRACKING_URI"], spec.name)
        self.publisher = Publisher(self.folder, self.store, print)
        self.take(1)

    def take(self, looks):
        self.sweep.events = made(looks).events
        write_arms(self.folder, self.sweep.state)

    def finish(self, publisher=None):
        self.folder.journal.append("finish", status="finished")
        publisher = publisher or self.publisher
        publisher.start()
        publisher.close()
        assert publisher.undelivered == 0

    def upload_again(self):
        """Upload as the next driver does."""
        self.finish(Publisher(self.folder, self.store, print))

    def runs(self, view=ViewType.ACTIVE_ONLY):
        condition = f"tags.mlflow.parentRunId = '{self.publisher.parent}' and tags.kind = 'arm'"
        return self.store.client.search_runs([self.store.experiment], condition, view)

    def by_arm(self):
        found = {run.data.tags["arm"]: run for run in self.runs()}
        assert len(found) == len(self.runs()), "an arm has two runs"
        return found

    def logged(self, run):
        """Return every value of every metric by epoch, as the record has them."""
        history = {}
        for name in run.data.metrics:
            points = self.store.client.get_metric_history(run.info.run_id, name)
            history[name] = {str(point.step): point.value for point in points}
            assert len(history[name]) == len(points), "an epoch has two values"
        return history

    def records(self):
        return {record["arm"]: record for record in json.loads(arm_records(self.sweep.state))["arms"]}

    def is_complete(self):
        runs, records = self.by_arm(), self.records()
        assert runs.keys() == records.keys()
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        return all(self.logged(runs[arm]) == records[arm]["metrics"] for arm in records)


@pytest.fixture
def first_look(tmp_path):
    return Tracked(tmp_path)


def test_every_arm_has_a_run_with_its_curves_configuration_and_tags(first_look):
    first_look.finish()
    assert first_look.is_complete()
    runs = first_look.by_arm()
    assert list(runs) == MODES[::-1]
    layer = runs["layer"].data
    assert layer.params["noise"] == "layer"
    assert {name: layer.tags[name] for name in ("kind", "at", "seeds")} == {
        "kind": "arm",
        "at": "chosen",
        "seeds": "9",
    }
    parent = first_look.store.client.get_run(first_look.publisher.parent).data.tags
    assert parent["kind"] == "sweep"
    verdicts = {name: verdict for name, verdict in parent.items() if name.startswith("claim.")}
    # Names that differ in characters that MLflow does not permit have tags of their own.
    assert verdicts == {
        "claim.layer_ not none": "undecided",
        "claim.layer_ not none 2": "supported",
        "claim.after_all beats none": "reversed",
    }
    assert {name for name in layer.tags if name.startswith("claim")} == {"claim.layer_ not none"}
    other = {name for name in runs["after_all"].data.tags if name.startswith("claim")}
    assert other == {"claim.layer_ not none 2", "claim.after_all beats none"}


def test_uploading_again_changes_nothing(first_look):
    first_look.finish()
    once = {run.info.run_id for run in first_look.runs(ViewType.ALL)}
    first_look.upload_again()
    assert {run.info.run_id for run in first_look.runs(ViewType.ALL)} == once
    assert first_look.is_complete()


def test_more_seeds_replace_the_runs_of_the_arms_that_have_them(first_look):
    first_look.finish()
    before = first_look.by_arm()
    first_look.take(2)
    first_look.upload_again()
    after = first_look.by_arm()
    assert {arm: run.data.tags["seeds"] for arm, run in after.items()} == {
        **dict.fromkeys(MODES, "9"),
        "none": "13",
        "layer": "13",
    }
    # The difference from none is over the seeds that both have.
    same = {arm for arm in MODES if after[arm].info.run_id == before[arm].info.run_id}
    assert same == {"all", "after_all", "after_layer"}
    assert first_look.is_complete()


@pytest.mark.parametrize("call", ["create_run", "log_batch", "set_terminated"])
def test_a_lost_reply_makes_no_second_run(first_look, call, monkeypatch):
    real, calls = getattr(MlflowClient, call), []

    def lose_second(*arguments, **named):
        answer = real(*arguments, **named)
        calls.append(call)
        if len(calls) == 2:
            raise ConnectionError("the reply is lost")
        return answer

    monkeypatch.setattr(MlflowClient, call, lose_second)
    first_look.finish()
    assert len(calls) > 2
    assert len(first_look.runs(ViewType.ALL)) == len(MODES)
    assert first_look.is_complete()


def test_a_run_that_the_user_deletes_stays_deleted(first_look):
    first_look.finish()
    first_look.store.client.delete_run(first_look.by_arm()["layer"].info.run_id)
    first_look.upload_again()
    assert set(first_look.by_arm()) == set(MODES) - {"layer"}


def test_the_link_is_to_the_view_of_the_arms_or_without_them_to_the_trials(first_look):
    client, parent = first_look.store.client, first_look.publisher.parent
    address = f"http://here/#/experiments/{first_look.store.experiment}/runs?"
    before = link("http://here/", client.get_experiment(first_look.store.experiment), parent)
    first_look.finish()
    experiment = client.get_experiment(first_look.store.experiment)
    after = link("http://here/", experiment, parent)
    assert before.startswith(address)
    assert after.startswith(address)
    assert "searchFilter=tags.%60mlflow.parentRunId%60+%3D+%27" + parent in before
    assert f"viewStateShareKey={parent}" in after
    assert experiment.tags[view_tag(parent)].startswith("deflate;")
