"""Results read from a sweep's folder, without Ray or MLflow."""

import pandas as pd
import pytest

from sweeps import SweepError, load
from sweeps.record.journal import Event
from sweeps.tracking.bookmark import Bookmark
from tests.curves import Curves, content
from tests.made_sweeps import MadeSweep, made_comparison
from trainables import register, registry

CLAIM = {"name": "layer wins", "metric": "test_accuracy", "better": "layer", "worse": "none"}


def test_a_finished_sweep_is_read_and_nothing_is_written(tmp_path):
    made = made_comparison(CLAIM)
    folder = made.write(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = load("made-comparison", storage=tmp_path)
    assert (result.path, result.complete) == (folder.path, True)
    assert [str(claim.judgement.verdict) for claim in result.claims] == ["supported"]
    assert result.best is not None
    assert result.best.arm == "layer"
    assert result.best_by_arm.keys() == {"none", "all", "layer", "after_all", "after_layer"}
    assert (result.tracking_uri, result.run_id, result.undelivered) == ("", "", len(made.events))
    assert sorted(tmp_path.rglob("*")) == before


def test_what_mlflow_has_is_read_from_the_bookmark(tmp_path):
    folder = made_comparison().write(tmp_path)
    events: list[tuple[Event, int]] = list(folder.journal.read())
    Bookmark("http://mlflow.example", "id", "parent", events[-3][1]).save(folder)
    result = load("made-comparison", storage=tmp_path)
    assert (result.tracking_uri, result.run_id, result.undelivered) == ("http://mlflow.example", "parent", 2)


def test_curves_have_a_row_for_each_trial_and_epoch(tmp_path):
    folder = made_comparison().write(tmp_path)
    result = load("made-comparison", storage=tmp_path)
    trials = folder.state().by_number()
    assert len(result.curves) == sum(len(trial.epochs) for trial in trials)
    assert result.curves.columns[:8].tolist() == [
        *("number", "stage", "arm", "seed", "noise", "sigma", "lr", "epoch")
    ]
    last = result.curves.groupby("number").last()
    frame = result.frame.set_index("number")
    pd.testing.assert_series_equal(last.val_accuracy, frame.val_accuracy)
    one = result.curves[result.curves.number == 1]
    epochs = trials[0].epochs
    assert dict(zip(one.epoch, one.val_accuracy, strict=True)) == {
        epoch: metrics["val_accuracy"] for epoch, metrics in epochs.items()
    }


def test_an_unfinished_sweep_can_be_read(tmp_path):
    made_comparison(only=3).write(tmp_path)
    result = load("made-comparison", storage=tmp_path)
    assert not result.complete
    assert result.frame[result.frame.stage == "confirm"].seed.nunique() == 3


def test_without_its_trainable_a_sweep_gives_its_numbers_and_one_error(tmp_path):
    register(Curves)
    made = MadeSweep(content(budget={"trials": 1}))
    made.trial({"lr": 0.1}, 0, [{"val_accuracy": 0.5}])
    made.write(tmp_path)
    registry._registered.pop("curves")
    result = load("test-curves", storage=tmp_path)
    assert result.frame.val_accuracy.tolist() == result.curves.val_accuracy.tolist() == [0.5]
    with pytest.raises(SweepError, match="the trainable 'curves' is not registered here"):
        _ = result.figures


def test_an_unknown_study_is_named(tmp_path):
    with pytest.raises(SweepError, match="no sweep named 'nothing'"):
        load("nothing", storage=tmp_path)
