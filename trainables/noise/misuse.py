"""Finds mistakes in a training loop that would train something else without a word.

The checks read nothing back from the device. They run in every step, and so avoid context managers made of
generators, which take microseconds.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from trainables.torch_private import versions

_ONLY = "compute must only run the model and return its loss"
_LOOP = "call optimizer.zero_grad() before noise.backward(compute), and optimizer.step() after it"
UNDONE = f"the weights were changed while they had noise, which is undone; {_ONLY}; {_LOOP}"
_STEPPED = f"compute calls optimizer.step(); {_ONLY}; {_LOOP}"
# The parameters that no optimizer may step now, and why not, by what ``refuse_steps`` has returned.
_refused: dict[object, tuple[Sequence[Tensor], str]] = {}


def refuse_steps(parameters: Sequence[Tensor], problem: str) -> object:
    """Have optimizers raise RuntimeError when they step parameters, until ``allow_steps`` gets the result."""
    _watch_optimizers()
    refusal = object()
    _refused[refusal] = parameters, problem
    return refusal


def allow_steps(refusal: object) -> None:
    """End what ``refuse_steps`` began."""
    del _refused[refusal]


@cache
def _watch_optimizers() -> None:
    """Have every optimizer of this process ask before a step: fused ones leave no trace in the versions."""
    register_optimizer_step_pre_hook(_refuse_step)


def _refuse_step(optimizer: Optimizer, *_: Any) -> None:
    for parameters, problem in list(_refused.values()):
        own = set(map(id, parameters))
        if any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
            raise RuntimeError(problem)


def checked_loss(compute: Callable[[], Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """Compute a loss.

    Only the gradients of the first and the last parameter are looked at, as all would take too long.

    Raises:
        TypeError: If it is no tensor.
        RuntimeError: If computing it has changed gradients, or an optimizer steps meanwhile.
    """
    first, last = parameters[0].grad, parameters[-1].grad
    before = versions((first, last))
    refusal = refuse_steps(parameters, _STEPPED)
    try:
        loss = compute()
    finally:
        allow_steps(refusal)
    if not isinstance(loss, Tensor):
        raise TypeError(f"{_ONLY}, a tensor, got {type(loss).__name__}")
    is_other = parameters[0].grad is not first or parameters[-1].grad is not last
    if is_other or versions((first, last)) != before:
        raise RuntimeError(f"compute has changed gradients; {_ONLY}, without loss.backward(); {_LOOP}")
    return loss


def check_arrived(parameters: Sequence[Tensor]) -> None:
    """Raise RuntimeError if no parameter has a gradient."""
    if parameters[-1].grad is None and all(parameter.grad is None for parameter in parameters):
        raise RuntimeError(
            "no parameter of the noise got a gradient: give NoiseInjector the parameters of the model that "
            "compute runs, and clear no gradient in a hook"
        )
