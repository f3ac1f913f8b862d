"""Noise on all groups at once, which stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.base import NoiseMode

if TYPE_CHECKING:
    from trainables.noise.step import Step


class AfterAll(NoiseMode):
    """Noise on every group that stays in the weights: n as in ``all``, w <- w + n - eta grad L(w + n).

    Up to where the run is cut, this is "take a step, then add noise".

    Source: the follow-up of the study, over MLPs, CNNs, a Transformer, a BiLSTM and an LSTM.
    """

    name = "after_all"
    formula = "w + n - eta grad L(w + n)"
    source = "the follow-up"
    color, symbol, dash = "#56B4E9", "diamond", "dashdot"

    @override
    def step(self, step: Step) -> None:
        step.move(step.noise())
        step.backward()
