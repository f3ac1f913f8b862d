"""The noise core against the update written out longhand, closed forms and plain PyTorch."""

import io
import math
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

import trainables.noise
from trainables import NOISE_MODES, Hyperparameters, NoiseInjector, scheduled_sigma
from trainables.noise import group_scales
from trainables.optimizers import build_optimizer

NOISY = [mode for mode in NOISE_MODES if mode != "none"]
RESTORING = ["all", "layer"]
OPTIMIZERS = ["sgd", "adam", "adamw"]
LR, MOMENTUM, DECAY = 0.05, 0.9, 0.1
SIGMA, SEED = 0.3, 7


@pytest.fixture(autouse=True, scope="module", params=["swapping", "copying"])
def way_back(request):
    """Both ways to put weights back: another buffer for the step, as on a CPU, and copies, as elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "copying":
            patch.setattr(trainables.noise, "_may_swap", lambda parameters: False)
        yield


def mlp():
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def batchnorm():
    # No bias before the normalization: its gradient is pure rounding, which Adam would blow up.
    return nn.Sequential(nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))


def tied():
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    return nn.Sequential(first, nn.Tanh(), second)


MODELS = [mlp, batchnorm, tied]


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


def train(model, optimizer, noise, steps):
    for x, y in make_batches(steps):
        optimizer.zero_grad()
        if noise is None:
            F.cross_entropy(model(x), y).backward()
        else:
            with noise:
                F.cross_entropy(model(x), y).backward()
        optimizer.step()


def bits(tensor):
    return tensor.detach().numpy().tobytes()


def assert_same_bits(model, other):
    for (name, a), b in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert bits(a) == bits(b), name


def zeros(*shapes):
    return [nn.Parameter(torch.zeros(shape, dtype=torch.float64)) for shape in shapes]


def flat_noise(parameters, noise):
    """Take a step from weights of zero, where (w inside) is the noise itself, with no rounding."""
    with torch.no_grad():
        for parameter in parameters:
            parameter.zero_()
    with noise:
        return [parameter.detach().clone() for parameter in parameters]


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


def longhand_noise(mode, t, w, xi):
    n = {name: torch.zeros_like(value) for name, value in w.items()}
    if mode in ("all", "after_all"):
        draws = torch.empty(sum(v.numel() for v in w.values()), dtype=torch.float64).normal_(generator=xi)
        for name, draw in zip(w, draws.split([v.numel() for v in w.values()]), strict=True):
            n[name] = SIGMA / math.sqrt(len(w)) * draw.view_as(w[name])
    elif mode in ("layer", "after_layer"):
        name = list(w)[t % len(w)]
        n[name] = SIGMA * torch.empty_like(w[name]).normal_(generator=xi)
    return n


def longhand(model, mode, optimizer, steps):
    """Follow the docstring's table on plain tensors; returns parameters and buffers."""
    w = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    state = {name: {} for name in w}
    xi = torch.Generator().manual_seed(SEED)
    for t, (x, y) in enumerate(make_batches(steps)):
        n = longhand_noise(mode, t, w, xi)
        inside = {name: (w[name] + n[name]).requires_grad_() for name in w}
        loss = F.cross_entropy(functional_call(model, (inside, buffers), x), y)
        gradients = dict(zip(w, torch.autograd.grad(loss, list(inside.values())), strict=True))
        start = {name: w[name] + n[name] if mode.startswith("after") else w[name] for name in w}
        w = {name: LONGHAND[optimizer](start[name], gradients[name], state[name], t + 1) for name in w}
    return w | buffers


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", NOISE_MODES)
def test_steps_are_those_written_longhand(mode, optimizer, model):
    groups = len(list(build(model).parameters()))
    for steps in (1, 2 * groups + 1):
        expected = longhand(build(model), mode, optimizer, steps)
        trained = build(model)
        noise = NoiseInjector(trained.parameters(), mode, SIGMA, SEED)
        train(trained, optimizer_of(trained, optimizer), noise, steps)
        actual = dict(trained.named_parameters()) | dict(trained.named_buffers())
        assert actual.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(actual[name].detach(), value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", NOISE_MODES)
def test_without_noise_it_is_plain_pytorch_bit_for_bit(mode, optimizer, model):
    plain, other = build(model), build(model)
    train(plain, optimizer_of(plain, optimizer), None, 5)
    sigma = SIGMA if mode == "none" else 0.0
    train(other, optimizer_of(other, optimizer), NoiseInjector(other.parameters(), mode, sigma, SEED), 5)
    assert_same_bits(plain, other)


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
    noise = NoiseInjector(parameters, mode, sigma, SEED)
    for _ in range(len(groups) + 1):
        try:
            with noise:
                if raises:
                    raise InterruptedError
        except InterruptedError:
            pass
        for tensor, parameter in zip(tensors, parameters, strict=True):
            assert bits(tensor) == bits(parameter)


@pytest.mark.parametrize("mode", NOISY)
@pytest.mark.parametrize("raises", [False, True])
def test_weights_move_inside_and_stay_moved_in_the_after_modes(mode, raises):
    (w,) = zeros(9)
    noise = NoiseInjector([w], mode, SIGMA, SEED)
    try:
        with noise:
            inside = w.detach().clone()
            if raises:
                raise InterruptedError
    except InterruptedError:
        pass
    assert (inside != 0).all()
    assert torch.equal(w.detach(), torch.zeros_like(w) if mode in RESTORING else inside)
    with noise:  # an interrupted step does not forbid the next
        assert noise.steps == 2


@pytest.mark.parametrize("mode", RESTORING)
def test_a_backward_pass_after_the_noise_is_refused(mode):
    # It would mix weights with and without noise.
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Tanh(), nn.Linear(3, 1, bias=False))
    noise = NoiseInjector(model.parameters(), mode, SIGMA, SEED)
    for _ in range(2):
        with noise:
            loss = model(torch.ones(2, 3, requires_grad=True)).sum()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("mode", RESTORING)
