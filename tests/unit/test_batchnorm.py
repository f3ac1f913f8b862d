"""BatchNorm's statistics are those of the weights that are evaluated, saved and measured."""

import io
from typing import ClassVar

import pytest
import torch
from torch import nn

from trainables import NOISE_MODES
from trainables.batch import Batch
from trainables.batchnorm import BATCHES, retake_statistics
from trainables.data.images import Images
from trainables.declarations.images import CNNHyperparameters
from trainables.digits import Digits
from trainables.models.cnn import CNNS
from trainables.testing import TrainableCase, TrainableContract, numbers, record_batches, same_weights


def normalised_network(shape, classes):
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, classes)),
    )


class NormalisedDigits(Digits):
    architectures: ClassVar = {"shallow": normalised_network}


class LargeDigits(Digits):
    """The digits at the size and with the channels that VGG11 takes."""

    shape = (3, 32, 32)
    architectures = CNNS
    Hyperparameters = CNNHyperparameters

    def load(self, split):
        digits = Digits().load(split)
        pixels = digits.pixels.repeat_interleave(4, 2).repeat_interleave(4, 3).repeat(1, 3, 1, 1)
        return Images.of(pixels, digits.labels)


def case_of(**changes):
    values = {"epochs": 2, "batch_size": 32, "train_subset": 200, "lr": 0.05} | changes
    return TrainableCase(NormalisedDigits(), NormalisedDigits.Hyperparameters(**values))


def statistics(model):
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


def training_batches(training):
    """The batches that the statistics are taken over, by the documented rule."""
    order = torch.Generator().manual_seed(0)
    return list(training.task.batches(training._hp.batch_size, order))[:BATCHES]


def assert_statistics_are_those_of_the_weights(training):
    """Compare the first layer's with the mean and variance of its inputs, written out."""
    model = training.task.model
    flatten, linear, norm = model[:3]
    mean, variance, examples = 0.0, 0.0, 0
    with torch.no_grad():
        for batch in training_batches(training):
            inputs = linear(flatten(batch.inputs)).double()
            mean += inputs.mean(0) * len(inputs)
            variance += inputs.var(0) * len(inputs)
            examples += len(inputs)
    assert torch.allclose(norm.running_mean.double(), mean / examples, atol=1e-5)
    assert torch.allclose(norm.running_var.double(), variance / examples, rtol=1e-4)


class TestContractWithBatchNorm(TrainableContract):
    modes = ("all", "after_layer", "anti", "two_point")

    @pytest.fixture
    def case(self):
        return case_of()


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_statistics_are_taken_at_the_weights_in_every_mode(mode):
    training = case_of().noisy(mode)
    for _ in training:
        assert_statistics_are_those_of_the_weights(training)
        assert not any(module.training for module in training.task.model.modules())


def test_noise_in_the_steps_does_not_spoil_the_evaluation():
    # The accuracy is 0.87; with the statistics of the noisy steps it is 0.52.
    metrics = list(case_of(epochs=6, train_subset=None).start(noise="layer", sigma=2.0))
    assert metrics[-1]["val_accuracy"] > 0.7


@pytest.mark.slow
def test_vgg_is_evaluated_at_its_weights():
    # The accuracy is 0.96; with the statistics of the noisy steps it is 0.13.
    hyperparameters = LargeDigits.Hyperparameters(
        model="vgg11", epochs=1, batch_size=64, lr=0.02, noise="layer", sigma=0.1
    )
    (metrics,) = LargeDigits().start(hyperparameters, seed=0)
    assert metrics["val_accuracy"] > 0.8


def test_the_checkpoint_has_the_statistics_that_were_evaluated(monkeypatch):
    training, evaluated = case_of().noisy("layer"), []
    evaluate = training.task.evaluate

    def recording(split):
        evaluated.append(statistics(training.task.model))
        return evaluate(split)

    monkeypatch.setattr(training.task, "evaluate", recording)
    for _ in training:
        saved = training.state_dict()["model"]
        assert all(torch.equal(saved[name], buffer) for name, buffer in evaluated[-1].items())


