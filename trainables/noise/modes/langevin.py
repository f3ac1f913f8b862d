"""Noise that follows the learning rate, as in Langevin dynamics."""

import math

from typing_extensions import override

from trainables.noise.modes.after_all import AfterAll


class Langevin(AfterAll):
    """Langevin dynamics at temperature T = sigma^2: n = sqrt(2 eta T) * xi, w <- w + n - eta grad L(w + n).

    ``after_all`` whose sigma follows the root of the learning rate by itself. With small eta, and without
    momentum and weight decay, the weights settle at the distribution exp(-L / T). With ``follow_lr``, sigma
    falls too, and with it the temperature.

    Source: Welling and Teh, *Bayesian Learning via Stochastic Gradient Langevin Dynamics*, ICML 2011,
    with a temperature.
    """

    name = "langevin"
    noise = "sqrt(2 eta) * sigma * xi on every group (temperature sigma^2)"
    source = "SGLD, Welling and Teh, ICML 2011"
    color, symbol, dash = "#6A7F00", "hexagon", "longdashdot"
    follows_lr = True

    @override
    def scale(self, sigma: float, n_groups: int, lr: float) -> float:
        return sigma * math.sqrt(2 * lr)