def test_weights_that_are_laid_out_otherwise_are_trained_as_others(mode):
    def trained(memory_format):
        torch.manual_seed(0)
        model = nn.Conv2d(3, 4, 3).to(memory_format=memory_format)
        noise = NoiseInjector(model.parameters(), mode, SIGMA, SEED)
        optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, fused=True)
        for x in torch.linspace(-1, 1, 3 * 2 * 3 * 5 * 5).view(3, 2, 3, 5, 5):
            optimizer.zero_grad()
            with noise:
                model(x).square().sum().backward()
            optimizer.step()
        return model.weight.detach()

    torch.testing.assert_close(trained(torch.channels_last), trained(torch.contiguous_format))


# Where the noise lands, and how much of it


@pytest.mark.parametrize("mode", ["layer", "after_layer"])
def test_layer_noise_visits_every_group_in_turn(mode):
    # The published listing counts the group only inside the matching branch, so it noises group 0 alone.
    parameters = zeros(3, (2, 2), 1, 5)
    noise = NoiseInjector(parameters, mode, SIGMA, SEED)
    visited = [[bool(n.any()) for n in flat_noise(parameters, noise)] for _ in range(3 * 4 + 2)]
    assert visited == [[group == t % 4 for group in range(4)] for t in range(3 * 4 + 2)]


SHAPES = [(30, 20), (30,), (7, 30), (7,)]
ROUNDS = 200
ERROR_RATE = 1e-4  # of each test below, were the seed drawn anew


def assert_chi_square(sum_of_squares, freedom, error_rate):
    tail = min(chi2.cdf(sum_of_squares, freedom), chi2.sf(sum_of_squares, freedom))
    assert 2 * tail > error_rate, f"{sum_of_squares / freedom:.4f} times the variance expected"


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_measured_variances_are_those_of_the_table(mode):
    parameters = zeros(*SHAPES)
    groups, sizes = len(SHAPES), [math.prod(shape) for shape in SHAPES]
    noise = NoiseInjector(parameters, mode, SIGMA, SEED)
    steps = [flat_noise(parameters, noise) for _ in range(ROUNDS * groups)]
    if mode == "none":
        assert not any(n.any() for step in steps for n in step)
        return
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
    for mode in NOISY:
        scales = [group_scales(mode, sigma, start + t, len(sizes)) for t in range(len(sizes))]
        total = sum(s**2 * size for step in scales for s, size in zip(step, sizes, strict=True))
        assert total == pytest.approx(sigma**2 * sum(sizes), rel=1e-12)


