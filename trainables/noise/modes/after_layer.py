"""Noise on one group after another, which stays."""

from collections.abc import Sequence

from typing_extensions import override

from trainables.noise.modes.after_all import AfterAll


class AfterLayer(AfterAll):
    """Noise on one group a step, in turn, that stays: n as in ``layer``, w <- w + n - eta grad L(w + n).

    Source: the follow-up of the study, over MLPs, CNNs, a Transformer, a BiLSTM and an LSTM.
    """

    name = "after_layer"
    noise = "sigma * xi on group t mod G"
    color, symbol, dash = "#E69F00", "pentagon", "longdash"

    @override
    def groups(self, t: int, n_groups: int) -> Sequence[int]:
        return (t % n_groups,)

    @override
    def scale(self, sigma: float, n_groups: int, lr: float) -> float:
        return sigma
