"""A confirm stage in which nothing finished, and its retry, as a user types the commands."""

from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from sweeps import load
from sweeps.record.trials import CONFIRM, SEARCH
from tests.curves import Curves, CurveTraining, content
from tests.integration.test_cli import noisesweep as noisesweep
from tests.runs import children, history
from trainables import register, registry

COMPARED = {
    "name": "test-retry",
    "trainable": "untested",
    "compare": {"noise": ["none", "all"]},
    "search": {"sigma": {"uniform": [0.1, 0.2], "when": {"noise": ["all"]}}, "lr": {"uniform": [0.01, 0.1]}},
    "stages": {"search": {"trials_per_arm": 1}, "confirm": {"seeds": 2}},
    "budget": {"concurrent": 2},
    "max_failures": 0,
}


class UntestedTraining(CurveTraining):
    """Reads the test split from a file."""

    def test_metrics(self, accuracy):
        if not Path(self.hp.marker, "test-split").exists():
            raise ValueError("the test split is missing")
        return super().test_metrics(accuracy)


class Untested(Curves):
    name = "untested"

    def start(self, hyperparameters, *, seed, device="cpu", test=False, equal="gradients"):
        return UntestedTraining(hyperparameters, seed, test)


@pytest.fixture
def untested():
    register(Untested)
    yield
    registry._registered.pop("untested")


@pytest.mark.usefixtures("ray_session", "untested")
def test_a_confirm_stage_in_which_nothing_finished_is_no_success_and_can_be_retried(noisesweep, tmp_path):
    file = tmp_path / "retry.yaml"
    file.write_text(yaml.safe_dump(content(**COMPARED, fixed={"epochs": 3, "marker": str(tmp_path)})))
    code, output, _ = noisesweep("run", file)
    assert code == 1
    ends = "4 failed; the first: ValueError: the test split is missing"
    reason = f"no trial of the confirm stage has finished: {ends}"
    assert reason in output
    assert "failed, 6 of 6 trials ended: 2 finished, 4 failed" in output
    assert (
        "fix the cause, then retry 4 failed trials with: noisesweep resume test-retry --retry-failed"
        in output
    )
    result = load("test-retry")
    assert result.complete
    assert result.failures == [reason]
    parent = MlflowClient(result.tracking_uri).get_run(result.run_id)
    assert (parent.info.status, parent.data.tags["status"]) == ("FAILED", "failed")
    numbers = {trial.number for trial in result.state.of_stage(CONFIRM)}
    assert {trial.status for trial in result.state.of_stage(SEARCH)} == {"finished"}

    # A resume that retries nothing is no success either.
    assert noisesweep("resume", "test-retry")[0] == 1
    (tmp_path / "test-split").touch()
    code, output, _ = noisesweep("resume", "test-retry", "--retry-failed")
    assert code == 0
    assert "retrying 4 failed trials: " in output
    assert "complete, 6 of 6 trials ended: 6 finished" in output
    result = load("test-retry")
    assert result.failures == []
    assert {trial.number for trial in result.state.of_stage(CONFIRM)} == numbers
    runs = children(result)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert {run.data.tags.get("reason", "") for run in runs.values()} == {""}
    for trial in result.state.of_stage(CONFIRM):
        assert sorted(trial.epochs) == [1, 2, 3]
        assert len(history(result, runs[trial.id].info.run_id, "val_accuracy")) == 3
    assert MlflowClient(result.tracking_uri).get_run(result.run_id).info.status == "FINISHED"
    code, output, _ = noisesweep("resume", "test-retry", "--retry-failed")
    assert code == 0
    assert "note: no failed trial can be retried" in output
