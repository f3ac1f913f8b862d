"""Finds mistakes in a training loop that would train something else without a word.

The checks read nothing back from the device, and take less than a hundredth of a small step.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_pre_hook

from trainables.torch_private import versions

_ONLY = "compute must only run the model and return its loss"
_LOOP = "call optimizer.zero_grad() before noise.backward(compute), and optimizer.step() after it"
_UNDONE = f"the weights were changed while they had noise, which is undone; {_ONLY}; {_LOOP}"
_STEPPED = f"compute calls optimizer.step(); {_ONLY}; {_LOOP}"
# The parameters that no optimizer may change now, and why not, for each ``_steps_refused`` that is open.
_guarded: dict[object, tuple[Sequence[Tensor], str]] = {}


@contextmanager
def changes_refused(weights: Sequence[Tensor]) -> Iterator[None]:
    """Raise RuntimeError if weights are changed in place inside; changes of ``weight.data`` are not seen."""
    before = versions(weights)
    with _steps_refused(weights, _UNDONE):
        yield
    if versions(weights) != before:
        raise RuntimeError(_UNDONE)


@contextmanager
def _steps_refused(parameters: Sequence[Tensor], problem: str) -> Iterator[None]:
    """Raise RuntimeError if an optimizer steps parameters inside."""
    _watch_optimizers()
    block = object()
    _guarded[block] = parameters, problem
    try:
        yield
    finally:
        del _guarded[block]


@cache
def _watch_optimizers() -> None:
    """Have every optimizer of this process ask before a step: fused ones leave no trace in the versions."""
    register_optimizer_step_pre_hook(_refuse_step)


def _refuse_step(optimizer: Optimizer, *_: Any) -> None:
    for parameters, problem in list(_guarded.values()):
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
    first, last = parameters[0], parameters[-1]
    gradients = first.grad, last.grad
    before = _changes(gradients)
    with _steps_refused(parameters, _STEPPED):
        loss = compute()
    if not isinstance(loss, Tensor):
        raise TypeError(f"{_ONLY}, a tensor, got {type(loss).__name__}")
    is_other = first.grad is not gradients[0] or last.grad is not gradients[1]
    if is_other or _changes(gradients) != before:
        raise RuntimeError(f"compute has changed gradients; {_ONLY}, without loss.backward(); {_LOOP}")
    return loss


def _changes(gradients: Sequence[Tensor | None]) -> list[int]:
    return versions(gradient for gradient in gradients if gradient is not None)


def check_arrived(parameters: Sequence[Tensor]) -> None:
    """Raise RuntimeError if no parameter has a gradient."""
    if parameters[-1].grad is None and all(parameter.grad is None for parameter in parameters):
        raise RuntimeError(
            "no parameter of the noise got a gradient: give NoiseInjector the parameters of the model that "
            "compute runs, and clear no gradient in a hook"
        )
