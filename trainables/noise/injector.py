"""Takes the gradient of each training step as a noise mode says."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from trainables.noise.modes.base import NoiseMode
from trainables.noise.registry import get
from trainables.noise.step import Step


class NoiseInjector:
    """Puts noise on parameters: ``backward`` takes the gradient of one step in place of ``loss.backward()``.

    Every call is one step t. The noise has its own generator, so that it changes neither initialization, data
    order nor dropout. Tied parameters are one group; frozen parameters and buffers get no noise.

    Attributes:
        parameters: The groups, in order.
        mode: The noise mode.
        steps: Number of steps taken.
        generator: Source of the noise.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        mode: str | NoiseMode,
        sigma: float,
        seed: int,
        *,
        lr: float | None = None,
    ) -> None:
        """Hold the parameters; move the model to its device first.

        Args:
            parameters: Such as ``model.parameters()``; those that need no gradient are left out.
            mode: The noise mode, or its name.
            sigma: Strength of the noise, as the mode defines it. Assign to the attribute ``sigma`` to change
                it between steps.
            seed: Seed of the noise.
            lr: Learning rate of the step, for modes that follow it (``langevin``). Assign to the attribute
                ``lr`` to change it between steps.

        Raises:
            ValueError: If the mode is unknown or lacks its learning rate, sigma is negative or not finite, no
                parameter needs a gradient, or parameters differ in device or dtype.
        """
        self.parameters: list[Tensor] = list(dict.fromkeys(p for p in parameters if p.requires_grad))
        if not self.parameters:
            raise ValueError("no parameter needs a gradient: there is nothing to put noise on")
        kinds = {(p.device, p.dtype) for p in self.parameters}
        if len(kinds) > 1:
            raise ValueError(f"all parameters must share one device and dtype, got {sorted(map(str, kinds))}")
        self.mode = get(mode)() if isinstance(mode, str) else mode
        if self.mode.follows_lr and lr is None:
            raise ValueError(f"{self.mode.name} follows the learning rate: give lr")
        self.steps = 0
        self._step = Step(self.parameters, seed)
        self._lr = lr
        self.sigma = sigma
        self.mode.start(self._step)

    @property
    def generator(self) -> torch.Generator:
        """Source of the noise."""
        return self._step.generator

    @property
    def sigma(self) -> float:
        """Strength of the noise, as the mode defines it."""
        return self._sigma

    @sigma.setter
    def sigma(self, sigma: float) -> None:
        if not (math.isfinite(sigma) and sigma >= 0):
            raise ValueError(f"sigma must be finite and at or above zero, got {sigma}")
        self._sigma = float(sigma)
        self._set_scale()

    @property
    def lr(self) -> float | None:
        """Learning rate of the step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = lr
        if self.mode.follows_lr:
            self._set_scale()

    def backward(self, compute: Callable[[], Tensor]) -> Tensor:
        """Take the gradient of one step, and leave it in the parameters' ``grad`` for the optimizer.

        Args:
            compute: Runs the model on the step's batch and returns its loss, a scalar. It is called once for
                each gradient that the mode takes, and must change neither weights nor gradients.

        Returns:
            The loss where the gradient was taken, without its graph.

        Raises:
            TypeError: If ``compute`` is no function, or returns no tensor.
            RuntimeError: If ``compute`` changes gradients or weights that have noise, or calls
                ``optimizer.step()``.
        """
        if not callable(compute):
            form, kind = "noise.backward(lambda: loss_fn(model(x), y))", type(compute).__name__
            raise TypeError(f"compute must be a function that returns the loss, such as {form}, got {kind}")
        self._step.begin(self.next_groups(), compute, self.mode.gradients)
        self.steps += 1
        self.mode.step(self._step)
        return self._step.loss

    def next_groups(self) -> tuple[int, ...]:
        """Indices of the groups that get noise in the next step; none if sigma is zero."""
        if not (self._sigma or self.mode.remembers):
            return ()
        return tuple(self.mode.groups(self.steps, len(self.parameters)))

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs besides the parameters: the step counter, the generator's state, the mode's."""
        return {"steps": self.steps, "generator": self.generator.get_state(), "mode": self.mode.kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a ``state_dict``."""
        self.steps = state["steps"]
        self.generator.set_state(state["generator"].cpu())
        # Checkpoints of earlier versions have no tensors of a mode, as no mode kept any.
        for kept, saved in zip(self.mode.kept, state.get("mode", []), strict=True):
            kept.copy_(saved)

    def _set_scale(self) -> None:
        self._step.scale.fill_(self.mode.scale(self._sigma, len(self.parameters), self._lr or 0.0))
