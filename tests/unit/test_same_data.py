"""A sweep goes on only with the data that it began with."""

import pytest

from sweeps.engine.same_data import SameData
from tests.made_sweeps import made_comparison
from trainables import registry


def checked(trial, fingerprint, monkeypatch, fixed=True, drop_tags=False, **hyperparameters):
    """Return what is said of a further trial of a made sweep, whose trials have the fingerprint ``made``."""
    sweep = made_comparison()
    if drop_tags:
        for event in sweep.events:
            event.pop("tags", None)
            event |= {"tags": {"host": "made"}} if event["event"] == "epoch" else {}
    state = sweep.state
    monkeypatch.setattr(state.spec.declaration, "fixed_data", fixed)
    record = state.trials[trial]
    record.hyperparameters |= hyperparameters
    return SameData(sweep.state).mistake(record, fingerprint, "there")


def test_other_data_are_refused_with_what_to_do(monkeypatch):
    assert checked("0001", "made", monkeypatch) == ""
    assert checked("0001", "other", monkeypatch) == (
        "the data have changed since the sweep began: trial 0001 on there has the fingerprint other, earlier "
        "trials made; new trials would not be comparable with existing ones; restore the data, or start "
        "another sweep (run with --new)"
    )


def test_what_the_data_depend_on_may_change_them(monkeypatch):
    assert checked("0001", "other", monkeypatch, train_subset=77) == ""
    assert checked("0001", "other", monkeypatch, lr=77.0) != ""


def test_computed_data_and_old_journals_are_not_compared(monkeypatch):
    assert checked("0001", "other", monkeypatch, fixed=False) == ""
    assert checked("0001", "other", monkeypatch, drop_tags=True) == ""


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_stored_data_are_fixed_and_drawn_data_are_not(name):
    fixed = {"cifar10", "cifar100", "digits", "fmnist", "mnist", "temperatures"}
    assert registry.declaration(name).fixed_data == (name in fixed)
