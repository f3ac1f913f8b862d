"""The noise core against the update written out longhand, closed forms and plain PyTorch."""

import io
import math
from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import chi2, kstest
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.ways_back import way_back as way_back
from trainables import Hyperparameters, NoiseInjector, scheduled_sigma
from trainables.noise import registry
from trainables.optimizers import build_optimizer

MODES = list(registry.BUILT_IN)
STAYING = ["after_all", "after_layer", "anti", "langevin"]
RESTORING = [mode for mode in MODES if mode not in (*STAYING, "none")]
# The modes whose noise is sigma * xi or sigma / sqrt(G) * xi, all groups in turn or at once.
STUDIED = ["all", "layer", "after_all", "after_layer"]
OPTIMIZERS = ["sgd", "adam", "adamw"]
LR, MOMENTUM, DECAY = 0.05, 0.9, 0.1
SIGMA, SEED = 0.3, 7


def mlp():
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def batchnorm():
    # No bias before the normalization: its gradient is pure rounding, which Adam would blow up.
    return nn.Sequential(nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))


def tied():
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second)


def dropout():
    return nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 3))


MODELS = [mlp, batchnorm, tied, dropout]


def build(model):
    torch.manual_seed(1)
    return model().double()


def optimizer_of(model, name, **changes):
    values = {"optimizer": name, "lr": LR, "momentum": MOMENTUM, "weight_decay": DECAY} | changes
    return build_optimizer(list(model.parameters()), Hyperparameters(**values))


def make_batches(n):
    generator = torch.Generator().manual_seed(2)
    for _ in range(n):
        yield (
            torch.randn(8, 6, generator=generator, dtype=torch.float64),
            torch.randint(3, (8,), generator=generator),
        )


def injector(parameters, mode, sigma=SIGMA, seed=SEED):
    return NoiseInjector(parameters, mode, sigma, seed, lr=LR)


def train(model, optimizer, noise, steps):
    """Train, with masks of dropout that depend on the step alone; returns the losses."""
    losses = []
    for t, (x, y) in enumerate(make_batches(steps)):
        optimizer.zero_grad()
        torch.manual_seed(t)

        def loss(x=x, y=y):
            return F.cross_entropy(model(x), y)

        if noise is None:
            loss().backward()
        else:
            losses.append(noise.backward(loss))
        optimizer.step()
    return losses


def bits(tensor):
    return tensor.detach().numpy().tobytes()


def assert_same_bits(model, other, buffers):
    parameters = dict(model.named_parameters())
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        if buffers or name in parameters:
            assert bits(a) == bits(b), name


def zeros(*shapes):
    return [nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in shapes]


def total(parameters):
    return sum(parameter.sum() for parameter in parameters)


def weights_inside(parameters, noise):
    """Take a step, and return the weights at which it takes its last gradient."""
    seen = []
    for parameter in parameters:
        parameter.grad = None

    def loss():
        seen.append([parameter.detach().clone() for parameter in parameters])
        return total(parameters)

    noise.backward(loss)
    return seen[-1]


def flat_noise(parameters, noise):
    """Take a step from weights of zero, where the weights inside are the noise itself, with no rounding."""
    with torch.no_grad():
        for parameter in parameters:
            parameter.zero_()
    return weights_inside(parameters, noise)


# The update, written twice


def sgd_longhand(w, g, state, k):
    g = g + DECAY * w
    state["v"] = g if k == 1 else MOMENTUM * state["v"] + g
    return w - LR * state["v"]


def adam_longhand(w, g, state, k):
    return adam_update(w, g + DECAY * w, state, k)


def adamw_longhand(w, g, state, k):
    return adam_update(w - LR * DECAY * w, g, state, k)


def adam_update(w, g, state, k):
    state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
    state["v"] = 0.999 * state.get("v", 0) + 0.001 * g**2
    return w - LR * (state["m"] / (1 - 0.9**k)) / ((state["v"] / (1 - 0.999**k)).sqrt() + 1e-8)


LONGHAND = {"sgd": sgd_longhand, "adam": adam_longhand, "adamw": adamw_longhand}


def every_group(w, xi, scale=SIGMA):
    draws = torch.empty(sum(v.numel() for v in w.values()), dtype=torch.float64).normal_(generator=xi)
    parts = draws.split([v.numel() for v in w.values()])
    return {k: scale / math.sqrt(len(w)) * part.view_as(w[k]) for k, part in zip(w, parts, strict=True)}


