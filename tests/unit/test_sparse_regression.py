"""The problem of sparse regression, its network, and the penalty that noise amounts to."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from tests.cases import CASES
from trainables import NoiseInjector
from trainables.data import DataError
from trainables.models.linear import DiagonalLinear
from trainables.sparse_regression import PASSES, ZERO, SparseRegression, draw_problem
from trainables.testing import numbers

CPU = torch.device("cpu")
Hyperparameters = SparseRegression.Hyperparameters


def start(seed=0, **changes):
    return SparseRegression().start(Hyperparameters(**changes), seed=seed, test=True)


# The problem


def test_the_truth_has_k_coefficients_of_1_or_minus_1():
    hp = Hyperparameters(features=30, nonzero=7)
    truths = torch.stack([draw_problem(hp, seed, CPU).truth for seed in range(50)])
    assert truths.unique().tolist() == [-1, 0, 1]
    assert (truths.abs().sum(1) == 7).all()
    # Every place and both signs are drawn.
    assert (truths.abs().sum(0) > 0).all()
    assert abs(truths.sum()) < 3 * (50 * 7) ** 0.5


def test_labels_are_the_true_outputs_with_noise(float64):
    hp = Hyperparameters(examples=2_000, features=10, label_noise=0.3)
    truth, training, evaluated = draw_problem(hp, 0, CPU)
    for inputs, targets, n in (training, *evaluated.values()):
        noise = targets - inputs @ truth
        assert n == len(targets) == len(inputs)
        assert noise.std() == pytest.approx(0.3, abs=3 * 0.3 / (2 * n) ** 0.5)
        assert inputs.square().mean() == pytest.approx(1, abs=3 * (2 / inputs.numel()) ** 0.5)
    exact = draw_problem(Hyperparameters(label_noise=0), 0, CPU)
    assert torch.equal(exact.training.targets, exact.training.inputs @ exact.truth)


def test_the_seed_draws_the_problem_and_every_arm_shares_it():
    case = CASES["sparse_regression"](None)
    trainings = [case.start(seed=0), case.noisy("layer", seed=0), case.start(seed=1)]
    prints = [training.data_fingerprint for training in trainings]
    assert prints[0] == prints[1] != prints[2]
    problems = [training.task._problem for training in trainings]
    assert torch.equal(problems[0].truth, problems[1].truth)
    assert not torch.equal(problems[0].truth, problems[2].truth)
    for split in ("validation", "test"):
        first, same, other = (problem.evaluated[split].inputs for problem in problems)
        assert torch.equal(first, same)
        assert not torch.equal(first, other)


def test_a_subset_has_the_first_examples_of_the_same_problem():
    whole, part = (draw_problem(Hyperparameters(train_subset=n), 3, CPU) for n in (None, 8))
    assert torch.equal(part.training.inputs, whole.training.inputs[:8])
    assert torch.equal(part.truth, whole.truth)
    assert torch.equal(part.evaluated["test"].inputs, whole.evaluated["test"].inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": 4}, "nonzero: must be at most the 4 features, got 5"),
        ({"train_subset": 41}, "train_subset: must be at most the 40 training examples, got 41"),
    ],
)
def test_hyperparameters_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(DataError) as caught:
        SparseRegression().prepare(Hyperparameters(**changes))
    assert str(caught.value) == message


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_nothing_but_noise_penalizes_unless_asked(optimizer):
    assert Hyperparameters(optimizer=optimizer).weight_decay == 0
    assert Hyperparameters(optimizer=optimizer, weight_decay=None).weight_decay == 0
    assert Hyperparameters(optimizer=optimizer, weight_decay=0.5).weight_decay == 0.5


def test_an_epoch_has_every_example_a_hundred_times():
    task = start(examples=7, batch_size=4).task
    batches = list(task.batches(4, torch.Generator().manual_seed(0)))
    inputs = torch.cat([batch.inputs for batch in batches])
    assert len(inputs) == task.n_examples == 7 * PASSES
    assert len(batches) == math.ceil(task.n_examples / 4)
    passes = [sorted(map(tuple, part.tolist())) for part in inputs.split(7)]
    assert all(part == passes[0] for part in passes)
    assert len(set(passes[0])) == 7
    assert not torch.equal(inputs[:7], inputs[7:14])


# Scores


def test_scores_longhand(float64):
    training = start(epochs=1)
    *_, metrics = training
    u, v = (factor.detach().numpy() for factor in training.task.model.factors)
    truth, _, evaluated = training.task._problem
    for prefix, split in (("val", "validation"), ("test", "test")):
        inputs, targets = (tensor.numpy() for tensor in evaluated[split][:2])
        error = np.mean((inputs @ (u * v) - targets) ** 2)
        expected = {
            "error": error,
            "loss": error / 2,
            "l1": np.sum(np.abs(u * v)),
            "l0": sum(abs(a * b) > ZERO for a, b in zip(u, v, strict=True)),
            "distance": np.sum((u * v - truth.numpy()) ** 2) ** 0.5,
        }
        assert {name: metrics[f"{prefix}_{name}"] for name in expected} == pytest.approx(expected)


def test_the_expected_error_is_the_squared_distance_and_the_noise(float64):
    found = []
    for seed in range(40):
        scores = start(seed, features=6, nonzero=2, label_noise=0.5).task.evaluate("test")
        found.append(scores["error"] / (scores["distance"] ** 2 + 0.5**2))
    # Each ratio is a mean of 1,000 chi-squared variables with one degree of freedom.
    assert np.mean(found) == pytest.approx(1, abs=3 * (2 / 1_000 / 40) ** 0.5)


# The penalty of noise


def network(depth, seed=0):
    """A network of 4 features, its loss on 5 examples, and the mean squares of their features."""
    torch.manual_seed(seed)
    model, inputs, targets = DiagonalLinear(4, depth, 0.8), torch.randn(5, 4), torch.randn(5)
    return model, lambda: (model(inputs) - targets).square().mean() / 2, inputs.square().mean(0)


def penalty(mode, sigma, group, model, squares):
    """The rise of the expected loss under noise, by the formulas of ``trainables/models/linear.py``."""
    factors = torch.stack([*model.factors]).detach()
    if mode == "layer":
        others = torch.cat([factors[:group], factors[group + 1 :]])
        return float(sigma**2 / 2 * (squares * others.square().prod(0)).sum())
    noisy = (factors.square() + sigma**2 / len(factors)).prod(0)
    return float((squares * (noisy - factors.square().prod(0))).sum() / 2)


@pytest.mark.parametrize("mode", ["layer", "all"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_mean_loss_under_noise_is_the_closed_form(mode, depth, float64):
    model, loss, squares = network(depth)
    sigma, draws = 0.5, 4_000
    before = float(loss())
    noise = NoiseInjector(model.parameters(), mode, sigma, seed=1)
    rises = np.zeros((draws, depth))
    for draw, group in product(range(draws), range(depth)):
        rises[draw, group] = float(noise.backward(loss)) - before
    expected = [penalty(mode, sigma, group, model, squares) for group in range(depth)]
    stderr = rises.std(0, ddof=1) / draws**0.5
    assert (np.abs(rises.mean(0) - expected) < 3.5 * stderr).all()
    # The test can tell the formula from half of it.
    assert (7 * stderr < np.array(expected) / 2).all()


@pytest.mark.parametrize("mode", ["layer", "all"])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_closed_form_is_exact(mode, depth, float64):
    """The loss is a quadratic of each noisy factor, whose mean two points give: 0 +- sigma."""
    model, loss, squares = network(depth, seed=2)
    sigma, before = 0.5, float(loss())
    weights = [factor.detach().clone() for factor in model.factors]
    for group in range(depth):
        noised = [group] if mode == "layer" else list(range(depth))
        scale = sigma if mode == "layer" else sigma / depth**0.5
        # The noise on different features enters the expectation independently.
        signs = torch.tensor([*product((-1.0, 1.0), repeat=4 * len(noised))]).view(-1, len(noised), 4)
        losses = []
        for sign in signs:
            with torch.no_grad():
                for index, member in enumerate(noised):
                    model.factors[member].copy_(weights[member] + scale * sign[index])
                losses.append(float(loss()))
                for member in noised:
                    model.factors[member].copy_(weights[member])
        rise = float(np.mean(losses)) - before
        assert rise == pytest.approx(penalty(mode, sigma, group, model, squares), rel=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_balanced_factors_have_the_least_penalty_a_power_of_the_product(depth, float64):
    model, _, squares = network(depth)
    sigma = 0.3

    def mean_penalty():
        return np.mean([penalty("layer", sigma, group, model, squares) for group in range(depth)])

    product_of = model.coefficients().detach().abs()
    unbalanced = mean_penalty()
    with torch.no_grad():
        for factor in model.factors:
            factor.copy_(product_of ** (1 / depth))
    least = float(sigma**2 / 2 * (squares * product_of ** (2 - 2 / depth)).sum())
    assert mean_penalty() == pytest.approx(least)
    assert unbalanced > least


def test_all_adds_a_constant_to_what_layer_adds_at_depth_2(float64):
    model, _, squares = network(2)
    layer = np.mean([penalty("layer", 0.7, group, model, squares) for group in range(2)])
    assert penalty("all", 0.7, 0, model, squares) == pytest.approx(layer + 0.7**4 / 8 * float(squares.sum()))


@pytest.mark.slow
def test_layer_finds_the_truth_that_plain_descent_misses():
    plain, noisy = (
        [numbers(start(seed, **changes))[-1] for seed in range(4)]
        for changes in ({}, {"noise": "layer", "sigma": 0.3})
    )
    for without, withal in zip(plain, noisy, strict=True):
        assert withal["test_error"] < 0.3 < 1.5 < without["test_error"]
        assert withal["test_l0"] <= 8 < 20 < without["test_l0"]
