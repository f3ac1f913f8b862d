"""Curvature against the dense Hessian, against differences of gradients, and of every model."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tests.cases import CASES
from trainables.batch import Batch
from trainables.curvature import (
    CURVATURE_METRICS,
    Hessian,
    hutchinson_trace,
    measure_curvature,
    top_eigenvalue,
)

MODELS = [
    ("cifar10", {"model": "cnn1"}),
    ("cifar10", {"model": "cnn2"}),
    ("cifar10", {"model": "cnn3"}),
    ("cifar10", {"model": "resnet18"}),
    ("cifar100", {"model": "vgg11"}),
    ("digits", {"model": "shallow"}),
    ("imdb", {"model": "trans1"}),
    ("imdb", {"model": "trans2", "freeze_vectors": False}),
    ("imdb", {"model": "trans3"}),
    *(("imdb", {"model": "recurrent", "cell": cell}) for cell in ("lstm", "gru", "rnn")),
    *(("conll2003", {"cell": cell, "layers": 2}) for cell in ("lstm", "gru", "rnn")),
    *(("temperatures", {"cell": cell, "layers": 2}) for cell in ("lstm", "gru", "rnn")),
]


def small_problem(sizes=(7, 5)):
    """Two batches of different weight, and a network of 3-4-2 with a layer that is not trained."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).eval()
    model[0].requires_grad_(False)
    batches = [Batch(torch.randn(n, 3), torch.randint(2, (n,)), n) for n in sizes]
    return model, lambda batch: F.cross_entropy(model(batch.inputs), batch.targets), batches


def dense_hessian(model, batches):
    """The same loss as one function of one vector, by torch's own second derivatives."""
    names, parameters = zip(*((n, p) for n, p in model.named_parameters() if p.requires_grad), strict=True)
    inputs = torch.cat([batch.inputs for batch in batches])
    targets = torch.cat([batch.targets for batch in batches])

    def loss(flat):
        parts = flat.split([p.numel() for p in parameters])
        changed = {n: part.view_as(p) for n, part, p in zip(names, parts, parameters, strict=True)}
        return F.cross_entropy(torch.func.functional_call(model, changed, (inputs,)), targets)

    return torch.autograd.functional.hessian(loss, nn.utils.parameters_to_vector(parameters).detach())


def test_products_are_those_with_the_dense_hessian(float64):
    model, loss, batches = small_problem()
    dense, hessian = dense_hessian(model, batches), Hessian(model, loss, batches)
    assert hessian.size == len(dense) == 4 * 3 + 4 + 2 * 4 + 2
    columns = [hessian @ column for column in torch.eye(hessian.size)]
    assert torch.allclose(torch.stack(columns, 1), dense, atol=1e-12)


def test_top_eigenvalue_is_that_of_the_dense_hessian(float64):
    model, loss, batches = small_problem()
    eigenvalues = torch.linalg.eigvalsh(dense_hessian(model, batches))
    found = top_eigenvalue(Hessian(model, loss, batches), torch.Generator().manual_seed(0))
    assert found == pytest.approx(float(eigenvalues[-1]), rel=1e-3)


def quadratic(diagonal):
    """A loss whose Hessian is the diagonal given."""
    model = nn.Linear(len(diagonal), 1, bias=False)
    scale = torch.as_tensor(diagonal)
    batch = Batch(torch.zeros(1), torch.zeros(1), 1)
    return model, lambda _: (scale * model.weight[0] ** 2).sum() / 2, [batch]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_a_diagonal_hessian_has_no_error(diagonal):
    # v . D v is tr D for every vector of signs: the estimate is exact.
    model, loss, batches = quadratic(torch.tensor(diagonal))
    trace, error = hutchinson_trace(Hessian(model, loss, batches), 3, torch.Generator().manual_seed(0))
    assert trace == pytest.approx(sum(diagonal), abs=1e-4)
    assert error == pytest.approx(0, abs=1e-4)


def test_the_largest_eigenvalue_is_the_most_positive(float64):
    model, loss, batches = quadratic(torch.tensor([-9.0, 2.0, 1.0, 0.5]))
    assert top_eigenvalue(Hessian(model, loss, batches), torch.Generator().manual_seed(0)) == pytest.approx(
        2.0
    )


@pytest.mark.parametrize("size", [1, 2])
def test_the_smallest_networks_have_an_eigenvalue(size, float64):
    model, loss, batches = quadratic(torch.arange(1.0, size + 1))
    found = top_eigenvalue(Hessian(model, loss, batches), torch.Generator().manual_seed(0))
    assert found == pytest.approx(size)


def test_the_trace_is_within_three_standard_errors_and_these_are_right(float64):
    model, loss, batches = small_problem()
    dense, draws = dense_hessian(model, batches), 1000
    hessian = Hessian(model, loss, batches)
    trace, error = hutchinson_trace(hessian, draws, torch.Generator().manual_seed(0))
    assert abs(trace - float(dense.trace())) < 3 * error
    # The variance of v . H v over signs is 2 (|H|^2 - |diag H|^2).
    variance = 2 * (dense.square().sum() - dense.diagonal().square().sum())
    assert error == pytest.approx(math.sqrt(float(variance) / draws), rel=0.1)


