r"""Gaussian noise injected into the weights of one gradient step.

With weights w, loss L on the step's batch and xi ~ N(0, I), step t of an optimizer reads

=============  =============================================  ============  ==============
mode           perturbation n                                 gradient at   update applied to
=============  =============================================  ============  ==============
none           0                                              w             w
all            sigma / sqrt(G) * xi on every group            w + n         w
layer          sigma * xi on group t mod G, zero elsewhere    w + n         w
after_all      as all                                         w + n         w + n
after_layer    as layer                                       w + n         w + n
=============  =============================================  ============  ==============

A group is one trained parameter tensor (weights and biases count apart), G their number.
``all`` and ``layer`` are Orvieto, Raj, Kersting, Bach, *Explicit Regularization in Overparametrized
Models via Noise Injection*, AISTATS 2023, eq. (2) and algorithm 1. The ``after`` modes do not take
the noise back.

In a training loop of your own::

    noise = NoiseInjector(model.parameters(), mode="layer", sigma=0.01, seed=0)
    for x, y in batches:
        optimizer.zero_grad()
        with noise:
            loss_fn(model(x), y).backward()
        optimizer.step()
"""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from types import TracebackType
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor, nn

NoiseMode = Literal["none", "all", "layer", "after_all", "after_layer"]
SigmaSchedule = Literal["constant", "linear", "cosine"]
NOISE_MODES: tuple[NoiseMode, ...] = get_args(NoiseMode)
_RESTORING: frozenset[NoiseMode] = frozenset({"all", "layer"})


def group_scales(mode: NoiseMode, sigma: float, step: int, n_groups: int) -> list[float]:
    """Standard deviation of the noise on each group at one step.

    Args:
        mode: The noise mode.
        sigma: Standard deviation of the injected noise, as the mode defines it.
        step: Steps taken before this one, over the whole run.
        n_groups: Number of groups, G.

    Returns:
        G standard deviations, in the order of the groups.
    """
    if mode == "none":
        return [0.0] * n_groups
    if mode in ("all", "after_all"):
        return [sigma / math.sqrt(n_groups)] * n_groups
    return [sigma if group == step % n_groups else 0.0 for group in range(n_groups)]


def scheduled_sigma(sigma: float, schedule: SigmaSchedule, epoch: int, epochs: int) -> float:
    """Sigma during one epoch; it is constant within an epoch.

    Args:
        sigma: Sigma of the first epoch.
        schedule: ``constant``, ``linear`` (sigma * (1 - e/E)) or ``cosine`` (sigma * (1 + cos(pi e/E)) / 2).
        epoch: The epoch e, counted from 0.
        epochs: The epoch E from which on there is no noise.

    Returns:
        The sigma of that epoch, 0 from epoch E on.
    """
    if epoch >= epochs:
        return 0.0
    if schedule == "linear":
        return sigma * (1 - epoch / epochs)
    if schedule == "cosine":
        return sigma * (1 + math.cos(math.pi * epoch / epochs)) / 2
    return sigma