@pytest.mark.parametrize("mode", NOISY)
def test_stationary_variance_on_a_quadratic(mode):
    # L = h w^2 / 2, one group, w measured after the optimizer's step, a = 1 - eta h:
    #   restored:      w' = w - eta h (w + n) = a w - eta h n    V = a^2 V + (eta h s)^2
    #   not restored:  w' = (w + n) - eta h (w + n) = a (w + n)  V = a^2 (V + s^2)
    h, eta, s, chains = 2.0, 0.1, 0.5, 100_000
    a = 1 - eta * h
    (w,) = zeros(chains)
    noise = NoiseInjector([w], mode, s, SEED)
    optimizer = torch.optim.SGD([w], lr=eta)
    for _ in range(80):  # a^160 < 1e-15: the start is forgotten
        optimizer.zero_grad()
        with noise:
            (h / 2 * w.square()).sum().backward()
        optimizer.step()
    expected = ((eta * h * s) ** 2 if mode in RESTORING else (a * s) ** 2) / (1 - a**2)
    standard_error = expected * math.sqrt(2 / chains)
    assert abs(float(w.detach().square().mean()) - expected) < 3 * standard_error


@pytest.mark.parametrize("mode", NOISY)
def test_tied_parameters_are_one_group(mode):
    model = build(tied)
    shared = [model[0].weight, model[0].bias, model[2].weight, model[2].bias]  # the weight comes twice
    assert len(NoiseInjector(shared, mode, SIGMA, SEED).parameters) == 3
    before = model[0].weight.detach().clone()
    generator = torch.Generator().manual_seed(SEED)
    xi = before.new_empty(before.numel() + 12 if mode.endswith("all") else before.numel())
    n = xi.normal_(generator=generator)[: before.numel()].view_as(before)
    scale = SIGMA / math.sqrt(3) if mode.endswith("all") else SIGMA
    with NoiseInjector(shared, mode, SIGMA, SEED):
        assert torch.equal(model[2].weight, before + n * scale)  # once, not twice


@pytest.mark.parametrize("mode", NOISY)
def test_frozen_parameters_and_buffers_get_no_noise(mode):
    model = build(batchnorm)
    model[0].requires_grad_(False)
    still = {name: value.clone() for name, value in model.state_dict().items()}
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    noise = NoiseInjector(model.parameters(), mode, SIGMA, SEED)
    moved = set()
    for _ in trained:
        with noise:
            moved |= {name for name, v in model.state_dict().items() if not torch.equal(v, still[name])}
    assert moved == set(trained)


# The generator and its state


@pytest.mark.parametrize("mode", NOISY)
def test_noise_and_the_global_generator_leave_each_other_alone(mode):
    (w,) = zeros(9)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = flat_noise([w], NoiseInjector([w], mode, SIGMA, SEED))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    again = flat_noise([w], NoiseInjector([w], mode, SIGMA, SEED))
    other = flat_noise([w], NoiseInjector([w], mode, SIGMA, SEED + 1))
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])


@given(st.sampled_from(NOISY), st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(0, 9))
def test_noise_goes_on_from_its_state(mode, sizes, steps):
    parameters = zeros(*sizes)
    whole, resumed = (NoiseInjector(parameters, mode, SIGMA, seed) for seed in (SEED, SEED + 1))
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
            "noise mode must be one of none, all, layer, after_all, after_layer, got 'everywhere'",
        ),
        (
            lambda: NoiseInjector([p.requires_grad_(False) for p in zeros(2)], "all", 0.1, 0),
            "no parameter needs a gradient: there is nothing to put noise on",
        ),
        (
            lambda: NoiseInjector([*zeros(2), nn.Parameter(torch.zeros(2))], "all", 0.1, 0),
            "all parameters must share one device and dtype, got .*torch.float32.*torch.float64",
        ),
        *[
            (lambda s=sigma: NoiseInjector(zeros(2), "all", s, 0), f"at or above zero, got {sigma}")
            for sigma in (-0.1, math.nan, math.inf)
        ],
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("mode", ["everywhere", "layers", "after", ""])
def test_an_unknown_mode_has_no_scales(mode):
    message = f"noise mode must be one of none, all, layer, after_all, after_layer, got {mode!r}"
    with pytest.raises(ValueError, match=message):
        group_scales(mode, 0.1, 0, 2)


def test_a_refused_sigma_changes_nothing():
    noise = NoiseInjector(zeros(2), "all", 0.1, 0)
    with pytest.raises(ValueError, match="sigma must be finite and at or above zero, got -1"):
        noise.sigma = -1
    assert noise.sigma == 0.1


@pytest.mark.parametrize("mode", NOISE_MODES)
def test_entering_twice_is_refused(mode):
    (w,) = zeros(3)
    noise = NoiseInjector([w], mode, SIGMA, SEED)
    with noise:
        inside = w.detach().clone()
        with pytest.raises(RuntimeError, match="entered twice: leave it before the next step"):
            noise.__enter__()
        assert torch.equal(w.detach(), inside)
    assert torch.equal(w.detach(), inside if mode.startswith("after") else torch.zeros_like(w))