def test_signs_are_signs():
    model, loss, batches = quadratic(torch.ones(10_000))
    signs = Hessian(model, loss, batches).random_signs(torch.Generator().manual_seed(0))
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert abs(float(signs.mean())) < 3 / math.sqrt(10_000)


def test_a_measurement_is_repeated_exactly_and_says_what_it_cost():
    one, two = (measure_curvature(*small_problem(), draws=4, sharpness_sigma=0.01) for _ in range(2))
    assert tuple(one) == CURVATURE_METRICS
    assert one.pop("curvature_seconds") > 0
    assert two.pop("curvature_seconds") > 0
    assert one == two


def test_an_eigenvalue_that_many_share_is_repeated_exactly():
    # Lanczos then has to start anew, from a vector drawn at random.
    def found():
        model, loss, batches = quadratic(torch.tensor([1.0] * 30 + [2.0] * 30))
        return top_eigenvalue(Hessian(model, loss, batches), torch.Generator().manual_seed(0))

    assert len({found() for _ in range(6)}) == 1


def test_an_eigenvalue_that_does_not_converge_is_given_up():
    generator = torch.Generator().manual_seed(0)
    diagonal = torch.cat(
        [-torch.rand(10_000, generator=generator), torch.rand(10_000, generator=generator) / 1000]
    )
    model, loss, batches = quadratic(diagonal)
    assert math.isnan(top_eigenvalue(Hessian(model, loss, batches), torch.Generator().manual_seed(0)))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cifar10", "imdb", "conll2003", "temperatures"])
def test_single_precision_is_precise_enough(name, data_dir):
    task = CASES[name](data_dir, train_subset=8).start().task
    task.model.eval()
    batches = task.sample(4)
    single = Hessian(task.model, task.loss, batches)
    direction = single.random_signs(torch.Generator().manual_seed(0))
    found = single @ direction
    task.model.double()
    doubled = [
        Batch(*(t.double() if t.is_floating_point() else t for t in batch[:2]), batch.weight)
        for batch in batches
    ]
    expected = Hessian(task.model, task.loss, doubled) @ direction.double()
    assert float((found - expected).norm() / expected.norm()) < 1e-4


def test_a_loss_that_is_not_finite_gives_no_number_and_no_error():
    model, _, batches = small_problem()
    found = measure_curvature(
        model, lambda batch: model(batch.inputs).sum() * math.inf, batches, draws=2, sharpness_sigma=0.01
    )
    assert not math.isfinite(found["hessian_trace"])
    assert not math.isfinite(found["hessian_top_eigenvalue"])
    assert not math.isfinite(found["sharpness"])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "changes"), MODELS)
def test_products_of_every_model_are_differences_of_gradients(name, changes, data_dir, float64):
    task = CASES[name](data_dir, train_subset=8, **changes).start().task
    for dropout in (module for module in task.model.modules() if isinstance(module, nn.Dropout)):
        assert dropout.p > 0  # evaluation mode is what switches it off
    task.model.eval()
    batches = task.sample(4)
    parameters = [p for p in task.model.parameters() if p.requires_grad]
    hessian = Hessian(task.model, task.loss, batches)
    direction = hessian.random_signs(torch.Generator().manual_seed(1)) / math.sqrt(hessian.size)
    start, step = nn.utils.parameters_to_vector(parameters).detach().clone(), 1e-5

    def gradient(weights):
        nn.utils.vector_to_parameters(weights, parameters)
        total = sum(task.loss(batch) * batch.weight for batch in batches) / sum(b.weight for b in batches)
        return torch.cat(
            [g.flatten() for g in torch.autograd.grad(total, parameters, materialize_grads=True)]
        )

    difference = (gradient(start + step * direction) - gradient(start - step * direction)) / (2 * step)
    nn.utils.vector_to_parameters(start, parameters)
    product = hessian @ direction
    assert float(product.norm()) > 0
    # Where ReLU or max-pooling switches within the step, the two differ a little.
    assert float((product - difference).norm() / product.norm()) < 0.02


def test_batch_norm_is_measured_by_its_running_statistics(data_dir):
    task = CASES["cifar100"](data_dir, model="vgg11", train_subset=8).start().task
    before = {name: buffer.clone() for name, buffer in task.model.eval().named_buffers()}
    hessian = Hessian(task.model, task.loss, task.sample(8))
    hessian @ torch.ones(hessian.size)
    assert all(torch.equal(buffer, before[name]) for name, buffer in task.model.named_buffers())


def test_the_sample_is_the_same_for_every_seed(data_dir):
    for name in CASES:
        if CASES[name](data_dir).trainable.draws_data:
            continue
        samples = [CASES[name](data_dir).start(seed=seed).task.sample(20) for seed in (0, 1)]
        assert sum(len(batch.inputs) for batch in samples[0]) == 20
        for one, two in zip(*samples, strict=True):
            assert np.array_equal(one.inputs.numpy(), two.inputs.numpy())
