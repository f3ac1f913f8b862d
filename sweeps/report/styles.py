"""The styles of arms: one colour, symbol and dash for each, the same in every chart."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from sweeps.spec.model import mode_of
from trainables.noise import registry

GREY, GRID, AXIS = "#8a8a8a", "#e6e6e6", "#999999"
# Without these factors some symbols would look smaller than a circle of the same nominal size.
_SCALES = {"diamond": 1.1, "hexagon": 1.15, "pentagon": 1.25, "star": 1.6}
_SCALES |= {"triangle-up": 1.25, "triangle-down": 1.25}


class Style(NamedTuple):
    """How a series looks: Plotly's names of a colour, a symbol and a dash.

    Symbol and dash stay distinct in greyscale; the hatch of bars follows the dash.
    """

    color: str
    symbol: str
    dash: str

    @property
    def scale(self) -> float:
        """Size of the symbol relative to a circle."""
        return _SCALES.get(self.symbol, 1.0)


_COLORS = ["#009E73", "#CC79A7", "#7F4F24", "#7A7A7A", "#5E3C99", "#A3B18A"]
_SYMBOLS = ["triangle-down", "cross", "star", "x", "hexagon", "circle"]
_DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"]


def styles(arms: Sequence[str]) -> dict[str, Style]:
    """Return a style for each arm.

    Noise modes have their own styles: colours of Okabe and Ito for the study's, an "after" mode in a lighter
    shade of its mode's hue. Other arms take the remaining styles in order: 36 before any repeats.
    """
    n = len(_COLORS)
    # Each round of the colours shifts the symbols and dashes.
    others = itertools.cycle(
        Style(color, _SYMBOLS[(index + shift) % n], _DASHES[(index + 2 * shift) % n])
        for shift in range(n)
        for index, color in enumerate(_COLORS)
    )
    return {arm: _of_mode(arm) or next(others) for arm in dict.fromkeys(arms)}


def _of_mode(name: str) -> Style | None:
    if name not in registry.names():
        return None
    mode = mode_of(name)
    return Style(mode.color, mode.symbol, mode.dash)
