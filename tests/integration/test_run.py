"""Sweeps on real Ray, Optuna and MLflow; formulas stand in for training where training is not the point."""

import json
import os
import shutil
import signal
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml
from mlflow import MlflowClient

from sweeps import SweepError, load, load_spec, resume, run, runner
from sweeps.engine import ray_session as ray_session_module
from sweeps.record.journal import Journal
from tests.curves import Curves, content
from tests.integration.test_cli import noisesweep as noisesweep
from tests.made_sweeps import made_comparison
from tests.runs import children, history
from tests.threaded import publish_in_a_thread
from trainables import register, registry
from trainables.testing import numbers

pytestmark = pytest.mark.usefixtures("curves")


def grid(trouble, **changes):
    searched = {"trouble": {"grid": trouble}, "lr": {"grid": [0.1]}}
    return content(search=searched, budget={"concurrent": 2}, **changes)


@pytest.fixture(scope="module")
def searched(ray_session, tmp_path_factory):
    """A search with ASHA: its result, and the journal's last line and the threads when Ray was left."""
    register(Curves)
    storage, seen = tmp_path_factory.mktemp("searched"), []

    @contextmanager
    def watched(*arguments):
        with ray_session_module.ray_session(*arguments):
            yield
            (journal,) = storage.rglob("journal.jsonl")
            seen.append((journal.read_text().splitlines()[-1], {each.name for each in threading.enumerate()}))

    with pytest.MonkeyPatch.context() as patch:
        publish_in_a_thread(patch)
        patch.setattr(runner, "ray_session", watched)
        scheduler = {"asha": {"grace_epochs": 1, "reduction_factor": 3}}
        spec = content(scheduler=scheduler, budget={"trials": 12, "concurrent": 1})
        return run(spec, storage=storage), seen


def test_made_sweeps_have_the_events_of_real_ones(searched):
    result, _ = searched
    real = [event for event, _ in Journal(result.path / "journal.jsonl").read()]
    made = made_comparison().events
    fields = {event["event"]: event.keys() for event in real}
    for event in made:
        if event["event"] != "select":  # of a study with stages, which ``searched`` is not
            assert event.keys() == fields[event["event"]]
    trials = {event["trial"] for event in real if "trial" in event}
    assert trials <= {event["trial"] for event in made if "trial" in event}


def test_a_sweep_is_in_mlflow_whole(searched):
    result, _ = searched
    counts = result.state.counts()
    assert result.complete
    assert counts["finished"] + counts["stopped"] == 12
    assert counts["stopped"] > 0
    assert result.undelivered == 0
    assert len(result.frame) == 12
    runs = children(result)
    assert runs.keys() == result.state.trials.keys()
    for trial in result.state.trials.values():
        child = runs[trial.id]
        assert child.info.status == "FINISHED"
        assert child.data.tags["status"] == trial.status
        assert child.data.tags["arm"] == trial.arm
        assert child.data.tags["seed"] == "0"
        assert child.data.tags["data_fingerprint"] == "formula"
        assert {"host", "versions", "git_commit", "study"} <= child.data.tags.keys()
        assert child.data.params == {key: str(value) for key, value in trial.hyperparameters.items()}
        for metric in ("val_accuracy", "train_loss", "sigma"):
            logged = history(result, child.info.run_id, metric)
            assert logged == {epoch: metrics[metric] for epoch, metrics in trial.epochs.items()}


def test_ray_is_left_when_all_else_is_done(searched):
    ((last, running),) = searched[1]
    assert json.loads(last)["event"] == "finish"
    assert not running & {"Display", "Publisher"}


def test_asha_judges_each_epoch_however_short(searched):
    trials = searched[0].state.trials.values()
    assert {len(trial.epochs) for trial in trials if trial.status == "stopped"} <= {1, 3}  # its rungs
    assert {trial.status for trial in trials} == {"finished", "stopped"}


def test_where_asha_judges_the_checkpoint_before_the_last_is_kept_too(searched):
    result, _ = searched
    before_last, last = sorted(result.path.rglob("*.pt"))
    assert last == result.path / "checkpoints" / result.best.trial.id / "epoch-00009.pt"
    # ASHA judges after epochs 1, 3 and 9; a slow machine saves others too.
    assert "epoch-00003.pt" <= before_last.name < last.name


