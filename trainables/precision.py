"""Arithmetic of the training steps; weights, noise, evaluation and curvature stay in float32.

``bf16`` is torch's automatic mixed precision: matrix products and convolutions in bfloat16, sums and losses
in float32. ``tf32`` is NVIDIA's: products round float32 to 10 bits of mantissa; on a CPU it is ``float32``.

On a CPU, torch computes recurrent layers with oneDNN, which has no bfloat16 LSTM for CPUs without AVX-512.
On those CPUs, oneDNN is turned off in the forward pass of models with an LSTM, and torch's own kernels
compute it: products in bfloat16, states in float32.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache

import torch
from torch import nn

from trainables.declarations.hyperparameters import Precision


def autocast(precision: Precision, model: nn.Module, device: torch.device) -> AbstractContextManager[object]:
    """Return a context for the forward pass of one step; only ``bf16`` changes anything in it."""
    if precision != "bf16":
        return nullcontext()
    autocasting = torch.autocast(device.type, torch.bfloat16)
    if device.type == "cpu" and not _onednn_has_bf16_lstm() and _has_lstm(model):
        return _without_onednn(autocasting)
    return autocasting


def onednn_note(precisions: Iterable[Precision]) -> str:
    """Note for the user if this CPU computes one of these precisions differently; else an empty string."""
    if "bf16" not in precisions or _onednn_has_bf16_lstm():
        return ""
    return "oneDNN has no bfloat16 LSTM for this CPU: torch's own kernels train LSTMs"


def _has_lstm(model: nn.Module) -> bool:
    return any(isinstance(module, nn.LSTM) for module in model.modules())


@contextmanager
def _without_onednn(autocasting: torch.autocast) -> Iterator[None]:
    before, *_ = torch.backends.mkldnn.set_flags(False)
    try:
        with autocasting:
            yield
    finally:
        torch.backends.mkldnn.set_flags(before)


@cache
def _onednn_has_bf16_lstm() -> bool:
    """Try it: oneDNN does not report what it supports. Zeros draw no random numbers."""
    sequence, state = torch.zeros(1, 1, 1), torch.zeros(1, 1, 1)
    weights = [torch.zeros(shape) for shape in ((4, 1), (4, 1), (4,), (4,))]
    try:
        with torch.autocast("cpu", torch.bfloat16):
            torch.lstm(sequence, (state, state), weights, True, 1, 0.0, True, False, False)
    except RuntimeError:
        return False
    return True


@contextmanager
def tensor_cores(precision: Precision) -> Iterator[None]:
    """Let a GPU multiply float32 matrices in TF32 if that is the precision; cuDNN does so by default."""
    before = torch.get_float32_matmul_precision()
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
