"""Noise on all groups at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.base import NoiseMode

if TYPE_CHECKING:
    from trainables.noise.step import Step


class All(NoiseMode):
    """Noise on every group: n = sigma / sqrt(G) * xi, w <- w - eta grad L(w + n).

    Source: Orvieto, Raj, Kersting, Bach, *Explicit Regularization in Overparametrized Models via Noise
    Injection*, AISTATS 2023, eq. (2).
    """

    name = "all"
    formula = "w - eta grad L(w + n)"
    source = "Orvieto et al., AISTATS 2023"
    color, symbol, dash = "#0072B2", "square", "dash"

    @override
    def step(self, step: Step) -> None:
        with step.at(step.noise()):
            step.backward()
