"""Noise on one group after another, which stays."""

from trainables.noise.modes.after_all import AfterAll
from trainables.noise.modes.base import InTurn


class AfterLayer(InTurn, AfterAll):
    """Noise on one group a step, in turn, that stays: n as in ``layer``, w <- w + n - eta grad L(w + n).

    Source: the follow-up of the study, over MLPs, CNNs, a Transformer, a BiLSTM and an LSTM.
    """

    name = "after_layer"
    color, symbol, dash = "#E69F00", "pentagon", "longdash"
