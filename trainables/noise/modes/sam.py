"""A perturbation in the direction in which the loss rises fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.base import NoiseMode

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.noise.step import Step

# The published code adds it too, so that a gradient of 0 is no perturbation.
_SMALLEST_NORM = 1e-12


class SAM(NoiseMode):
    """Sharpness-aware minimization: with g = grad L(w), n = sigma * g / ||g||, w <- w - eta grad L(w + n).

    Sigma is rho of the paper. The norm is over all groups together. Nothing is drawn.

    Source: Foret, Kleiner, Mobahi, Neyshabur, *Sharpness-Aware Minimization for Efficiently Improving
    Generalization*, ICLR 2021, arXiv 2010.01412.
    """

    name = "sam"
    noise = "sigma * g / norm(g), g = grad L(w)"
    formula = "w - eta grad L(w + n)"
    source = "SAM, arXiv 2010.01412"
    color, symbol, dash = "#B2182B", "cross", "longdashdot"
    gradients = 2

    @override
    def scale(self, sigma: float, n_groups: int, lr: float) -> float:
        return sigma

    @override
    def step(self, step: Step) -> None:
        step.backward()
        with step.at(self.perturbation(step)):
            step.backward()

    def perturbation(self, step: Step) -> list[Tensor]:
        """Return n, and take the gradient that it is made of out of the step."""
        return ascent(step, step.take_gradients())


def ascent(step: Step, direction: list[Tensor]) -> list[Tensor]:
    """Scale a direction, in place, to the norm sigma; at sigma 0 it has no tensors."""
    if not direction:
        return direction
    factor = step.scale / (step.norm(direction) + _SMALLEST_NORM)
    return [each.mul_(factor) for each in direction]
