"""Linear layers through oneDNN: the same as torch's own, as often as they are differentiated."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from trainables import onednn as module
from trainables.onednn import linear, onednn_linear

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN"
)


def tensors(shape, outputs, *, bias=True, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(size, generator=generator) for size in (shape, (outputs, shape[-1]), (outputs,))]
    return [tensor.requires_grad_() for tensor in made[: 2 + bias]]


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(module, "_LARGE", 1)


def derivatives(function, arguments):
    """Value, gradients, and the gradients of a sum of squares of those."""
    y = function(*arguments)
    weights = torch.linspace(-1, 1, y.numel()).view_as(y)
    first = torch.autograd.grad((y * y.sin() * weights).sum(), arguments, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), arguments)
    return [y, *first, *second]


@needs_onednn
@settings(deadline=None, max_examples=25)
@given(
    shape=st.sampled_from([(1, 3), (4, 7), (33, 20), (2, 5, 8), (3, 2, 2, 4)]),
    outputs=st.integers(1, 40),
    bias=st.booleans(),
)
def test_value_and_both_derivatives_are_those_of_torch(shape, outputs, bias):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LARGE", 1)
        arguments = tensors(shape, outputs, bias=bias)
        ours = derivatives(linear, arguments)
    for mine, theirs in zip(ours, derivatives(F.linear, arguments), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4 * float(theirs.detach().abs().max()))


@needs_onednn
def test_gradients_that_are_expanded_are_taken(always):
    x, weight, _ = tensors((6, 5), 4)
    linear(x, weight).sum().backward()  # its gradient has strides of zero
    torch.testing.assert_close(x.grad, weight.sum(0).expand(6, 5))
    torch.testing.assert_close(weight.grad, x.sum(0).expand(4, 5))


@needs_onednn
def test_transposed_weights_are_taken(always):
    x, weight, bias = tensors((6, 5), 4)
    torch.testing.assert_close(linear(x, weight.t().contiguous().t(), bias), F.linear(x, weight, bias))
    wide = torch.randn(4, 10)[:, ::2]
    torch.testing.assert_close(linear(x, wide), F.linear(x, wide))


@needs_onednn
def test_what_needs_no_gradient_gets_none(always):
    x, weight, bias = tensors((6, 5), 4)
    linear(x.detach(), weight, bias).sum().backward()
    assert x.grad is None
    assert weight.grad is not None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_are_left_to_torch(dtype, always):
    x, weight, bias = (tensor.detach().to(dtype) for tensor in tensors((6, 5), 4))
    assert torch.equal(linear(x, weight, bias), F.linear(x, weight, bias))


def test_a_single_example_is_left_to_torch(always):
    x, weight, bias = tensors((5,), 4)
    assert torch.equal(linear(x, weight, bias), F.linear(x, weight, bias))


def test_torch_is_as_it_was_afterwards(monkeypatch):
    monkeypatch.setenv("NOISESWEEP_ONEDNN", "1")
    before = F.linear
    with pytest.raises(KeyError), onednn_linear():
        raise KeyError
    assert F.linear is before


@needs_onednn
def test_inside_a_transform_of_functorch_torch_multiplies(always):
    x, weight, _ = (tensor.detach() for tensor in tensors((6, 5), 4))
    found = torch.vmap(torch.func.grad(lambda row: linear(row[None], weight).square().sum()))(x)
    torch.testing.assert_close(found, 2 * x @ weight.t() @ weight)


@needs_onednn
@pytest.mark.parametrize(("setting", "used"), [(None, False), ("0", False), ("1", True)])
def test_layers_of_a_network_use_it_only_if_asked_for(setting, used, monkeypatch):
    monkeypatch.delenv("NOISESWEEP_ONEDNN", raising=False)
    if setting is not None:
        monkeypatch.setenv("NOISESWEEP_ONEDNN", setting)
    layer, x = torch.nn.Linear(512, 256), torch.randn(64, 512)
    expected = layer(x)
    calls = []
    original = module._OneDNNLinear.apply
    monkeypatch.setattr(module._OneDNNLinear, "apply", lambda *given: calls.append(1) or original(*given))
    with onednn_linear():
        torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)
    assert bool(calls) is used
    assert layer(x).equal(expected)


def test_another_setting_is_refused(monkeypatch):
    monkeypatch.setenv("NOISESWEEP_ONEDNN", "yes")
    with pytest.raises(ValueError, match="NOISESWEEP_ONEDNN must be 0 or 1, got 'yes'"), onednn_linear():
        pass