def test_the_parent_has_the_best_the_table_the_yaml_and_a_model_that_loads(
    ray_session, tmp_path, monkeypatch
):
    spec = {
        "name": "test-digits",
        "trainable": "digits",
        "fixed": {"epochs": 2, "train_subset": 300},
        "search": {"lr": {"grid": [0.001, 0.1]}},
        "objective": {"metric": "val_accuracy", "mode": "max"},
    }
    file = tmp_path / "digits.yaml"
    file.write_text("# a comment\n" + yaml.safe_dump(spec))
    result = run(file, storage=tmp_path / "runs")
    parent = MlflowClient(result.tracking_uri).get_run(result.run_id)
    best = result.best
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["best_trial"] == best.trial.id
    assert parent.data.tags["best.lr"] == "0.1"
    assert parent.data.metrics["best_val_accuracy"] == best.mean
    assert parent.data.metrics["trials_finished"] == 2
    monkeypatch.setenv("MLFLOW_TRACKING_URI", result.tracking_uri)
    load = mlflow.artifacts.load_text
    artifacts = parent.info.artifact_uri
    assert load(f"{artifacts}/sweep.yaml") == file.read_text()
    assert load_spec(yaml.safe_load(load(f"{artifacts}/resolved.yaml"))) == result.state.spec
    assert load(f"{artifacts}/results.csv") == result.frame.to_csv(index=False)
    model = mlflow.pyfunc.load_model(f"runs:/{result.run_id}/best_model")
    assert model.metadata.signature.inputs.inputs[0].shape == (-1, 1, 8, 8)
    digits = registry.get("digits")()
    images = digits.load("train")
    accuracy = (model.predict(images.pixels.numpy()).argmax(1) == images.labels.numpy()).mean()
    assert accuracy == pytest.approx(best.mean, abs=0.1)


def test_trouble_is_counted_told_apart_and_ends_no_sweep(ray_session, tmp_path):
    trouble = ["none", "raise", "raise_once", "exit_once", "diverge"]
    spec = grid(trouble, fixed={"epochs": 4, "marker": str(tmp_path)}, max_failures=1)
    result = run(spec, storage=tmp_path)
    frame = result.frame.set_index(["trouble", "lr"]).sort_index()
    statuses = frame.status.groupby("trouble").agg(lambda statuses: ", ".join(sorted(set(statuses))))
    assert statuses.to_dict() == {
        "none": "finished",
        "raise": "failed",
        "raise_once": "finished",
        "exit_once": "finished",
        "diverge": "diverged",
    }
    assert set(frame.reason.loc["raise"]) == {"ValueError: no luck with this one"}
    runs = children(result)
    by_status = {runs[row.trial].info.status for row in result.frame.itertuples() if row.status == "failed"}
    assert by_status == {"FAILED"}
    undisturbed = frame.loc["none"].drop(columns=["trial", "number"])
    for kind in ("raise_once", "exit_once"):
        # Every epoch once, and the carried state shows that it went on from its checkpoint.
        assert frame.loc[kind].drop(columns=["trial", "number"]).equals(undisturbed)
    for row in result.frame.itertuples():
        if row.status == "finished":
            assert history(result, runs[row.trial].info.run_id, "grad_norm").keys() == {1, 2, 3, 4}
    diverged = next(row.trial for row in result.frame.itertuples() if row.status == "diverged")
    logged = history(result, runs[diverged].info.run_id, "train_loss")
    assert np.isnan(logged[2])
    assert logged.keys() == {1, 2}


def test_a_retried_trial_equals_an_undisturbed_one(ray_session, tmp_path):
    """Real training: a worker killed after its first epoch, and the same trial outside a sweep."""
    fixed = {"epochs": 3, "noise": "after_layer", "sigma": 0.01, "optimizer": "adam", "lr": 0.001}
    register(_DiesOnce)
    spec = {
        "name": "test-retry",
        "trainable": _DiesOnce.name,
        "fixed": fixed,
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "data_dir": str(tmp_path),
    }
    try:
        disturbed = run(spec, storage=tmp_path / "disturbed").best.trial.epochs
    finally:
        registry._registered.pop(_DiesOnce.name)
    assert (tmp_path / "died").exists()
    digits = registry.get("digits")
    undisturbed = numbers(digits().start(digits.Hyperparameters(**fixed), seed=0))
    assert disturbed.keys() == {metrics["epoch"] for metrics in undisturbed}
    for metrics in undisturbed:
        epoch = metrics.pop("epoch")
        assert {name: disturbed[epoch][name] for name in metrics} == metrics


class _DiesOnce(registry.get("digits")):
    """Digits, whose worker is killed in the second epoch of the first attempt."""

    name = "dies-once"

    def task(self, hyperparameters, device, split_seed):
        task = super().task(hyperparameters, device, split_seed)
        marker, batches, epochs = Path(self.data_dir, "died"), task.batches, [0]

        def dying(batch_size, order):
            epochs[0] += 1
            for index, batch in enumerate(batches(batch_size, order)):
                if epochs[0] == 2 and index == 3 and not marker.exists():
                    marker.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield batch

        task.batches = dying
        return task


