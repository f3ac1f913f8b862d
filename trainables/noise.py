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
``all`` and ``layer`` are from Orvieto, Raj, Kersting, Bach, *Explicit Regularization in Overparametrized
Models via Noise Injection*, AISTATS 2023, eq. (2) and algorithm 1. The ``after`` modes do not remove
the noise.

Sigma may change during training, by its schedule. In epoch e, counted from 0, with E the first epoch without
noise, and lr_t the learning rate of step t, it is

=============  ==================================  ===========
schedule       sigma                               changes
=============  ==================================  ===========
constant       sigma                               never
linear         sigma * (1 - e / E)                 every epoch
cosine         sigma * (1 + cos(pi e / E)) / 2     every epoch
follow_lr      sigma * sqrt(lr_t / lr_0)           every step
=============  ==================================  ===========

In the ``after`` modes, noise of variance sigma_t^2 moves the weights at each step, and the gradient pulls
them back in proportion to lr_t: near a minimum they settle at a variance in proportion to sigma_t^2 / lr_t.
``follow_lr`` keeps this ratio; with a constant sigma it grows without bound as the learning rate falls to 0.

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
from typing import Any, Self

import torch
from torch import Tensor, nn

from trainables.declarations.hyperparameters import NOISE_MODES, NoiseMode, SigmaSchedule
from trainables.torch_private import foreach_add_, foreach_copy_

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

    Raises:
        ValueError: If the mode is unknown.
    """
    if mode == "none":
        return [0.0] * n_groups
    if mode in ("all", "after_all"):
        return [sigma / math.sqrt(n_groups)] * n_groups
    if mode in ("layer", "after_layer"):
        return [sigma if group == step % n_groups else 0.0 for group in range(n_groups)]
    raise ValueError(f"noise mode must be one of {', '.join(NOISE_MODES)}, got {mode!r}")


def scheduled_sigma(
    sigma: float, schedule: SigmaSchedule, epoch: int, epochs: int, lr_ratio: float = 1.0
) -> float:
    """Sigma of one step, by the table above; only ``follow_lr`` changes within an epoch.

    Args:
        sigma: Sigma of the first step.
        schedule: ``constant``, ``linear``, ``cosine`` or ``follow_lr``.
        epoch: The epoch e, counted from 0.
        epochs: The first epoch E without noise.
        lr_ratio: lr_t / lr_0; only ``follow_lr`` uses it.

    Returns:
        The sigma; 0 from epoch E on.
    """
    if epoch >= epochs:
        return 0.0
    if schedule == "linear":
        return sigma * (1 - epoch / epochs)
    if schedule == "cosine":
        return sigma * (1 + math.cos(math.pi * epoch / epochs)) / 2
    if schedule == "follow_lr":
        return sigma * math.sqrt(lr_ratio)
    return sigma


class NoiseInjector:
    """Context manager that perturbs parameters for one step: w + n inside, w (or w + n) after.

    Put the forward and backward passes inside, the optimizer's step after it. Every entry is one step t.
    The noise has its own generator, so that it changes neither initialization, data order nor dropout.
    Tied parameters are one group; frozen parameters and buffers get no noise.

    Attributes:
        parameters: The groups, in order.
        mode: The noise mode.
        steps: Number of steps taken.
        generator: Source of the noise.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], mode: NoiseMode, sigma: float, seed: int) -> None:
        """Hold the parameters; move the model to its device first.

        Args:
            parameters: Such as ``model.parameters()``; those that need no gradient are left out.
            mode: The noise mode.
            sigma: Standard deviation of the injected noise, as the mode defines it. Assign to the
                attribute ``sigma`` to change it between steps.
            seed: Seed of the noise.

        Raises:
            ValueError: If the mode is unknown, sigma is negative or not finite, no parameter needs a
                gradient, or parameters differ in device or dtype.
        """
        self.parameters: list[Tensor] = list(dict.fromkeys(p for p in parameters if p.requires_grad))
        if not self.parameters:
            raise ValueError("no parameter needs a gradient: there is nothing to put noise on")
        kinds = {(p.device, p.dtype) for p in self.parameters}
        if len(kinds) > 1:
            raise ValueError(f"all parameters must share one device and dtype, got {sorted(map(str, kinds))}")
        self.mode: NoiseMode = mode
        self.steps = 0
        self.generator = torch.Generator(self.parameters[0].device).manual_seed(seed)
        # A captured CUDA graph reads the current scale from this tensor.
        self._scale = self.parameters[0].detach().new_empty(())
        self.sigma = sigma
        self._offsets = [0, *accumulate(parameter.numel() for parameter in self.parameters)]
        # One flat buffer, so that one call draws the noise of all groups.
        self._noise = self.parameters[0].detach().new_empty(self._offsets[-1])
        self._noise_views = self._views(self._noise)
        self._saved = None
        if mode in _RESTORING and not _may_swap(self.parameters):
            self._saved = self._views(torch.empty_like(self._noise))
        self._perturbed: list[int] = []
        # The perturbed parameters' own storage, during a step that replaces it.
        self._swapped: list[Tensor] = []
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
        # All groups with noise have the same scale.
        self._scale.fill_(max(self._scales()))

    def __enter__(self) -> Self:
        if self._entered:
            raise RuntimeError("noise entered twice: leave it before the next step")
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
                foreach_copy_(perturbed, [self._saved[group] for group in self._perturbed])
        if self._swapped:
            for parameter, own in zip(perturbed, self._swapped, strict=True):
                parameter.data = own
            # Make a later backward pass fail: without this it would silently mix w and w + n.
            torch.autograd.graph.increment_version(perturbed)
        self._perturbed, self._swapped = [], []

    def next_groups(self) -> tuple[int, ...]:
        """Indices of the groups that get noise in the next step; none if sigma is zero."""
        return tuple(group for group, scale in enumerate(self._scales()) if scale)

    def state_dict(self) -> dict[str, Any]:
        """The step counter and the generator's state: what resuming needs besides the parameters."""
        return {"steps": self.steps, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a ``state_dict``."""
        self.steps = state["steps"]
        self.generator.set_state(state["generator"].cpu())

    @torch.no_grad()
    def _perturb(self, active: Sequence[int]) -> None:
        if not active:
            return
        parameters = [self.parameters[group] for group in active]
        self._perturbed = [*active]
        # The active groups, either one or all, are one span of the buffer: draw it at once.
        span = self._noise[self._offsets[active[0]] : self._offsets[active[-1] + 1]]
        span.normal_(generator=self.generator).mul_(self._scale)
        noise = [self._noise_views[group] for group in active]
        if self.mode not in _RESTORING:
            foreach_add_(parameters, noise)
        elif self._saved is not None:
            foreach_copy_([self._saved[group] for group in active], parameters)
            foreach_add_(parameters, noise)
        else:
            # Turn the buffer into w + n, and use it in place of the parameters for this step.
            foreach_add_(noise, parameters)
            self._swapped = [parameter.data for parameter in parameters]
            for parameter, noisy in zip(parameters, noise, strict=True):
                parameter.data = noisy

    def _scales(self) -> list[float]:
        return group_scales(self.mode, self.sigma, self.steps, len(self.parameters))

    def _views(self, flat: Tensor) -> list[Tensor]:
        sizes = [parameter.numel() for parameter in self.parameters]
        return [part.view_as(p) for part, p in zip(flat.split(sizes), self.parameters, strict=True)]


def _may_swap(parameters: Iterable[Tensor]) -> bool:
    """Whether a step may replace the storage of the parameters, which saves two copies.

    cuDNN requires the weights of recurrent layers to stay in place. Fused optimizers require gradients to
    have the parameters' layout, but these gradients get the layout of the contiguous buffer.
    """
    return all(parameter.device.type == "cpu" and parameter.is_contiguous() for parameter in parameters)
