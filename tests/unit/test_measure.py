"""What a worker measures of a few steps."""

import math
from dataclasses import replace

import pytest

from sweeps import load_spec
from sweeps.analysis.costs import gradients
from sweeps.analysis.work import works_of
from sweeps.worker import measure as measuring
from sweeps.worker.measure import FewBatches, Measurement
from tests.curves import content
from trainables.digits import Digits
from trainables.loop import Training

SMALL = {"epochs": 9, "batch_size": 64, "train_subset": 640}


def measured_by(spec, test, **hyperparameters):
    measurement = Measurement(spec, spec.hyperparameters(hyperparameters), test)
    measurement.warm_up()
    return measurement.measure()


def measured(test=False, **fixed):
    spec = load_spec(content(trainable="digits", fixed={**SMALL, **fixed}))
    return measured_by(spec, test, noise="all", lr=0.01, sigma=0.01)


def test_an_epoch_is_scaled_from_the_batches_that_were_trained(monkeypatch):
    # Five epochs are the fewest.
    monkeypatch.setattr(measuring, "_SECONDS", 0.0)
    monkeypatch.setattr(measuring, "_EPOCH_SECONDS", 0.0)
    # Four of ten batches in each.
    cost = measured()
    assert (cost.batches, cost.steps) == (10, 20)
    monkeypatch.setattr(measuring, "_FEWEST_BATCHES", 10)
    assert measured().steps == 50


def test_short_epochs_are_repeated_up_to_a_number(monkeypatch):
    monkeypatch.setattr(measuring, "_SECONDS", 1e6)
    monkeypatch.setattr(measuring, "_EPOCH_SECONDS", 1e6)
    assert measured().steps == 10 * 40


def test_epochs_that_another_process_holds_up_do_not_count(monkeypatch):
    """One of five epochs takes a hundred times as long, in training and in what follows."""
    monkeypatch.setattr(measuring, "_SECONDS", 0.0)
    now, epochs = [0.0], []
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])

    def iterate(training):
        for epoch in range(training._hp.epochs):
            held_up = 100 if epoch == 1 else 1
            training.task.counts.append(10)
            now[0] += 3 * held_up
            epochs.append(epoch)
            yield {"epoch_seconds": 2.0 * held_up}

    monkeypatch.setattr(Training, "__iter__", iterate)
    cost = measured()
    assert epochs == [0, *range(5)]
    assert (cost.train, cost.evaluate) == (pytest.approx(2.0), pytest.approx(1.0))


def test_the_split_and_the_curvature_are_measured_only_if_a_trial_needs_them():
    few = {"curvature_draws": 2, "curvature_examples": 8}
    plain, full = measured(), measured(test=True, curvature="epoch", **few)
    assert plain.curvature == 0 < full.curvature
    for cost in (plain, full):
        assert all(math.isfinite(each) and each >= 0 for each in (cost.start, cost.epoch, cost.test))
        assert cost.train > 0


def test_the_gradients_of_a_plan_are_those_that_a_trial_takes(monkeypatch):
    spec = load_spec(content(trainable="digits", fixed={**SMALL, "epochs": 2}, budget={"trials": 1}))
    for mode in ("none", "mixed"):
        hyperparameters = spec.hyperparameters({"noise": mode, "lr": 0.01, "sigma": 0.01})
        training = Digits().start(hyperparameters, seed=0)
        training.task = few = FewBatches(training.task)
        compute, taken = few.loss, []

        def loss(batch, compute=compute, taken=taken):
            taken.append(batch)
            return compute(batch)

        monkeypatch.setattr(few, "loss", loss)
        list(training)
        work = works_of(spec, [1.0])[0]
        assert few.counts == [10, 10]
        planned = gradients(replace(work, hyperparameters=hyperparameters), 2, 10, "gradients")
        assert planned == len(taken)


def test_whole_epochs_of_a_loop_of_its_own_are_measured(curves):
    spec = load_spec(content())
    cost = measured_by(spec, test=True, noise="none", lr=0.01)
    assert (cost.batches, cost.train) == (1, 1.0)