def one_group(w, xi, name):
    n = {k: torch.zeros_like(v) for k, v in w.items()}
    n[name] = SIGMA * torch.empty_like(w[name]).normal_(generator=xi)
    return n


def in_turn(w, xi, t):
    return one_group(w, xi, list(w)[t % len(w)])


def by_filter(w, xi):
    def norms(v):
        rows = v.reshape(len(v), -1) if v.ndim > 1 else v.reshape(1, -1)
        return torch.stack([row.square().sum().sqrt() for row in rows]).view(-1, *[1] * (v.ndim - 1))

    return {k: norms(w[k]) * draw for k, draw in every_group(w, xi).items()}


def plus(a, b, factor=1.0):
    return {k: a[k] + factor * b[k] for k in a}


def longhand_step(mode, t, w, xi, grad, memory):
    """One step as its source writes it: where the update is applied, and the gradient."""
    match mode:
        case "none":
            return w, grad(w)
        case "all":
            return w, grad(plus(w, every_group(w, xi)))
        case "layer":
            return w, grad(plus(w, in_turn(w, xi, t)))
        case "after_all":
            moved = plus(w, every_group(w, xi))
            return moved, grad(moved)
        case "after_layer":
            moved = plus(w, in_turn(w, xi, t))
            return moved, grad(moved)
        case "two_point":
            n = every_group(w, xi)
            return w, plus(*[{k: g / 2 for k, g in grad(plus(w, n, sign)).items()} for sign in (1, -1)])
        case "mixed":
            noisy = grad(plus(w, by_filter(w, xi)))
            return w, {k: 0.5 * noisy[k] + 0.5 * g for k, g in grad(w).items()}
        case "scaled":
            return w, grad(plus(w, by_filter(w, xi)))
        case "anti":
            n = every_group(w, xi)
            moved = plus(plus(w, n), memory.get("n", n), -1 if memory else 0)
            memory["n"] = n
            return moved, grad(moved)
        case "langevin":
            moved = plus(w, every_group(w, xi, SIGMA * math.sqrt(2 * LR * len(w))))
            return moved, grad(moved)
        case "sam":
            g = grad(w)
            norm = math.sqrt(sum(float(v.square().sum()) for v in g.values()))
            return w, grad(plus(w, g, SIGMA / norm))
        case "asam":
            g = grad(w)
            norm = math.sqrt(sum(float((w[k] * g[k]).square().sum()) for k in w))
            return w, grad(plus(w, {k: w[k] ** 2 * g[k] for k in w}, SIGMA / norm))
        case "first_group":
            return w, grad(plus(w, one_group(w, xi, next(iter(w)))) if t % len(w) == 0 else w)


def longhand(model, mode, optimizer, steps):
    """Train on plain tensors; returns parameters and buffers."""
    w = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    state, memory = {name: {} for name in w}, {}
    xi = torch.Generator().manual_seed(SEED)
    for t, (x, y) in enumerate(make_batches(steps)):

        def grad(w, t=t, x=x, y=y):
            torch.manual_seed(t)
            inside = {name: value.detach().requires_grad_() for name, value in w.items()}
            loss = F.cross_entropy(functional_call(model, (inside, buffers), x), y)
            return dict(zip(w, torch.autograd.grad(loss, list(inside.values())), strict=True))

        start, gradient = longhand_step(mode, t, w, xi, grad, memory)
        w = {name: LONGHAND[optimizer](start[name], gradient[name], state[name], t + 1) for name in w}
    return w | buffers


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", MODES)
def test_steps_are_those_written_longhand(mode, optimizer, model):
    groups = len(list(build(model).parameters()))
    for steps in (1, 2 * groups + 1):
        expected = longhand(build(model), mode, optimizer, steps)
        trained = build(model)
        noise = injector(trained.parameters(), mode)
        train(trained, optimizer_of(trained, optimizer), noise, steps)
        actual = dict(trained.named_parameters()) | dict(trained.named_buffers())
        assert actual.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(actual[name].detach(), value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", MODES)
def test_without_noise_it_is_plain_pytorch_bit_for_bit(mode, optimizer, model):
    plain, other = build(model), build(model)
    train(plain, optimizer_of(plain, optimizer), None, 5)
    sigma = SIGMA if mode == "none" else 0.0
    noise = injector(other.parameters(), mode, sigma)
    train(other, optimizer_of(other, optimizer), noise, 5)
    # Two gradients a step update BatchNorm's running statistics twice; the loop takes them again anyway.
    assert_same_bits(plain, other, buffers=noise.mode.gradients == 1)


# Weights put back


FLOATS = st.floats() | st.sampled_from([-0.0, 5e-324, -5e-324, 1e-310, 1.7e308, -math.inf])
GROUPS = st.lists(
    arrays(np.float64, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4), elements=FLOATS),
    min_size=1,
    max_size=4,
)