UNJUDGED = content(budget={"trials": 14, "concurrent": 1})


@pytest.fixture(scope="module")
def unjudged(ray_session, tmp_path_factory):
    """A search without ASHA, one trial after the other."""
    register(Curves)
    with pytest.MonkeyPatch.context() as patch:
        publish_in_a_thread(patch)
        return run(UNJUDGED, storage=tmp_path_factory.mktemp("unjudged"))


def test_checkpoints_are_kept_for_the_best_trial_alone(unjudged):
    kept = sorted(path.relative_to(unjudged.path / "checkpoints") for path in unjudged.path.rglob("*.pt"))
    assert {str(path.parent) for path in kept} == {unjudged.best.trial.id}
    assert kept[-1].name == "epoch-00009.pt"


def test_short_epochs_are_reported_together(unjudged):
    events = [event for event, _ in Journal(unjudged.path / "journal.jsonl").read()]
    epochs = [event for event in events if event["event"] == "epoch"]
    expected = Counter(dict.fromkeys(range(1, 10), len(unjudged.frame)))
    assert Counter(event["epoch"] for event in epochs) == expected
    # Those written in one go have one time.
    assert len({(event["trial"], event["time"]) for event in epochs}) < len(epochs) / 2


def test_asha_judges_the_trials_of_a_grid(ray_session, tmp_path):
    spec = content(
        mode="grid",
        search={"lr": {"grid": [0.001, 0.01, 0.05, 0.1]}},
        seeds=3,
        budget={"concurrent": 1},
        scheduler={"asha": {"grace_epochs": 1, "reduction_factor": 3}},
    )
    result = run(spec, storage=tmp_path)
    assert result.complete
    stopped = [trial for trial in result.state.trials.values() if trial.status == "stopped"]
    assert stopped
    assert {len(trial.epochs) for trial in stopped} <= {1, 3}


def test_grid_runs_every_point_with_every_seed(ray_session, tmp_path):
    search = {"noise": {"grid": ["none", "all"]}, "sigma": {"grid": [0.1, 0.2], "when": {"noise": ["all"]}}}
    result = run(content(search=search, seeds=2, seed=7, budget={}, fixed={"epochs": 1}), storage=tmp_path)
    points = {(row.arm, row.sigma, row.seed) for row in result.frame.itertuples()}
    assert points == {
        (*point, seed) for seed in (7, 8) for point in (("none", 0), ("all", 0.1), ("all", 0.2))
    }
    assert len(result.frame) == 6
    assert result.frame.param_l1.equals(result.frame.seed.astype(float))  # the seed reaches the trial


def test_the_same_seed_gives_the_same_sweep_from_python_and_the_command_line(
    unjudged, ray_session, noisesweep, tmp_path
):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(UNJUDGED, sort_keys=False))
    assert noisesweep("run", file)[0] == 0
    typed = load("test-curves").frame
    assert typed.drop(columns="trial").equals(unjudged.frame.drop(columns="trial"))
    other = run({**UNJUDGED, "seed": 1, "budget": {"trials": 1}}, storage=tmp_path / "other")
    assert other.frame.lr[0] != unjudged.frame.lr[0]


def test_a_complete_sweep_resumes_to_itself_and_is_not_overwritten(searched, ray_session, tmp_path):
    first, _ = searched
    storage = shutil.copytree(first.path.parents[1], tmp_path / "runs")
    spec = content(budget={"trials": 1})
    with pytest.raises(
        SweepError, match=r"has a sweep; resume it \(noisesweep resume test-curves --storage .*--new"
    ):
        run(spec, storage=storage)
    again = resume("test-curves", storage=storage)
    assert again.frame.equals(first.frame)
    assert again.run_id == first.run_id
    assert len(children(again)) == len(first.frame)
    assert MlflowClient(again.tracking_uri).get_run(again.run_id).info.status == "FINISHED"
    second = run(spec, storage=storage, new=True)
    assert (first.path.name, second.path.name) == ("001", "002")
    assert first.run_id != second.run_id


def test_no_node_can_run_a_trial(ray_session, tmp_path):
    with pytest.raises(
        SweepError, match="a trial asks for 1 cpu and 64 gpu on one node; nodes have at most 1 cpu and 0 gpu"
    ):
        run(content(resources={"cpu": 1, "gpu": 64}), storage=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
