"""Private names of torch do what ``trainables.torch_private`` says of them."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, AdamW
from torch.optim.lr_scheduler import CosineAnnealingLR

from trainables.torch_private import (
    TorchDispatchMode,
    foreach_add_,
    foreach_copy_,
    foreach_norm,
    in_functorch_transform,
    is_read_of_a_number,
    onednn_product,
    versions,
    without_compiler,
)


def test_foreach_functions_do_to_a_list_what_torch_does_to_each_tensor():
    tensors, others = [torch.ones(2, 3), torch.ones(4)], [torch.full((2, 3), 2.0), torch.arange(4.0)]
    norms = foreach_norm(others, 1)
    assert [float(norm) for norm in norms] == [12.0, 6.0]
    foreach_add_(tensors, others)
    assert torch.equal(tensors[0], torch.full((2, 3), 3.0))
    assert torch.equal(tensors[1], torch.arange(1.0, 5.0))
    foreach_copy_(tensors, others)
    assert all(map(torch.equal, tensors, others))


def test_a_change_in_place_has_a_version_of_its_own():
    weights = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))]
    before = versions(weights)
    # Other storage is no change in place: a step with noise may swap it.
    weights[0].data = torch.zeros(2)
    assert versions(weights) == before
    with torch.no_grad():
        weights[1].add_(1)
    assert [after - old for after, old in zip(versions(weights), before, strict=True)] == [0, 1]


def test_a_read_inside_an_operator_is_seen():
    class Reads(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.count += is_read_of_a_number(func)
            return func(*args, **(kwargs or {}))

    number, numbers = torch.tensor(2.0), torch.ones(3)
    with Reads() as reads:
        numbers + number
        assert reads.count == 0
        number.item()
        float(number)
        assert number
        assert reads.count == 3


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN")
@pytest.mark.parametrize("bias", [None, torch.arange(4.0)])
def test_onednn_multiplies_as_torch_does(bias):
    x, weight = torch.arange(15.0).view(3, 5), torch.arange(20.0).view(4, 5)
    assert torch.equal(onednn_product(x, weight, bias), F.linear(x, weight, bias))
    assert torch.equal(onednn_product(x, weight.t().contiguous().t(), bias), F.linear(x, weight, bias))


def test_transforms_of_functorch_are_seen():
    seen = []

    def f(x):
        seen.append(in_functorch_transform())
        return x.sum()

    f(torch.ones(2))
    torch.func.grad(f)(torch.ones(2))
    torch.vmap(f)(torch.ones(2, 2))
    assert seen == [False, True, True]


@pytest.mark.parametrize(
    "build",
    [
        lambda parameters: SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.1, fused=True),
        lambda parameters: AdamW(parameters, lr=0.1, fused=True),
    ],
)
def test_an_optimizer_without_the_compiler_computes_the_same(build):
    def trained(optimizer_of):
        weights = nn.Parameter(torch.arange(4.0))
        optimizer = optimizer_of([weights])
        schedule = CosineAnnealingLR(optimizer, T_max=5)
        for _ in range(3):
            optimizer.zero_grad()
            weights.square().sum().backward()
            optimizer.step()
            schedule.step()
        state = optimizer.state_dict()
        optimizer.load_state_dict(state)
        return weights.detach(), state["param_groups"][0]["lr"]

    plain, without = trained(build), trained(lambda parameters: without_compiler(partial(build, parameters)))
    assert torch.equal(plain[0], without[0])
    assert plain[1] == without[1]