@given(GROUPS, st.sampled_from(RESTORING), st.floats(1e-300, 1e300), st.booleans(), st.booleans())
def test_restored_weights_are_bit_identical(groups, mode, sigma, transposed, raises):
    tensors = [torch.from_numpy(group.T.copy("F") if transposed else group.copy()) for group in groups]
    parameters = [nn.Parameter(tensor.clone(memory_format=torch.preserve_format)) for tensor in tensors]
    noise = injector(parameters, mode, sigma)

    def loss():
        if raises:
            raise InterruptedError
        return total(parameters)

    for _ in range(len(groups) + 1):
        with suppress(InterruptedError):
            noise.backward(loss)
        for tensor, parameter in zip(tensors, parameters, strict=True):
            assert bits(tensor) == bits(parameter)


@pytest.mark.parametrize("mode", STUDIED)
@pytest.mark.parametrize("raises", [False, True])
def test_weights_move_inside_and_stay_moved_in_the_after_modes(mode, raises):
    (w,) = zeros(9)
    noise, seen = injector([w], mode), []

    def loss():
        seen.append(w.detach().clone())
        if raises:
            raise InterruptedError
        return w.sum()

    with suppress(InterruptedError):
        noise.backward(loss)
    assert (seen[0] != 0).all()
    assert torch.equal(w.detach(), torch.zeros_like(w) if mode in RESTORING else seen[0])
    # An interrupted step does not forbid the next.
    assert weights_inside([w], noise)[0].any()
    assert noise.steps == 2


@pytest.mark.parametrize("mode", RESTORING)
def test_weights_that_are_laid_out_otherwise_are_trained_as_others(mode):
    def trained(memory_format):
        torch.manual_seed(0)
        model = nn.Conv2d(3, 4, 3).to(memory_format=memory_format)
        noise = injector(model.parameters(), mode)
        optimizer = torch.optim.SGD(model.parameters(), lr=LR / 100, momentum=MOMENTUM, fused=True)
        for x in torch.linspace(-1, 1, 3 * 2 * 3 * 5 * 5).view(3, 2, 3, 5, 5):
            optimizer.zero_grad()
            noise.backward(lambda x=x: model(x).square().sum())
            optimizer.step()
        return model.weight.detach()

    torch.testing.assert_close(trained(torch.channels_last), trained(torch.contiguous_format))


# Where the noise lands, and how much of it


@pytest.mark.parametrize("mode", ["layer", "after_layer"])
def test_layer_noise_visits_every_group_in_turn(mode):
    # The published listing counts the group only inside the matching branch, so it noises group 0 alone.
    parameters = zeros(3, (2, 2), 1, 5)
    noise = injector(parameters, mode)
    visited = [[bool(n.any()) for n in flat_noise(parameters, noise)] for _ in range(3 * 4 + 2)]
    assert visited == [[group == t % 4 for group in range(4)] for t in range(3 * 4 + 2)]


SHAPES = [(30, 20), (30,), (7, 30), (7,)]
ROUNDS = 200
ERROR_RATE = 1e-4  # of each test below, were the seed drawn anew


def assert_chi_square(sum_of_squares, freedom, error_rate):
    tail = min(chi2.cdf(sum_of_squares, freedom), chi2.sf(sum_of_squares, freedom))
    assert 2 * tail > error_rate, f"{sum_of_squares / freedom:.4f} times the variance expected"


