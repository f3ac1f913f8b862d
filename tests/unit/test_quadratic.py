"""The quadratic: measured variances against the formulas, and the formulas against their recursion."""

import math

import pytest
import torch

from tests.cases import CASES
from trainables import NoiseInjector
from trainables.quadratic import EXAMPLES, Quadratic, stationary_variance

NOISY = ("all", "layer", "after_all", "after_layer")
PLAIN = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0, "lr_schedule": "constant"}
SIGMA, LR, HESSIAN, GROUPS = 0.3, 0.1, 2.0, 3


def hyperparameters(**changes):
    plain = PLAIN | {"lr": LR, "sigma": SIGMA, "hessian": HESSIAN, "groups": GROUPS}
    return Quadratic.Hyperparameters(**(plain | changes))


def variance_by_group(mode, step, *, lr=LR, hessian=HESSIAN, groups=GROUPS):
    """Variance of the weights of each group after many steps, the last of which is ``step``, one by one."""
    pull = lr * hessian
    kick = pull if mode in ("all", "layer") else 1 - pull
    variances = [0.0] * groups
    for t in range(step + 1):
        for group in range(groups):
            at_once = mode in ("all", "after_all")
            noise = SIGMA**2 / groups if at_once else SIGMA**2 * (group == t % groups)
            variances[group] = (1 - pull) ** 2 * variances[group] + kick**2 * noise
    return variances


@pytest.mark.parametrize("lr", [0.01, 0.25, 0.4])
@pytest.mark.parametrize("mode", NOISY)
def test_the_formula_is_where_the_recursion_settles(mode, lr):
    for step in (3000, 3001):
        settled = sum(variance_by_group(mode, step, lr=lr)) / GROUPS
        assert stationary_variance(hyperparameters(noise=mode, lr=lr)) == pytest.approx(settled, rel=1e-9)


@pytest.mark.parametrize("mode", NOISY)
def test_the_injector_gives_each_group_its_variance(mode):
    # a^(2 * 100) is below 1e-19: the start is forgotten. The last step noised group 0 in the layer modes.
    steps, dimension = 100, 50_000
    weights = [torch.ones(dimension, dtype=torch.float64, requires_grad=True) for _ in range(GROUPS)]
    noise = NoiseInjector(weights, mode, SIGMA, seed=0)
    optimizer = torch.optim.SGD(weights, lr=LR)
    for _ in range(steps):
        optimizer.zero_grad()
        noise.backward(lambda: sum(weight.square().sum() for weight in weights) * HESSIAN / 2)
        optimizer.step()
    for weight, expected in zip(weights, variance_by_group(mode, steps - 1), strict=True):
        # The mean of n squares of Gaussians has the relative standard deviation sqrt(2 / n).
        assert float(weight.detach().square().mean()) == pytest.approx(
            expected, rel=4 * math.sqrt(2 / dimension)
        )


@pytest.mark.parametrize("schedule", ["constant", "follow_lr"])
@pytest.mark.parametrize("mode", NOISY)
def test_a_trial_settles_at_the_variance_that_it_predicts(mode, schedule, float64):
    dimension = 30_000
    noise = {"noise": mode, "sigma_schedule": schedule}
    values = hyperparameters(dimension=dimension, epochs=2, batch_size=1, train_subset=50, **noise)
    *_, last = Quadratic().start(values, seed=0, test=True)
    expected = stationary_variance(values)
    assert last["val_variance_predicted"] == last["test_variance_predicted"] == expected
    shares = torch.tensor(variance_by_group(mode, 99))
    # Standard deviation of the mean over groups of different variances.
    deviation = math.sqrt(2 / dimension) * float(shares.norm()) / GROUPS
    assert abs(last["val_variance"] - expected) < 4 * deviation
    assert last["val_variance"] == last["test_variance"]


@pytest.mark.parametrize("mode", NOISY)
def test_half_the_inverse_hessian_is_where_noise_that_stays_costs_as_much(mode):
    removed, kept = (stationary_variance(hyperparameters(noise=name, lr=0.25)) for name in ("all", mode))
    assert removed == pytest.approx(kept)


def test_without_noise_nothing_is_left_and_too_large_a_step_diverges():
    assert stationary_variance(hyperparameters(noise="none", momentum=0.9)) == 0
    assert stationary_variance(hyperparameters(noise="layer", sigma=0.0)) == 0
    assert stationary_variance(hyperparameters(noise="all", lr=1.0)) == math.inf


@pytest.mark.parametrize(
    "change",
    [
        {"momentum": 0.9},
        {"weight_decay": 0.1},
        {"optimizer": "adam"},
        {"lr_schedule": "cosine"},
        {"sigma_schedule": "linear"},
        {"sigma_epochs": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_variance_is_predicted_where_the_formulas_do_not_hold(change):
    assert math.isnan(stationary_variance(hyperparameters(noise="all", **change)))


def test_the_loss_is_h_over_2_times_the_squared_norm_with_h_times_w_as_gradient(float64):
    task = CASES["quadratic"](None, hessian=3.0, groups=3).start().task
    weights = torch.cat([*task.model.groups]).detach()
    (batch,) = task.sample(7)
    task.loss(batch).backward()
    gradient = torch.cat([group.grad for group in task.model.groups])
    assert torch.allclose(gradient, 3 * weights)
    assert task.evaluate()["loss"] == pytest.approx(1.5 * float(weights.square().sum()))
    assert task.evaluate()["variance"] == pytest.approx(float(weights.square().mean()))


def test_an_epoch_has_as_many_steps_as_batches_of_the_examples():
    sizes = [
        [batch.weight for batch in CASES["quadratic"](None, train_subset=n).start().task.batches(300, None)]
        for n in (None, 350)
    ]
    assert sizes == [[300, 300, 300, EXAMPLES - 900], [300, 50]]
