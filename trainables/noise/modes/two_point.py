"""Noise in two opposite directions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.base import NoiseMode

if TYPE_CHECKING:
    from trainables.noise.step import Step


class TwoPoint(NoiseMode):
    """The mean of two gradients: n as in ``all``, w <- w - eta (grad L(w + n) + grad L(w - n)) / 2.

    What is of first order in n cancels.

    Source: Zhang, Li, Ju, *Noise Stability Optimization for Finding Flat Minima: A Hessian-based
    Regularization Approach*, TMLR 2024, arXiv 2306.08553.
    """

    name = "two_point"
    formula = "w - eta (grad L(w + n) + grad L(w - n)) / 2"
    source = "NSO, arXiv 2306.08553"
    color, symbol, dash = "#009E73", "triangle-down", "solid"
    gradients = 2

    @override
    def step(self, step: Step) -> None:
        n = step.noise()
        minus_n = [-each for each in n]
        with step.at(n):
            step.backward(1 / 2)
        with step.at(minus_n):
            step.backward(1 / 2)
