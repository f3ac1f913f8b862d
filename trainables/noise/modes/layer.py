"""Noise on one group after another."""

from trainables.noise.modes.all import All
from trainables.noise.modes.base import InTurn


class Layer(InTurn, All):
    """Noise on one group a step, in turn: n = sigma * xi on group t mod G, w <- w - eta grad L(w + n).

    Source: Orvieto, Raj, Kersting, Bach, *Explicit Regularization in Overparametrized Models via Noise
    Injection*, AISTATS 2023, algorithm 1.
    """

    name = "layer"
    color, symbol, dash = "#D55E00", "triangle-up", "dot"
