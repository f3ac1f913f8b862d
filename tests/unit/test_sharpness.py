"""The mean rise of the loss under noise on the weights: against formulas, and without a trace."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.cases import CASES
from trainables.batch import Batch
from trainables.sharpness import mean_rise

DRAWS, SIGMA, SEED = 2000, 0.1, 3
# Of falsely failing, for another seed.
ERROR_RATE = 1e-6


def generator():
    return torch.Generator().manual_seed(SEED)


def measured(model, loss, batches, *, sigma=SIGMA, draws=DRAWS):
    return mean_rise(model, loss, batches, sigma=sigma, draws=draws, generator=generator())


def bits(model):
    return [value.numpy().tobytes() for value in model.state_dict().values()]


def quadratic(diagonal):
    """A loss w . D w / 2, at weights other than its minimum."""
    model = nn.Linear(len(diagonal), 1, bias=False).double()
    scale = torch.as_tensor(diagonal, dtype=torch.float64)
    batch = Batch(torch.zeros(1), torch.zeros(1), 1)
    return model, lambda _: (scale * model.weight[0] ** 2).sum() / 2, [batch]


def small_problem():
    """Two batches of different weight, and a network with a layer that is not trained."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double().eval()
    model[0].requires_grad_(False)
    batches = [Batch(torch.randn(n, 3).double(), torch.randint(2, (n,)), n) for n in (7, 5)]
    return model, lambda batch: F.cross_entropy(model(batch.inputs), batch.targets), batches


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(1e-3, 1.0))
def test_on_a_quadratic_it_is_half_the_variance_times_the_trace(diagonal, sigma):
    # The rise is s w . D xi + s^2 / 2 xi . D xi, of mean s^2 / 2 tr D.
    torch.manual_seed(0)
    model, loss, batches = quadratic(diagonal)
    found, error = measured(model, loss, batches, sigma=sigma)
    d, w = np.array(diagonal), model.weight.detach().numpy()[0]
    deviation = math.sqrt(sigma**2 * ((d * w) ** 2).sum() + sigma**4 / 2 * (d**2).sum())
    bound = norm.isf(ERROR_RATE / 2) * deviation / math.sqrt(DRAWS)
    assert abs(found - sigma**2 / 2 * d.sum()) <= bound + 1e-12
    assert error == pytest.approx(deviation / math.sqrt(DRAWS), rel=0.25, abs=1e-12)


def test_it_is_the_mean_over_the_draws_written_out():
    model, loss, batches = small_problem()
    found, error = measured(model, loss, batches, draws=5)
    names, weights = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
    inputs, targets = (torch.cat([batch[i] for batch in batches]) for i in (0, 1))

    def loss_at(flat):
        parts = flat.split([p.numel() for p in weights])
        changed = {n: part.view_as(p) for n, part, p in zip(names, parts, weights, strict=True)}
        return float(F.cross_entropy(functional_call(model, changed, (inputs,)), targets))

    w, source = nn.utils.parameters_to_vector(weights).detach(), generator()
    noise = [torch.empty_like(w).normal_(generator=source) for _ in range(5)]
    rises = [loss_at(w + SIGMA * xi) - loss_at(w) for xi in noise]
    assert found == pytest.approx(np.mean(rises), rel=1e-9)
    assert error == pytest.approx(np.std(rises, ddof=1) / math.sqrt(5), rel=1e-9)


def test_weights_and_buffers_end_as_they_were_and_in_place():
    model, loss, batches = small_problem()
    before, places = bits(model), [p.data_ptr() for p in model.parameters()]
    inside = []
    measured(model, lambda batch: inside.append(bits(model)) or loss(batch), batches, draws=3)
    assert bits(model) == before
    assert [p.data_ptr() for p in model.parameters()] == places
    # Two batches without noise, then two for each of three draws; the frozen layer stays.
    changed = [[a != b for a, b in zip(seen, before, strict=True)] for seen in inside]
    assert changed == [[False] * 6] * 2 + [[False, False, True, True, True, True]] * 6


@pytest.mark.parametrize("call", range(6))
def test_weights_are_restored_when_the_loss_raises(call):
    model, loss, batches = small_problem()
    before, calls = bits(model), iter(range(6))

    def raising(batch):
        if next(calls) == call:
            raise ArithmeticError("no loss")
        return loss(batch)

    with pytest.raises(ArithmeticError, match="no loss"):
        measured(model, raising, batches, draws=2)
    assert bits(model) == before


@pytest.mark.parametrize("name", ["digits", "imdb", "temperatures"])
def test_trials_share_the_noise_and_sigma_sets_its_size(name, data_dir):
    def sharpness(sigma):
        case = CASES[name](data_dir, epochs=1, curvature="end", curvature_examples=8, curvature_draws=2)
        (metrics,) = case.start(sharpness_sigma=sigma)
        return metrics["sharpness"]

    assert sharpness(0.01) == sharpness(0.01)
    assert abs(sharpness(1e-3)) < abs(sharpness(1.0))


def test_batchnorm_uses_the_statistics_of_each_batch_and_keeps_its_own():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double().eval()
    batches = [Batch(torch.randn(n, 3).double(), torch.randint(2, (n,)), n) for n in (7, 5)]

    def loss(batch):
        return F.cross_entropy(model(batch.inputs), batch.targets)

    def normalised(batch):
        # What BatchNorm computes, written out: the scale of the layer before it does not matter.
        hidden = model[0](batch.inputs)
        scaled = (hidden - hidden.mean(0)) / (hidden.var(0, correction=0) + model[1].eps).sqrt()
        return F.cross_entropy(model[2](scaled * model[1].weight + model[1].bias), batch.targets)

    before = bits(model)
    found = measured(model, loss, batches, draws=5)
    assert bits(model) == before
    assert found == pytest.approx(measured(model, normalised, batches, draws=5))
    assert model[1].running_mean is not None
