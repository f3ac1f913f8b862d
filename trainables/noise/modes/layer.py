"""Noise on one group after another."""

from collections.abc import Sequence

from typing_extensions import override

from trainables.noise.modes.all import All


class Layer(All):
    """Noise on one group a step, in turn: n = sigma * xi on group t mod G, w <- w - eta grad L(w + n).

    Source: Orvieto, Raj, Kersting, Bach, *Explicit Regularization in Overparametrized Models via Noise
    Injection*, AISTATS 2023, algorithm 1.
    """

    name = "layer"
    noise = "sigma * xi on group t mod G"
    color, symbol, dash = "#D55E00", "triangle-up", "dot"

    @override
    def groups(self, t: int, n_groups: int) -> Sequence[int]:
        return (t % n_groups,)

    @override
    def scale(self, sigma: float, n_groups: int, lr: float) -> float:
        return sigma