@pytest.mark.parametrize("mode", STUDIED)
def test_measured_variances_are_those_of_the_table(mode):
    parameters = zeros(*SHAPES)
    groups, sizes = len(SHAPES), [math.prod(shape) for shape in SHAPES]
    noise = injector(parameters, mode)
    steps = [flat_noise(parameters, noise) for _ in range(ROUNDS * groups)]
    every_group = mode in ("all", "after_all")
    scale = SIGMA / math.sqrt(groups) if every_group else SIGMA
    for group, size in enumerate(sizes):
        noised = [n[group] for t, n in enumerate(steps) if every_group or t % groups == group]
        rest = [n[group] for t, n in enumerate(steps) if not every_group and t % groups != group]
        assert not any(n.any() for n in rest)
        total = sum(float((n / scale).square().sum()) for n in noised)
        assert_chi_square(total, len(noised) * size, ERROR_RATE / (groups + 2))
    # One round of G steps injects sigma^2 d whatever the mode: each unit of variance comes G times with
    # `all`, at 1/G of the size.
    total = sum(float(n.square().sum()) for step in steps for n in step) / SIGMA**2
    repeats = groups if every_group else 1
    assert_chi_square(total * repeats, ROUNDS * sum(sizes) * repeats, ERROR_RATE / (groups + 2))
    xi = torch.cat([n.flatten() for step in steps for n in step])
    assert kstest(xi[xi != 0] / scale, "norm").pvalue > ERROR_RATE / (groups + 2)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.floats(1e-6, 1e3), st.integers(0, 10**9))
def test_a_round_injects_the_same_total_in_every_mode(sizes, sigma, start):
    groups = len(sizes)
    for name in STUDIED:
        mode = registry.get(name)()
        noised = [size for t in range(groups) for size in (sizes[g] for g in mode.groups(start + t, groups))]
        variance = mode.scale(sigma, groups, LR) ** 2
        assert sum(noised) * variance == pytest.approx(sigma**2 * sum(sizes), rel=1e-12)


@pytest.mark.parametrize("mode", STUDIED)
def test_stationary_variance_on_a_quadratic(mode):
    # L = h w^2 / 2, one group, w measured after the optimizer's step, a = 1 - eta h:
    #   restored:      w' = w - eta h (w + n) = a w - eta h n    V = a^2 V + (eta h s)^2
    #   not restored:  w' = (w + n) - eta h (w + n) = a (w + n)  V = a^2 (V + s^2)
    h, eta, s, chains = 2.0, 0.1, 0.5, 100_000
    a = 1 - eta * h
    (w,) = zeros(chains)
    noise = injector([w], mode, s)
    optimizer = torch.optim.SGD([w], lr=eta)
    for _ in range(80):  # a^160 < 1e-15: the start is forgotten
        optimizer.zero_grad()
        noise.backward(lambda: (h / 2 * w.square()).sum())
        optimizer.step()
    expected = ((eta * h * s) ** 2 if mode in RESTORING else (a * s) ** 2) / (1 - a**2)
    standard_error = expected * math.sqrt(2 / chains)
    assert abs(float(w.detach().square().mean()) - expected) < 3 * standard_error


@pytest.mark.parametrize("mode", STUDIED)
def test_tied_parameters_are_one_group(mode):
    model = build(tied)
    shared = [model[0].weight, model[0].bias, model[2].weight, model[2].bias]  # the weight comes twice
    assert len(injector(shared, mode).parameters) == 3
    before = model[0].weight.detach().clone()
    generator = torch.Generator().manual_seed(SEED)
    xi = before.new_empty(before.numel() + 12 if mode.endswith("all") else before.numel())
    n = xi.normal_(generator=generator)[: before.numel()].view_as(before)
    scale = SIGMA / math.sqrt(3) if mode.endswith("all") else SIGMA
    inside = weights_inside([model[2].weight], injector(shared, mode))
    assert torch.equal(inside[0], before + n * scale)  # once, not twice


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode not in ("none", "first_group")])
def test_frozen_parameters_and_buffers_get_no_noise(mode):
    model = build(batchnorm)
    # Noise in proportion to the weights leaves those at zero.
    nn.init.ones_(model[1].bias)
    model[0].requires_grad_(False)
    still = {name: value.clone() for name, value in model.state_dict().items()}
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    noise, moved = injector(model.parameters(), mode), set()

    def loss():
        nonlocal moved
        moved |= {name for name, v in model.state_dict().items() if not torch.equal(v, still[name])}
        return sum(p.square().sum() + p.sum() for p in model.parameters())

    for _ in trained:
        noise.backward(loss)
    assert moved == set(trained)


# The generator and its state


