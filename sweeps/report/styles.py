"""How arms look: one colour, symbol and dash for each, the same in every chart."""

from collections.abc import Sequence
from typing import NamedTuple

GREY, GRID, AXIS = "#8a8a8a", "#e6e6e6", "#999999"
# Without these factors some symbols would look smaller than a circle of the same nominal size.
_SCALES = {"diamond": 1.1, "hexagon": 1.15, "pentagon": 1.25, "star": 1.6}
_SCALES |= {"triangle": 1.25, "triangle_down": 1.25}


class Style(NamedTuple):
    """How a series looks. Symbol and dash stay distinct in greyscale; the hatch of bars follows the dash.

    Attributes:
        color: As ``#rrggbb``.
        symbol: circle, square, triangle, diamond, pentagon, triangle_down, cross, x, star or hexagon.
        dash: solid, dash, dot, dashdot, longdash or longdashdot.
    """

    color: str
    symbol: str
    dash: str

    @property
    def scale(self) -> float:
        """Size of the symbol relative to a circle."""
        return _SCALES.get(self.symbol, 1.0)


# Colours of Okabe and Ito, without yellow. An "after" mode is a lighter shade of its mode's hue.
_MODES = {
    "none": Style("#333333", "circle", "solid"),
    "all": Style("#0072B2", "square", "dash"),
    "layer": Style("#D55E00", "triangle", "dot"),
    "after_all": Style("#56B4E9", "diamond", "dashdot"),
    "after_layer": Style("#E69F00", "pentagon", "longdash"),
}
_OTHERS = [
    Style("#009E73", "triangle_down", "solid"),
    Style("#CC79A7", "cross", "dash"),
    Style("#7F4F24", "star", "dot"),
    Style("#7A7A7A", "x", "dashdot"),
    Style("#5E3C99", "hexagon", "longdash"),
    Style("#A3B18A", "circle", "longdashdot"),
]


def styles(arms: Sequence[str]) -> dict[str, Style]:
    """Return a style for each arm.

    Noise modes have fixed styles. Other arms take the remaining styles in order: 36 before any repeats.
    """
    others = [arm for arm in dict.fromkeys(arms) if arm not in _MODES]
    return {arm: _MODES[arm] if arm in _MODES else _other_style(others.index(arm)) for arm in arms}


def _other_style(index: int) -> Style:
    n = len(_OTHERS)
    # Each round combines the colours with different symbols and dashes.
    shift = index // n
    first, second, third = (_OTHERS[(index + times * shift) % n] for times in range(3))
    return Style(first.color, second.symbol, third.dash)
