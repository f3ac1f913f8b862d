"""What a trial reports of the test split; its reports are collected here instead of by Tune."""

import pytest

from sweeps.record.correctness import unpacked
from sweeps.spec.load import load_spec
from sweeps.worker import trial
from trainables.loop import Training

STUDY = {
    "name": "test-worker",
    "trainable": "digits",
    "fixed": {"epochs": 2, "train_subset": 200},
    "search": {"lr": {"uniform": [0.01, 0.1]}},
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "budget": {"trials": 1},
}
CONFIG = {"trial": "0001", "lr": 0.05, "seed": 0}


@pytest.fixture
def reported(tmp_path, monkeypatch):
    """Return a function that runs the trial, or resumes it after its end, and returns its epochs' reports."""

    def run(**options):
        results = []
        monkeypatch.setattr(trial.tune, "report", results.append)
        trial.run_trial(CONFIG, load_spec(STUDY), str(tmp_path), **options)
        return [epoch for result in results for epoch in result["epochs"]]

    return run


def test_the_last_epoch_tells_which_test_examples_are_right_also_after_a_resume(reported):
    first, last = reported(test=True)
    assert "correct" not in first
    assert unpacked(last["correct"]).mean() == last["metrics"]["test_accuracy"]
    assert len(unpacked(last["correct"])) == 450
    # A trial that is resumed after its end trains nothing, and reports what its checkpoint has.
    assert reported(test=True) == [first, last]


def test_a_checkpoint_of_other_data_is_not_used(reported, monkeypatch):
    losses = [epoch["metrics"]["train_loss"] for epoch in reported()]
    monkeypatch.setattr(Training, "data_fingerprint", "other")
    assert [epoch["data_fingerprint"] for epoch in reported()] == ["other", "other"]
    monkeypatch.undo()
    again = reported()
    assert [epoch["metrics"]["train_loss"] for epoch in again] == losses
    assert "other" not in [epoch["data_fingerprint"] for epoch in again]


def test_a_trial_that_reads_no_test_split_has_none(reported):
    assert not any("correct" in epoch for epoch in reported())
