"""A mixture of the gradients with and without noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from typing_extensions import override

from trainables.noise.modes.base import NoiseMode
from trainables.noise.modes.scaled import Scaled, scaled_noise

if TYPE_CHECKING:
    from trainables.noise.step import Step


class Mixed(NoiseMode):
    """A mixture of two gradients, with n as in ``scaled``.

    The step is w <- w - eta (lambda grad L(w + n) + (1 - lambda) grad L(w)). Lambda is the hyperparameter
    ``mixing``. Both gradients are of the step's batch.

    Source: m-RWP of Li et al., *Revisiting Random Weight Perturbation for Efficiently Improving
    Generalization*, TMLR 2024, arXiv 2404.00357, which takes them on two batches.
    """

    name = "mixed"
    noise = Scaled.noise
    formula = "w - eta (lambda grad L(w + n) + (1 - lambda) grad L(w))"
    source = "m-RWP, arXiv 2404.00357"
    color, symbol, dash = "#CC79A7", "cross", "dash"
    gradients = 2

    def __init__(self, mixing: float = 0.5) -> None:
        """Set lambda, between 0 and 1."""
        self.mixing = mixing

    @classmethod
    @override
    def of(cls, hyperparameters: Any) -> Self:
        return cls(hyperparameters.mixing)

    @override
    def step(self, step: Step) -> None:
        with step.at(scaled_noise(step)):
            step.backward(self.mixing)
        step.backward(1 - self.mixing)