@pytest.mark.parametrize("mode", STUDIED)
def test_noise_and_the_global_generator_leave_each_other_alone(mode):
    (w,) = zeros(9)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = flat_noise([w], injector([w], mode))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    again = flat_noise([w], injector([w], mode))
    other = flat_noise([w], injector([w], mode, seed=SEED + 1))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])


@given(st.sampled_from(MODES), st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 9))
def test_noise_goes_on_from_its_state(mode, sizes, steps):
    parameters = zeros(*sizes)
    whole, resumed = (injector(parameters, mode, seed=seed) for seed in (SEED, SEED + 1))
    for _ in range(steps):
        flat_noise(parameters, whole)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for _ in range(5):
        expected, actual = flat_noise(parameters, whole), flat_noise(parameters, resumed)
        assert all(map(torch.equal, expected, actual))


def test_sigma_may_change_between_steps():
    (w,) = zeros(9)
    small, large = (NoiseInjector([w], "all", 1.0, SEED) for _ in range(2))
    large.sigma = 4.0
    assert torch.equal(4 * flat_noise([w], small)[0], flat_noise([w], large)[0])


# Sigma schedules


@given(st.sampled_from(["constant", "linear", "cosine"]), st.floats(0, 1e3), st.integers(1, 300))
def test_sigma_falls_from_its_value_to_zero(schedule, sigma, epochs):
    values = [scheduled_sigma(sigma, schedule, epoch, epochs) for epoch in range(epochs + 3)]
    assert values[0] == sigma
    assert all(0 <= later <= earlier for earlier, later in pairwise(values))
    assert values[epochs:] == [0.0] * 3
    if schedule == "constant":
        assert set(values[:epochs]) == {sigma}


@given(st.sampled_from(["linear", "cosine"]), st.integers(1, 100))
def test_sigma_is_halved_half_way(schedule, half):
    assert scheduled_sigma(2.0, schedule, half, 2 * half) == pytest.approx(1.0)


@given(st.floats(0, 1e3), st.floats(0, 1), st.integers(0, 20), st.integers(1, 20))
def test_sigma_follows_the_root_of_the_learning_rate_and_ends(sigma, ratio, epoch, epochs):
    found = scheduled_sigma(sigma, "follow_lr", epoch, epochs, ratio)
    # The variance follows the learning rate itself.
    assert found**2 == pytest.approx(sigma**2 * ratio if epoch < epochs else 0.0)


# Refusals


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: NoiseInjector(zeros(2), "everywhere", 0.1, 0),
            "noise mode must be one of none, all, layer, .*, got 'everywhere'",
        ),
        (
            lambda: NoiseInjector([p.requires_grad_(False) for p in zeros(2)], "all", 0.1, 0),
            "no parameter needs a gradient: there is nothing to put noise on",
        ),
        (
            lambda: NoiseInjector([*zeros(2), nn.Parameter(torch.zeros(2))], "all", 0.1, 0),
            "all parameters must share one device and dtype, got .*torch.float32.*torch.float64",
        ),
        (lambda: NoiseInjector(zeros(2), "langevin", 0.1, 0), "langevin follows the learning rate: give lr"),
        *[
            (lambda s=sigma: NoiseInjector(zeros(2), "all", s, 0), f"at or above zero, got {sigma}")
            for sigma in (-0.1, math.nan, math.inf)
        ],
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_refused_sigma_changes_nothing():
    noise = NoiseInjector(zeros(2), "all", 0.1, 0)
    with pytest.raises(ValueError, match="sigma must be finite and at or above zero, got -1"):
        noise.sigma = -1
    assert noise.sigma == 0.1


# Modes beyond the study's


def test_anti_is_all_in_the_weights_without_the_last_noise():
    anti, plain = build(mlp), build(mlp)
    noise = injector(anti.parameters(), "anti")
    momentum = {"weight_decay": 0.0, "momentum": MOMENTUM}
    train(anti, optimizer_of(anti, "sgd", **momentum), noise, 12)
    train(plain, optimizer_of(plain, "sgd", **momentum), injector(plain.parameters(), "all"), 12)
    assert not torch.allclose(anti[0].weight, plain[0].weight)
    for w, minus_xi, z in zip(anti.parameters(), noise.mode.kept, plain.parameters(), strict=True):
        torch.testing.assert_close(w.detach() + minus_xi, z.detach(), rtol=1e-9, atol=1e-12)


