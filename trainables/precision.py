"""Arithmetic of the training steps; weights, noise and what is measured stay in float32.

``bf16`` is torch's automatic mixed precision: matrix products and convolutions in bfloat16, sums and losses
in float32. ``tf32`` is NVIDIA's: float32 rounded to 10 bits of mantissa in products; a CPU computes as with
``float32``.

On a CPU, torch computes recurrent layers with oneDNN, which has no LSTM in bfloat16 for CPUs without AVX-512.
On those CPUs, oneDNN is off in the forward pass of models with an LSTM, and torch's own kernels compute it:
products in bfloat16, states in float32.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Literal

import torch
from torch import nn

Precision = Literal["float32", "tf32", "bf16"]


def autocast(precision: Precision, model: nn.Module, device: torch.device) -> AbstractContextManager[object]:
    """Compute what is inside in a precision: the forward pass of one step, whose backward pass follows it.

    Args:
        precision: The precision; only ``bf16`` changes anything here.
        model: The model.
        device: Where it is.

    Returns:
        A context manager, for one use.
    """
    if precision != "bf16":
        return nullcontext()
    autocasting = torch.autocast(device.type, torch.bfloat16)
    if device.type == "cpu" and not _onednn_has_bf16_lstm() and _has_lstm(model):
        return _without_onednn(autocasting)
    return autocasting


def onednn_note(precisions: Iterable[Precision]) -> str:
    """Say what this machine's CPU computes in another way than others do.

    Args:
        precisions: Those of a sweep.

    Returns:
        A sentence for the user; empty if there is nothing to say.
    """
    if "bf16" not in precisions or _onednn_has_bf16_lstm():
        return ""
    return "oneDNN has no LSTM in bfloat16 for this CPU: torch's own kernels train LSTMs"


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
    # Tried, not looked up: oneDNN does not say what it has. Zeros, so that no generator moves.
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
    """Let a GPU multiply float32 matrices in TF32, if that is the precision; cuDNN does by torch's default.

    Args:
        precision: The precision; only ``tf32`` changes anything here.

    Yields:
        Nothing.
    """
    before = torch.get_float32_matmul_precision()
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
