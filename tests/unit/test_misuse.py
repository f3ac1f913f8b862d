"""Training loops that would train something else than they seem to: the injector says so."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.ways_back import way_back as way_back
from trainables import NoiseInjector
from trainables.noise.misuse import allow_steps, refuse_steps
from trainables.noise.modes.base import NoiseMode
from trainables.noise.registry import BUILT_IN

ONLY = "compute must only run the model and return its loss"
UNDONE = rf"changed while they had noise, which is undone; {ONLY}; .* optimizer.step\(\) after it"
GRADIENTS = rf"compute has changed gradients; {ONLY}, without loss.backward\(\); call optimizer.zero_grad\(\)"
STEPPED = rf"compute calls optimizer.step\(\); {ONLY}; call optimizer.zero_grad\(\)"
NOT_ARRIVED = "no parameter of the noise got a gradient: give NoiseInjector the parameters of the model that"
RESTORING = ["all", "layer", "two_point", "sam", "asam", "scaled", "mixed", "first_group"]
OPTIMIZERS = [
    lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    lambda parameters: torch.optim.SGD(parameters, lr=0.1, fused=True),
    lambda parameters: torch.optim.AdamW(parameters, lr=0.1, foreach=True),
]


class Loop:
    """A small network in a training loop, with what users have in ``compute`` by mistake."""

    def __init__(self, mode, optimizer=OPTIMIZERS[0]):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        self.parameters = list(self.model.parameters())
        self.optimizer = optimizer(self.parameters)
        self.noise = NoiseInjector(self.parameters, mode, 0.1, seed=0, lr=0.1)
        self.x, self.y = torch.randn(16, 4), torch.randint(2, (16,))

    def loss(self):
        return F.cross_entropy(self.model(self.x), self.y)

    def step_then_loss(self):
        self.optimizer.step()
        return self.loss()

    def backward_inside(self):
        loss = self.loss()
        loss.backward(retain_graph=True)
        return loss

    def closure(self):
        """The form that LBFGS takes."""
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss

    def step_inside(self):
        self.closure()
        self.optimizer.step()
        return self.loss()

    def zero_grad_inside(self):
        self.optimizer.zero_grad()
        return self.loss()

    def zeroed_inside(self):
        self.optimizer.zero_grad(set_to_none=False)
        return self.loss()

    def clipped_inside(self):
        nn.utils.clip_grad_norm_(self.parameters, 1e-3)
        return self.loss()

    def changed_by_hand(self):
        with torch.no_grad():
            self.parameters[0].sub_(0.01)
        return self.loss()

    def loaded(self):
        self.model.load_state_dict({name: value.clone() for name, value in self.model.state_dict().items()})
        return self.loss()

    def weights(self):
        return [parameter.detach().clone() for parameter in self.parameters]


def test_the_modes_that_restore_are_those_listed():
    def restores(mode):
        loop = Loop(mode)
        before = loop.weights()
        loop.noise.backward(loop.loss)
        return all(map(torch.equal, loop.weights(), before))

    assert {mode for mode in BUILT_IN if restores(mode)} == {*RESTORING, "none"}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", RESTORING)
def test_an_optimizer_that_steps_while_weights_have_noise_is_refused(mode, optimizer):
    loop = Loop(mode, optimizer)
    loop.loss().backward()
    before = loop.weights()
    # These two take their first gradient at w.
    message = STEPPED if mode in ("sam", "asam") else UNDONE
    with pytest.raises(RuntimeError, match=message):
        loop.noise.backward(loop.step_then_loss)
    assert all(map(torch.equal, loop.weights(), before))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", [mode for mode in BUILT_IN if mode not in RESTORING])
def test_an_optimizer_that_steps_in_compute_is_refused(mode, optimizer):
    loop = Loop(mode, optimizer)
    loop.noise.sigma = 0.0
    loop.loss().backward()
    before = loop.weights()
    with pytest.raises(RuntimeError, match=STEPPED):
        loop.noise.backward(loop.step_then_loss)
    assert all(map(torch.equal, loop.weights(), before))


@pytest.mark.parametrize("change", [Loop.changed_by_hand, Loop.loaded])
@pytest.mark.parametrize("mode", ["all", "two_point"])
def test_weights_that_change_while_they_have_noise_are_refused_and_put_back(mode, change):
    loop = Loop(mode)
    before = loop.weights()
    with pytest.raises(RuntimeError, match=UNDONE):
        loop.noise.backward(lambda: change(loop))
    assert all(map(torch.equal, loop.weights(), before))


def test_another_optimizer_may_step_inside():
    loop, other = Loop("all"), Loop("none")

    def compute():
        other.noise.backward(other.loss)
        other.optimizer.step()
        return loop.loss()

    before = other.weights()
    loop.noise.backward(compute)
    assert not any(map(torch.equal, other.weights(), before))


def test_an_error_inside_ends_the_watch_over_optimizers():
    loop = Loop("all")
    with pytest.raises(ZeroDivisionError):
        loop.noise.backward(lambda: 1 / 0)
    loop.noise.backward(loop.loss)
    loop.optimizer.step()


def test_two_loops_at_once_end_their_own_watch():
    """As in two threads, the loop that began first ends first."""
    first, second = Loop("all"), Loop("all")
    refusals = [refuse_steps(loop.parameters, "not now") for loop in (first, second)]
    allow_steps(refusals[0])
    first.optimizer.step()
    with pytest.raises(RuntimeError, match="not now"):
        second.optimizer.step()
    allow_steps(refusals[1])
    second.optimizer.step()


class Inside(NoiseMode):
    """A mode that calls an operation inside ``step.at``, by mistake."""

    name = "inside"

    def __init__(self, operation):
        self.operation = operation

    def step(self, step):
        with step.at(step.noise()):
            self.operation(step)
            step.backward()


@pytest.mark.parametrize(
    ("called", "operation"),
    [
        ("at", lambda step: step.at(step.zeros()).__enter__()),
        ("noise", lambda step: step.noise()),
        ("move", lambda step: step.move(step.zeros())),
    ],
)
def test_a_mode_that_nests_operations_is_told_so(called, operation):
    loop = Loop(Inside(operation))
    before = loop.weights()
    message = f"the noise mode calls step.{called} inside step.at; end step.at first"
    for _ in range(2):
        with pytest.raises(RuntimeError, match=message):
            loop.noise.backward(loop.loss)
    assert all(map(torch.equal, loop.weights(), before))


@pytest.mark.parametrize("compute", [Loop.closure, Loop.backward_inside])
@pytest.mark.parametrize("mode", BUILT_IN)
def test_a_backward_of_the_users_is_refused(mode, compute):
    loop = Loop(mode)
    with pytest.raises(RuntimeError, match=GRADIENTS):
        loop.noise.backward(lambda: compute(loop))


@pytest.mark.parametrize("mode", BUILT_IN)
def test_a_step_inside_compute_trains_nothing_in_silence(mode):
    loop = Loop(mode)
    with pytest.raises(RuntimeError, match=f"{UNDONE}|{STEPPED}|{GRADIENTS}"):
        loop.noise.backward(loop.step_inside)


@pytest.mark.parametrize(
    "compute", [Loop.zero_grad_inside, Loop.zeroed_inside, Loop.clipped_inside, Loop.backward_inside]
)
@pytest.mark.parametrize("mode", ["none", "all", "two_point"])
def test_gradients_that_are_changed_inside_are_refused(mode, compute):
    loop = Loop(mode)
    loop.noise.backward(loop.loss)
    with pytest.raises(RuntimeError, match=GRADIENTS):
        loop.noise.backward(lambda: compute(loop))


@pytest.mark.parametrize(
    ("returned", "kind"), [(lambda loop: None, "NoneType"), (lambda loop: loop.loss().item(), "float")]
)
@pytest.mark.parametrize("mode", ["none", "two_point"])
def test_compute_returns_the_loss(mode, returned, kind):
    loop = Loop(mode)
    with pytest.raises(TypeError, match=f"{ONLY}, a tensor, got {kind}"):
        loop.noise.backward(lambda: returned(loop))


def test_a_loss_in_place_of_compute_is_refused():
    loop = Loop("all")
    form = r"such as noise.backward\(lambda: loss_fn\(model\(x\), y\)\), got Tensor"
    with pytest.raises(TypeError, match=f"must be a function that returns the loss, {form}"):
        loop.noise.backward(loop.loss())


@pytest.mark.parametrize("mode", BUILT_IN)
def test_noise_on_the_parameters_of_another_model_is_refused(mode):
    loop, other = Loop(mode), Loop(mode)
    with pytest.raises(RuntimeError, match=NOT_ARRIVED):
        loop.noise.backward(other.loss)


def test_gradients_may_be_accumulated_over_batches():
    loop, twice = Loop("all"), Loop("all")
    loop.noise.sigma = twice.noise.sigma = 0.0
    loop.noise.backward(loop.loss)
    for _ in range(2):
        twice.noise.backward(twice.loss)
    for once, both in zip(loop.parameters, twice.parameters, strict=True):
        assert torch.equal(2 * once.grad, both.grad)
