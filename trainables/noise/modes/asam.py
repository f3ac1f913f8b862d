"""SAM in units of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.sam import SAM, ascent

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.noise.step import Step


class ASAM(SAM):
    """Adaptive SAM: with g = grad L(w), n = sigma * w^2 g / || |w| g ||; the step as in ``sam``.

    Products are elementwise. Weights at 0 are not perturbed.

    Source: Kwon, Kim, Park, Choi, *ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning
    of Deep Neural Networks*, ICML 2021, arXiv 2102.11600.
    """

    name = "asam"
    noise = "sigma * w^2 g / norm(abs(w) g), g = grad L(w)"
    source = "ASAM, arXiv 2102.11600"
    color, symbol, dash = "#E78AC3", "x", "dash"

    @override
    def perturbation(self, step: Step) -> list[Tensor]:
        sizes = [weight.detach().abs() for weight in step.weights]
        scaled = [g.mul_(size) for g, size in zip(step.take_gradients(), sizes, strict=True)]
        return [n.mul_(size) for n, size in zip(ascent(step, scaled), sizes, strict=True)]
