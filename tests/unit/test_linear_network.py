"""The linear network: its exact variance under noise, how that grows with the width, and its data."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import CASES
from trainables.data import DataError
from trainables.linear_network import EXAMPLES, LinearData, LinearNetwork
from trainables.models.linear_network import build, mean_rises, output_variance, product_of, single_variances

PARAMETRIZATIONS = ("mean_field", "standard", "ntk")
INPUTS, OUTPUTS = 4, 3


def random_factors(sizes, generator):
    return [
        torch.randn(after, before, generator=generator, dtype=torch.float64)
        for before, after in pairwise(sizes)
    ]


def random_moment(size, generator):
    root = torch.randn(size, size, generator=generator, dtype=torch.float64)
    return root @ root.T


def network(parametrization, width, depth, seed=0):
    torch.manual_seed(seed)
    return build([INPUTS, *[width] * (depth - 1), OUTPUTS], width, parametrization)


# The variance under noise


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.integers(0, 1000))
def test_the_variance_is_that_of_the_second_moments_layer_by_layer(sizes, seed):
    """E (A + s E) M (A + s E)^T = A M A^T + s^2 tr(M) I, matrix by matrix."""
    generator = torch.Generator().manual_seed(seed)
    factors, moment = random_factors(sizes, generator), random_moment(sizes[0], generator)
    deviations = torch.rand(len(factors), generator=generator).tolist()
    noisy = clean = moment
    for factor, deviation in zip(factors, deviations, strict=True):
        noisy = factor @ noisy @ factor.T + deviation**2 * noisy.trace() * torch.eye(
            len(factor), dtype=factor.dtype
        )
        clean = factor @ clean @ factor.T
    expected = float((noisy - clean).trace())
    assert output_variance(factors, deviations, moment) == pytest.approx(expected, rel=1e-9)


def test_noise_on_one_layer_alone_is_noise_on_all_of_which_one_has_any():
    generator = torch.Generator().manual_seed(0)
    factors = random_factors((INPUTS, 5, 6, 2, OUTPUTS), generator)
    moment, deviations = random_moment(INPUTS, generator), [0.1, 0.2, 0.3, 0.4]
    single = single_variances(factors, deviations, moment)
    for layer, variance in enumerate(single):
        alone = [each if other == layer else 0.0 for other, each in enumerate(deviations)]
        assert variance == pytest.approx(output_variance(factors, alone, moment), rel=1e-9)


@pytest.mark.parametrize("deviations", [(0.5, 0.5, 0.5), (0.0, 0.8, 0.0)])
def test_the_variance_is_that_of_drawn_noise(deviations):
    generator = torch.Generator().manual_seed(0)
    factors = random_factors((INPUTS, 5, 6, OUTPUTS), generator)
    inputs = torch.randn(20, INPUTS, generator=generator, dtype=torch.float64)
    draws = torch.empty(20_000, dtype=torch.float64)
    for draw in range(len(draws)):
        outputs = inputs.T
        for factor, deviation in zip(factors, deviations, strict=True):
            noise = torch.randn(factor.shape, generator=generator, dtype=torch.float64)
            outputs = (factor + deviation * noise) @ outputs
        draws[draw] = (outputs.T - inputs @ product_of(factors).T).square().sum(1).mean()
    exact = output_variance(factors, deviations, inputs.T @ inputs / len(inputs))
    assert abs(float(draws.mean()) - exact) < 4 * float(draws.std()) / math.sqrt(len(draws))


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_all_adds_products_of_noises_to_the_regularizer_of_layer(parametrization, float64):
    """To second order in sigma the two are equal, and what is left of the difference is of fourth order."""
    made, moment = network(parametrization, 20, 3), torch.eye(INPUTS)
    extra = []
    for sigma in (0.02, 0.01):
        rises = mean_rises(made, sigma, moment)
        assert 0 < rises["all"] - rises["layer"] < 0.05 * rises["layer"]
        extra.append(rises["all"] - rises["layer"])
    assert extra[0] / extra[1] == pytest.approx(2**4, rel=0.05)


WIDTH = 2000
# With two layers: the terms of one noise / (s^2 k), and the term of two noises / (s^4 k).
TERMS = {
    "mean_field": (2 * INPUTS, WIDTH * INPUTS),
    "standard": (INPUTS + WIDTH, WIDTH * INPUTS),
    "ntk": (2, 1),
}


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_at_initialization_the_terms_are_those_of_the_table(parametrization):
    sigma, moment = 0.1, torch.eye(INPUTS)
    rises = [mean_rises(network(parametrization, WIDTH, 2, seed), sigma, moment) for seed in range(10)]
    layer, both = (sum(rise[mode] for rise in rises) / len(rises) for mode in ("layer", "all"))
    one, two = TERMS[parametrization]
    # `all` puts sigma / sqrt(2) on each; `layer` is a mean over two; the loss has a factor of 1/2.
    assert layer == pytest.approx(OUTPUTS * sigma**2 / 2 * one / 2, rel=0.03)
    assert both - layer == pytest.approx(OUTPUTS * sigma**4 / 4 * two / 2, rel=1e-2)


GROWTH = {"mean_field": (False, True), "standard": (True, True), "ntk": (False, False)}


@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_which_mode_explodes_with_the_width_depends_on_the_parametrization(parametrization):
    """In ``mean_field`` only ``all`` does, in ``standard`` both do, in ``ntk`` neither."""
    moment = torch.eye(INPUTS)
    narrow, wide = (
        [mean_rises(network(parametrization, width, 3, seed), 0.3, moment) for seed in range(5)]
        for width in (20, 1000)
    )
    ratios = [
        sum(rise[mode] for rise in wide) / sum(rise[mode] for rise in narrow) for mode in ("layer", "all")
    ]
    explodes = tuple(ratio > 10 for ratio in ratios)
    assert explodes == GROWTH[parametrization]
    assert all(ratio < 1.5 for ratio, grew in zip(ratios, explodes, strict=True) if not grew)


@pytest.mark.parametrize("mode", ["all", "layer"])
@pytest.mark.parametrize("parametrization", PARAMETRIZATIONS)
def test_the_training_loss_rises_by_the_exact_mean(parametrization, mode, float64):
    """In a trial whose steps are too small to matter."""
    noise = {"parametrization": parametrization, "noise": mode, "sigma": 0.2}
    changes = {"lr": 1e-12, "batch_size": 50, "train_subset": None, "epochs": 30}
    training = CASES["linear_network"](None, **noise, **changes).start()
    (train,) = training.task.sample(EXAMPLES)
    before = float(training.task.loss(train).detach())
    rise = mean_rises(training.task.model, 0.2, train.inputs.T @ train.inputs / EXAMPLES)[mode]
    rises = torch.tensor([metrics["train_loss"] for metrics in training]) - before
    deviation = float(rises.std()) / math.sqrt(len(rises))
    assert rise > 8 * deviation
    assert abs(float(rises.mean()) - rise) < 4 * deviation


# The data


def test_half_the_label_noise_is_what_is_left_of_the_loss_at_the_truth():
    case = CASES["linear_network"](None, depth=1, label_noise=0.5, outputs=4)
    task = case.start().task
    task.model.weights[0].data = task._data.truth.clone()
    for split in ("validation", "test"):
        scores = task.evaluate(split)
        assert scores["distance"] == 0
        # A mean of EXAMPLES * 4 squares.
        assert scores["loss"] == pytest.approx(4 * 0.5**2 / 2, rel=4 * math.sqrt(2 / EXAMPLES / 4))


def test_the_distance_is_what_the_expected_loss_exceeds_that_of_the_truth_by(float64):
    task = CASES["linear_network"](None, label_noise=0.0).start().task
    scores = task.evaluate("test")
    errors = (product_of(task.model.factors()) - task._data.truth) @ task._data.inputs["test"].T
    losses = errors.detach().square().sum(0) / 2
    assert scores["loss"] == pytest.approx(float(losses.mean()))
    assert abs(scores["distance"] - scores["loss"]) < 4 * float(losses.std()) / math.sqrt(EXAMPLES)


def test_the_network_is_the_product_of_its_factors(float64):
    for parametrization in PARAMETRIZATIONS:
        made = network(parametrization, 7, 4)
        inputs = torch.randn(5, INPUTS)
        assert torch.allclose(made(inputs), inputs @ product_of(made.factors()).T)


def test_the_seed_draws_the_data_with_split_per_seed_and_every_arm_shares_them():
    case = CASES["linear_network"](None, split="per_seed")
    first, same, other = (
        trial.task._data for trial in (case.start(seed=0), case.noisy("layer", seed=0), case.start(seed=1))
    )
    assert torch.equal(first.truth, same.truth)
    assert all(torch.equal(first.targets[split], same.targets[split]) for split in first.targets)
    assert not torch.equal(first.truth, other.truth)
    fixed = [CASES["linear_network"](None).start(seed=seed).task._data.truth for seed in (0, 1)]
    assert torch.equal(*fixed)


def test_splits_are_drawn_apart():
    data = LinearData.draw(LinearNetwork.Hyperparameters(), seed=0)
    rows = {tuple(row) for inputs in data.inputs.values() for row in inputs.tolist()}
    assert len(rows) == 3 * EXAMPLES


def test_the_data_do_not_depend_on_the_network():
    tasks = [
        CASES["linear_network"](None, **changes).start().task for changes in ({}, {"width": 9, "depth": 2})
    ]
    assert len({task.data_fingerprint for task in tasks}) == 1
    other = CASES["linear_network"](None, label_noise=0.2).start().task
    assert other.data_fingerprint != tasks[0].data_fingerprint


@pytest.mark.parametrize("name", ["linear_network", "quadratic"])
def test_more_examples_than_there_are_is_refused(name):
    case = CASES[name](None, train_subset=EXAMPLES + 1)
    with pytest.raises(DataError, match="must be at most the 1000 training examples, got 1001"):
        case.trainable.prepare(case.hyperparameters)
