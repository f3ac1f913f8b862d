"""Large linear layers through oneDNN, if the environment variable ``NOISESWEEP_ONEDNN`` is 1.

torch multiplies float32 matrices by MKL, which uses AVX2 on AMD's CPUs; oneDNN, in the same build of torch,
uses AVX-512. docs/performance.md says on which CPUs this pays. It is off unless asked for, because results
would otherwise depend on the kind of CPU.

Shapes: B batch, I inputs, O outputs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from trainables.settings import onednn_is_requested
from trainables.torch_private import in_functorch_transform, onednn_product

# Number of multiplications below which the call from Python costs more than it saves.
_LARGE = 2**21
_linear = F.linear


@contextmanager
def onednn_linear() -> Iterator[None]:
    """Replace ``F.linear``, which every linear layer calls, by ``linear`` if that is requested."""
    if not (onednn_is_requested() and torch.backends.mkldnn.is_available()):
        yield
        return
    before, F.linear = F.linear, linear
    try:
        yield
    finally:
        F.linear = before


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute ``F.linear`` with derivatives of every order: (..., I), (O, I) and (O,) to (..., O)."""
    if not _is_supported(input, weight):
        return _linear(input, weight, bias)
    output: Tensor = _OneDNNLinear.apply(input.flatten(0, -2), weight, bias)
    return output.view(*input.shape[:-1], len(weight))


def _is_supported(x: Tensor, weight: Tensor) -> bool:
    return (
        x.numel() * len(weight) >= _LARGE
        and x.ndim > 1
        and weight.ndim == 2
        and not in_functorch_transform()
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
    )


class _OneDNNLinear(torch.autograd.Function):
    @staticmethod
    @override
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return onednn_product(x.contiguous(), _dense(weight), bias)

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (g,), (x, weight) = gradients, ctx.saved_tensors
        x_needed, weight_needed, bias_needed = ctx.needs_input_grad
        return (
            _OneDNNLinear.apply(g, weight.t(), None) if x_needed else None,
            _OneDNNLinear.apply(g.t(), x.t(), None) if weight_needed else None,
            g.sum(0) if bias_needed else None,
        )


def _dense(matrix: Tensor) -> Tensor:
    """Copy a matrix unless its rows or its columns are contiguous, as oneDNN requires."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()