def test_curvature_and_test_scores_use_the_statistics_of_the_evaluation():
    training = case_of(curvature="epoch", curvature_examples=8, curvature_draws=2).start(test=True)
    for _ in training:
        assert_statistics_are_those_of_the_weights(training)


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_training_steps_stay_as_they_are(mode, monkeypatch):
    retaken = case_of().noisy(mode)
    metrics = numbers(retaken)
    monkeypatch.setattr("trainables.loop.retake_statistics", lambda model, *_: model.eval())
    plain = case_of().noisy(mode)
    names = ("train_loss", "grad_norm", "param_l1", "param_l2")
    assert [[m[name] for name in names] for m in metrics] == [
        [m[name] for name in names] for m in numbers(plain)
    ]
    for one, other in zip(retaken.task.model.parameters(), plain.task.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(retaken.state_dict()["order"], plain.state_dict()["order"])
    assert not same_weights(retaken, plain)  # the statistics differ


def test_all_trials_and_epochs_use_the_same_batches(monkeypatch):
    trainings = [case_of(train_subset=40).noisy(mode, seed=seed) for mode, seed in (("none", 0), ("all", 1))]
    drawn = [record_batches(training, monkeypatch) for training in trainings]
    for training in trainings:
        list(training)
    # An epoch has two steps, then the two batches of the statistics, each with inputs and targets.
    assert [len(tensors) for tensors in drawn] == [16, 16]
    first, second = ([*tensors[4:8]] for tensors in drawn)
    assert all(map(torch.equal, first, second))
    assert all(map(torch.equal, drawn[0][4:8], drawn[0][12:16]))


def test_a_resumed_trial_has_the_same_statistics():
    whole, interrupted, resumed = (case_of().noisy("layer") for _ in range(3))
    expected = numbers(whole)
    next(iter(interrupted))
    file = io.BytesIO()
    torch.save(interrupted.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert same_weights(interrupted, resumed)
    assert numbers(resumed) == expected[1:]
    assert same_weights(whole, resumed)


# The function by itself


class Drawn:
    """Endless batches of four numbers, counted."""

    def __init__(self):
        self.n = 0

    def __call__(self, order):
        while True:
            self.n += 1
            yield Batch(torch.randn(8, 4, generator=order), torch.zeros(8), 8)


def retake(model, batches):
    model.train()
    retake_statistics(model, lambda batch: model(batch.inputs).mean(), batches)


def test_sixteen_batches_are_enough_and_none_are_drawn_without_batch_norm():
    drawn = Drawn()
    retake(nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4)), drawn)
    retake(nn.BatchNorm1d(4, track_running_stats=False), drawn)
    assert drawn.n == 0
    retake(nn.BatchNorm1d(4), drawn)
    assert drawn.n == BATCHES == 16


def test_buffers_stay_in_place_and_momentum_is_restored():
    for momentum in (0.1, None):
        model = nn.BatchNorm1d(4, momentum=momentum)
        places = [buffer.data_ptr() for buffer in model.buffers()]
        retake(model, Drawn())
        assert [buffer.data_ptr() for buffer in model.buffers()] == places
        assert model.momentum == momentum
        assert model.weight.grad is None


def test_momentum_is_restored_after_an_error():
    model = nn.BatchNorm1d(3)
    with pytest.raises(RuntimeError, match="running_mean"):
        retake(model, Drawn())
    assert model.momentum == 0.1
    assert not model.training


def test_layers_that_the_model_keeps_frozen_stay():
    class Frozen(nn.Sequential):
        def train(self, mode=True):
            super().train(mode)
            self[0].eval()
            return self

    model = Frozen(nn.BatchNorm1d(4), nn.BatchNorm1d(4))
    before = statistics(model)
    retake(model, Drawn())
    changed = [not torch.equal(before[name], buffer) for name, buffer in model.named_buffers()]
    assert changed == [False] * 3 + [True] * 3


def test_dropout_is_off_and_no_global_number_is_drawn():
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4))
    before = torch.get_rng_state()
    retake(model, Drawn())
    assert torch.equal(torch.get_rng_state(), before)
    order = torch.Generator().manual_seed(0)
    means = [torch.randn(8, 4, generator=order).mean(0) for _ in range(BATCHES)]
    assert torch.allclose(model[1].running_mean, torch.stack(means).mean(0), atol=1e-6)