class NoiseInjector:
    """Context manager that perturbs parameters for one step: w + n inside, w (or w + n) after.

    Put the forward and backward passes inside, the optimizer's step after it. Every entry is one step t.
    Noise comes from a generator of its own, so that it moves neither initialisation, data order nor dropout.
    Tied parameters are one group; frozen parameters and buffers get no noise.

    Attributes:
        parameters: The groups, in order.
        mode: The noise mode.
        steps: Steps taken so far.
        generator: Source of the noise.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], mode: NoiseMode, sigma: float, seed: int) -> None:
        """Take the parameters where they are: move the model to its device first.

        Args:
            parameters: Such as ``model.parameters()``; those that need no gradient are left out.
            mode: The noise mode.
            sigma: Standard deviation of the injected noise, as the mode defines it; change it at any time.
            seed: Seed of the noise alone.

        Raises:
            ValueError: If the mode is unknown, nothing is trained, or parameters differ in device or dtype.
        """
        if mode not in NOISE_MODES:
            raise ValueError(f"noise mode must be one of {', '.join(NOISE_MODES)}, got {mode!r}")
        self.parameters: list[Tensor] = list(dict.fromkeys(p for p in parameters if p.requires_grad))
        if not self.parameters:
            raise ValueError("no parameter needs a gradient: there is nothing to put noise on")
        kinds = {(p.device, p.dtype) for p in self.parameters}
        if len(kinds) > 1:
            raise ValueError(f"all parameters must share one device and dtype, got {sorted(map(str, kinds))}")
        self.mode: NoiseMode = mode
        self.steps = 0
        self.generator = torch.Generator(self.parameters[0].device).manual_seed(seed)
        # On the device, where a captured step finds the sigma of its epoch.
        self._scale = self.parameters[0].detach().new_empty(())
        self.sigma = sigma
        self._offsets = [0, *accumulate(parameter.numel() for parameter in self.parameters)]
        # Flat, so that one call draws the noise of every group.
        self._noise = self.parameters[0].detach().new_empty(self._offsets[-1])
        self._noise_views = self._views(self._noise)
        self._saved = None
        if mode in _RESTORING and not _may_swap(self.parameters):
            self._saved = self._views(torch.empty_like(self._noise))
        self._perturbed: list[int] = []
        self._swapped: list[Tensor] = []  # where the perturbed parameters' own values are meanwhile
        self._entered = False

    @property
    def sigma(self) -> float:
        """Standard deviation of the injected noise, as the mode defines it."""
        return self._sigma

    @sigma.setter
    def sigma(self, sigma: float) -> None:
        if not (math.isfinite(sigma) and sigma >= 0):
            raise ValueError(f"sigma must be finite and at or above zero, got {sigma}")
        self._sigma = float(sigma)
        self._scale.fill_(max(self._scales()))  # that of every group that has noise

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError("the noise of one step is entered twice: leave it before the next step")
        self._entered = True
        self._perturb(self.next_groups())
        self.steps += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entered = False
        perturbed = [self.parameters[group] for group in self._perturbed]
        if self._saved is not None and perturbed:
            with torch.no_grad():
                torch._foreach_copy_(perturbed, [self._saved[group] for group in self._perturbed])
        if self._swapped:
            for parameter, own in zip(perturbed, self._swapped, strict=True):
                parameter.data = own
            # Else a backward pass out here, for which it is too late, would mix w and w + n in silence.
            torch.autograd.graph.increment_version(perturbed)
        self._perturbed, self._swapped = [], []

    def next_groups(self) -> tuple[int, ...]:
        """Say where the next step's noise is.

        Returns:
            Indices of the groups that it is on; none where sigma is zero.
        """
        return tuple(group for group, scale in enumerate(self._scales()) if scale)

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs besides the parameters.

        Returns:
            The step counter and the generator's state.
        """
        return {"steps": self.steps, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict``.

        Args:
            state: What ``state_dict`` returned.
        """
        self.steps = state["steps"]
        self.generator.set_state(state["generator"].cpu())

    @torch.no_grad()
    def _perturb(self, active: Sequence[int]) -> None:
        if not active:
            return
        parameters = [self.parameters[group] for group in active]
        self._perturbed = [*active]
        # One draw over the span of the active groups: all of them, or one.
        span = self._noise[self._offsets[active[0]] : self._offsets[active[-1] + 1]]
        span.normal_(generator=self.generator).mul_(self._scale)
        noise = [self._noise_views[group] for group in active]
        if self.mode not in _RESTORING:
            torch._foreach_add_(parameters, noise)
        elif self._saved is not None:
            torch._foreach_copy_([self._saved[group] for group in active], parameters)
            torch._foreach_add_(parameters, noise)
        else:  # the buffer becomes w + n, and for this step the parameters
            torch._foreach_add_(noise, parameters)
            self._swapped = [parameter.data for parameter in parameters]
            for parameter, noisy in zip(parameters, noise, strict=True):
                parameter.data = noisy

    def _scales(self) -> list[float]:
        return group_scales(self.mode, self.sigma, self.steps, len(self.parameters))

    def _views(self, flat: Tensor) -> list[Tensor]:
        sizes = [parameter.numel() for parameter in self.parameters]
        return [part.view_as(p) for part, p in zip(flat.split(sizes), self.parameters, strict=True)]


def _may_swap(parameters: Iterable[Tensor]) -> bool:
    # Another buffer for a step saves two copies. cuDNN wants the weights of recurrent layers where they are,
    # and fused optimizers want gradients laid out as their parameters, which take the layout of the buffer.
    return all(parameter.device.type == "cpu" and parameter.is_contiguous() for parameter in parameters)