def test_anti_takes_its_last_noise_back_when_sigma_falls_to_zero():
    (w,) = zeros(9)
    noise = injector([w], "anti")
    assert weights_inside([w], noise)[0].any()
    noise.sigma = 0.0
    torch.testing.assert_close(weights_inside([w], noise)[0], torch.zeros_like(w))


def test_langevin_settles_at_the_distribution_of_its_temperature():
    # exp(-L / T) with L = h w^2 / 2 has variance T / h, up to terms of first order in the learning rate:
    # V = a^2 (V + 2 eta T), a = 1 - eta h.
    h, eta, temperature, chains = 2.0, 0.01, 0.25, 100_000
    a = 1 - eta * h
    (w,) = zeros(chains)
    noise = NoiseInjector([w], "langevin", math.sqrt(temperature), SEED, lr=eta)
    optimizer = torch.optim.SGD([w], lr=eta)
    for _ in range(900):
        optimizer.zero_grad()
        noise.backward(lambda: (h / 2 * w.square()).sum())
        optimizer.step()
    expected = a**2 * 2 * eta * temperature / (1 - a**2)
    variance = float(w.detach().square().mean())
    assert abs(variance - expected) < 3 * expected * math.sqrt(2 / chains)
    assert variance == pytest.approx(temperature / h, rel=0.05)


def test_langevin_follows_the_learning_rate():
    (w,) = zeros(9)
    slow, fast = (injector([w], "langevin") for _ in range(2))
    fast.lr = 4 * LR
    torch.testing.assert_close(2 * flat_noise([w], slow)[0], flat_noise([w], fast)[0])


def test_two_opposite_points_cancel_what_is_of_first_order():
    # On a quadratic the mean of the two gradients is the gradient itself.
    (w,) = zeros(50)
    with torch.no_grad():
        w.copy_(torch.linspace(-1, 1, 50))
    injector([w], "two_point").backward(lambda: (w.square() * torch.arange(50)).sum())
    torch.testing.assert_close(w.grad, (2 * w * torch.arange(50)).detach())


@pytest.mark.parametrize("mode", ["sam", "asam"])
def test_a_gradient_of_zero_is_no_perturbation(mode):
    (w,) = zeros(5)
    injector([w], mode).backward(lambda: w.square().sum())
    assert torch.equal(w.grad, torch.zeros_like(w))


@pytest.mark.parametrize("mode", ["sam", "asam"])
def test_a_parameter_that_the_loss_does_not_use_is_allowed(mode):
    used, unused = zeros(3, 2)
    injector([used, unused], mode).backward(lambda: (used + 1).square().sum())
    assert used.grad.any()
    assert unused.grad is None


@pytest.mark.parametrize("mode", MODES)
def test_the_loss_is_that_of_the_gradients_that_are_followed(mode):
    model = build(mlp)
    noise, seen = injector(model.parameters(), mode), []
    x, y = next(make_batches(1))

    def loss():
        seen.append(F.cross_entropy(model(x), y))
        return seen[-1]

    reported = noise.backward(loss)
    assert len(seen) == noise.mode.gradients
    assert not reported.requires_grad
    followed = seen[-1:] if mode in ("sam", "asam") else seen
    assert float(reported) == pytest.approx(sum(each.item() for each in followed) / len(followed))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_mixing_is_the_share_of_the_gradient_with_noise(share):
    def gradient(mode):
        model = build(mlp)
        x, y = next(make_batches(1))
        NoiseInjector(model.parameters(), mode, SIGMA, SEED).backward(lambda: F.cross_entropy(model(x), y))
        return model[0].weight.grad

    mixed = gradient(registry.get("mixed").of(Hyperparameters(mixing=share)))
    expected = share * gradient("scaled") + (1 - share) * gradient("none")
    torch.testing.assert_close(mixed, expected, rtol=1e-9, atol=1e-12)


def test_noise_scaled_by_filters_follows_the_size_of_each():
    (w,) = zeros((3, 4))
    with torch.no_grad():
        w.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0], [3.0, 4.0, 0, 0]]))
    n = weights_inside([w], injector([w], "scaled"))[0] - w.detach()
    xi = (
        torch.empty(12, dtype=torch.float64).normal_(generator=torch.Generator().manual_seed(SEED)).view(3, 4)
    )
    torch.testing.assert_close(n, SIGMA * torch.tensor([[1.0], [0.0], [5.0]]) * xi)
