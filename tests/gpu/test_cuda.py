"""Training on a CUDA device, where there is one: the contract, and steps replayed as graphs."""

from dataclasses import replace

import pytest
import torch

from tests.cases import CASES
from trainables import NOISE_MODES
from trainables.testing import TrainableContract, numbers, same_weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
REPLAYED = [name for name, case in CASES.items() if case(None).trainable.fixed_shapes]


def on_cuda(name, data_dir, **changes):
    return replace(CASES[name](data_dir, **changes), device="cuda")


@pytest.fixture(params=CASES)
def case(request, data_dir):
    return on_cuda(request.param, data_dir)


class TestContract(TrainableContract):
    @pytest.fixture
    def case(self, case):
        return case


@pytest.fixture(params=REPLAYED)
def replayed_case(request, data_dir):
    return on_cuda(request.param, data_dir)


def as_written(case, monkeypatch):
    monkeypatch.setattr(type(case.trainable), "fixed_shapes", False)


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_replays_have_the_bits_of_the_step_as_written(replayed_case, mode, monkeypatch):
    replayed = replayed_case.noisy(mode, equal="steps")
    found, noise = numbers(replayed), replayed._noise
    # Two epochs of 7 steps, of which the first 3 and the smaller last batches run as written.
    steps = (3, 4, 5, *range(7, 13))
    groups = {tuple(noise.mode.groups(step, len(noise.parameters))) for step in steps}
    assert replayed._graphs.captured == len(groups)
    as_written(replayed_case, monkeypatch)
    written = replayed_case.noisy(mode, equal="steps")
    assert found == numbers(written)
    assert same_weights(replayed, written)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_replays_follow_the_optimizer_and_the_precision(replayed_case, optimizer, precision, monkeypatch):
    changes = {"optimizer": optimizer, "precision": precision, "epochs": 3}
    replayed = replayed_case.noisy("all", **changes)
    found = numbers(replayed)
    as_written(replayed_case, monkeypatch)
    written = replayed_case.noisy("all", **changes)
    assert found == numbers(written)
    assert same_weights(replayed, written)


def test_an_epoch_waits_for_the_device_at_its_ends_alone(case, monkeypatch):
    training = case.noisy("all")
    batches = training.task.batches

    def watched(*args):
        ahead = batches(*args)
        yield next(ahead)
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield from ahead
        finally:
            torch.cuda.set_sync_debug_mode("default")

    epochs = iter(training)
    next(epochs)  # captures, which waits
    monkeypatch.setattr(training.task, "batches", watched)
    next(epochs)
