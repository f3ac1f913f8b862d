"""Arithmetic of the training steps; weights, noise and what is measured stay in float32.

``bf16`` is torch's automatic mixed precision: matrix products and convolutions in bfloat16, sums and losses
in float32. ``tf32`` is NVIDIA's: float32 rounded to 10 bits of mantissa in products; a CPU computes as with
``float32``.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

Precision = Literal["float32", "tf32", "bf16"]


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Compute what is inside in a precision: the forward pass of one step, whose backward pass follows it.

    Args:
        precision: The precision; only ``bf16`` changes anything here.
        device: Where the model is.

    Returns:
        A context manager, for one use.
    """
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


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
