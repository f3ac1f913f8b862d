"""Noise whose next step takes back the last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.base import NoiseMode

if TYPE_CHECKING:
    from trainables.noise.step import Step


class Anti(NoiseMode):
    """Anticorrelated noise that stays: n_t = xi_t - xi_(t-1), each xi_t as the noise of ``all``, xi_(-1) = 0.

    The step is w <- w + n_t - eta grad L(w + n_t), up to where the run is cut the published
    w <- w - eta grad L(w) + xi_(t+1) - xi_t. In z = w - xi it *is* ``all``: z <- z - eta grad L(z + xi_t).
    What differs is that w is evaluated, with the last noise in it, and that weight decay is taken at w.

    Source: Orvieto, Kersting, Proske, Bach, Lucchi, *Anticorrelated Noise Injection for Improved
    Generalization*, ICML 2022, arXiv 2202.02831.
    """

    name = "anti"
    noise = "sigma / sqrt(G) * (xi_t - xi_(t-1)) on every group"
    formula = "w + n - eta grad L(w + n)"
    source = "anti-PGD, arXiv 2202.02831"
    color, symbol, dash = "#5E3C99", "x", "dashdot"
    remembers = True

    @override
    def start(self, step: Step) -> None:
        # The last noise, with its sign reversed.
        self.kept = step.zeros()

    @override
    def step(self, step: Step) -> None:
        n = step.noise()
        step.move(self.kept)
        step.move(n)
        for kept, new in zip(self.kept, n, strict=True):
            kept.copy_(new).neg_()
        step.backward()
