"""Plain gradient descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.base import NoiseMode

if TYPE_CHECKING:
    from trainables.noise.step import Step


class NoNoise(NoiseMode):
    """No noise: w <- w - eta grad L(w)."""

    name = "none"
    noise = "0"
    formula = "w - eta grad L(w)"
    source = "-"
    color, symbol, dash = "#333333", "circle", "solid"

    @override
    def step(self, step: Step) -> None:
        step.backward()

    @override
    def groups(self, t: int, n_groups: int) -> Sequence[int]:
        return ()
