"""Private names of torch that the trainables use, because no public name does the same.

All of them work in torch 2.11 and 2.15. ``tests/unit/test_torch_private.py`` fails if a version changes one.
"""

from collections.abc import Callable, Iterable
from inspect import unwrap
from types import MethodType
from typing import TypeVar

import torch
from torch import Tensor
from torch.optim import Optimizer

# Counts the operators that read a tensor, for the contract's tests. The public `TorchFunctionMode` sees what
# Python calls, but not the operators that these calls run.
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = [
    "TorchDispatchMode",
    "foreach_add_",
    "foreach_copy_",
    "foreach_norm",
    "in_functorch_transform",
    "is_read_of_a_number",
    "onednn_product",
    "versions",
    "without_compiler",
]

Built = TypeVar("Built", bound=Optimizer)
# Each updates a whole list of tensors. A Python loop would launch a kernel for each tensor on a GPU.
foreach_add_ = torch._foreach_add_
foreach_copy_ = torch._foreach_copy_
foreach_norm = torch._foreach_norm


def versions(tensors: Iterable[Tensor | None]) -> list[int]:
    """Count how often each tensor was changed in place; None has 0.

    Comparing values would wait for the device. Changes of ``tensor.data``, and those by fused optimizers, do
    not count.
    """
    return [0 if tensor is None else tensor._version for tensor in tensors]


def is_read_of_a_number(operator: object) -> bool:
    """Whether an operator reads a tensor as a Python number, as ``item()``, ``float()`` and ``if`` do."""
    return operator is torch.ops.aten._local_scalar_dense.default


def onednn_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``F.linear`` of float32 matrices by oneDNN; torch itself calls oneDNN only for lower precisions."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


def in_functorch_transform() -> bool:
    """Whether ``torch.func`` transforms the running code; it cannot transform our autograd function."""
    return torch._C._are_functorch_transforms_active()


def without_compiler(build: Callable[[], Built]) -> Built:
    """Build an optimizer that works without torch's compiler.

    Its import takes each worker two seconds and 150 MB. Optimizers import it only to exempt their methods
    from it. Three methods cache the exempted method in an attribute, which is set here first, for the whole
    process. ``step`` is replaced by its undecorated function without gradients, so that its hooks and its
    profiler range are skipped.
    """
    for name in ("add_param_group", "state_dict", "load_state_dict"):
        plain = getattr(Optimizer, name).__wrapped__
        setattr(plain, "__dynamo_disable", plain)
    optimizer = build()
    step = torch.no_grad()(unwrap(type(optimizer).step))
    optimizer.step = MethodType(step, optimizer)  # type: ignore[method-assign]
    return optimizer
