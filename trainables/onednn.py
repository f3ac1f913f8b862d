"""Large linear layers through oneDNN.

On AMD's CPUs, MKL, which torch multiplies float32 matrices by, takes twice the time of oneDNN, which is in
the same build of torch (docs/performance.md). It is used on every CPU with AVX-512.

Shapes: B batch, I inputs, O outputs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

_LARGE = 2**21  # multiplications; below, a call from Python costs what it saves
_linear = F.linear


@contextmanager
def onednn_linear() -> Iterator[None]:
    """Let ``F.linear``, and so every linear layer, go through oneDNN where that pays.

    Yields:
        Nothing.
    """
    if not (torch.backends.mkldnn.is_available() and torch.backends.cpu.get_cpu_capability() == "AVX512"):
        yield
        return
    before, F.linear = F.linear, linear
    try:
        yield
    finally:
        F.linear = before


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Do as ``F.linear``; differentiable as often as it is.

    Args:
        input: (..., I).
        weight: (O, I).
        bias: (O,), if there is one.

    Returns:
        (..., O).
    """
    if not _pays(input, weight):
        return _linear(input, weight, bias)
    output: Tensor = _OneDNNLinear.apply(input.flatten(0, -2), weight, bias)
    return output.view(*input.shape[:-1], len(weight))


def _pays(x: Tensor, weight: Tensor) -> bool:
    return (
        x.numel() * len(weight) >= _LARGE
        and x.ndim > 1
        and weight.ndim == 2
        and not torch._C._are_functorch_transforms_active()
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
    )


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.contiguous(), _dense(weight), bias, "none", [], ""
        )
        return product

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (x, weight) = gradients, ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            _OneDNNLinear.apply(g, weight.t(), None) if of_x else None,
            _OneDNNLinear.apply(g.t(), x.t(), None) if of_weight else None,
            g.sum(0) if of_bias else None,
        )


def _dense(matrix: Tensor) -> Tensor:
    # Rows or columns are in one piece: oneDNN takes either.
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()
