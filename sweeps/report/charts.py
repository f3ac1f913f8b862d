"""What a chart shows; ``html`` draws it with Plotly, ``png`` with Matplotlib, both from here.

A report is a page and pictures. Plotly's own export of pictures needs a Chrome, which cluster machines lack.
"""

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

GREY = "#8a8a8a"  # the reference line, "no data"
GRID = "#e6e6e6"
LEGEND_WIDTH = 26  # characters a line
MARKS = 20  # symbols on a line, at most
SIZES = {
    "triangle": 1.25,
    "triangle_down": 1.25,
    "diamond": 1.1,
    "pentagon": 1.25,
    "star": 1.6,
    "hexagon": 1.15,
}
_CATEGORY_WIDTH = 36


class Style(NamedTuple):
    """How a series looks. Symbol and dash tell it apart in greyscale; bars take a hatch from the dash."""

    color: str
    symbol: str  # circle, square, triangle, diamond, pentagon, triangle_down, cross, x, star or hexagon
    dash: str  # solid, dash, dot, dashdot, longdash or longdashdot


# Colours of Okabe and Ito, less yellow. The "after" modes are the lighter shade of their mode's hue.
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


def style_of(arm: str) -> Style:
    """Say how an arm looks, the same in every chart.

    Args:
        arm: A noise mode; any other name takes the first of the remaining styles.

    Returns:
        Its colour, symbol and dash.
    """
    return _MODES.get(arm, _OTHERS[0])


def styles(arms: Sequence[str]) -> dict[str, Style]:
    """Say how arms look that are shown together.

    Args:
        arms: Noise modes, which keep their style, and other names, which take the remaining ones in order.

    Returns:
        A style for each; distinct for up to 36 other names.
    """
    others = [arm for arm in dict.fromkeys(arms) if arm not in _MODES]
    return {arm: _MODES[arm] if arm in _MODES else _other(others.index(arm)) for arm in arms}


def _other(index: int) -> Style:
    n = len(_OTHERS)
    shift = index // n  # a colour comes again with another symbol and dash
    first, second, third = (_OTHERS[(index + times * shift) % n] for times in range(3))
    return Style(first.color, second.symbol, third.dash)


@dataclass(frozen=True)
class Series:
    """One entry of the legend and its points."""

    label: str
    style: Style
    x: Sequence[float]
    y: Sequence[float]
    kind: Literal["line", "dots", "bars", "step"]
    low: Sequence[float] | None = (
        None  # an interval: a band for lines and steps, error bars for dots and bars
    )
    high: Sequence[float] | None = None
    hover: Sequence[str] | None = None  # a text per point, on the page only
    hollow: bool = False  # dots that are not filled, bars that are pale
    in_legend: bool = True


@dataclass(frozen=True)
class Chart:
    """A chart. With ``horizontal``, all that is said of y, its label and log too, is about the axis below.

    Raises:
        ValueError: Lines or steps in a horizontal chart.
    """

    slug: str  # the file's name
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    caption: str = ""
    log_x: bool = False
    log_y: bool = False
    categories: Sequence[str] | None = None  # names of x = 0, 1, ...; dots may stand a little beside them
    horizontal: bool = False  # x runs from top to bottom, y from left to right: for dots and bars
    reference: float | None = None  # a thin line at this y
    stacked: bool = False  # bars
    integer_x: bool = False  # ticks at whole numbers only

    def __post_init__(self) -> None:
        if self.horizontal and any(series.kind in ("line", "step") for series in self.series):
            raise ValueError(f"chart {self.slug}: a horizontal chart takes dots and bars, not lines or steps")


class Points(NamedTuple):
    """What is drawn of a series: arrays of one length. NaN is a gap in a line, or an interval unknown."""

    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    hover: list[str]

    @property
    def has_interval(self) -> bool:
        """Whether any point has one."""
        return bool(np.isfinite(self.low).any())


def drawn(chart: Chart) -> list[tuple[Series, Points]]:
    """Find what can be drawn.

    Args:
        chart: The chart.

    Returns:
        The series that have a point, without values that are not finite or, on a log axis, not positive. An
        interval that reaches zero there ends below all that is shown.
    """
    pairs = [(series, _points(chart, series)) for series in chart.series]
    pairs = [(series, points) for series, points in pairs if np.isfinite(points.y).any()]
    if not chart.log_y or not pairs:
        return pairs
    shown = np.concatenate([values for _, points in pairs for values in (points.y, points.low, points.high)])
    bottom = shown[shown > 0].min() / 2
    return [
        (series, points._replace(low=np.where(points.low <= 0, bottom, points.low)))
        for series, points in pairs
    ]


def _points(chart: Chart, series: Series) -> Points:
    x, y = np.array(series.x, dtype=float), np.array(series.y, dtype=float)
    low, high = np.full_like(y, np.nan), np.full_like(y, np.nan)
    if series.low is not None and series.high is not None:
        low, high = np.array(series.low, dtype=float), np.array(series.high, dtype=float)
        unknown = ~(np.isfinite(low) & np.isfinite(high)) | (chart.log_y & (high <= 0))
        low[unknown] = high[unknown] = np.nan
    hover = [_hover(chart, series, i, x[i], y[i], low[i], high[i]) for i in range(len(y))]
    good = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not chart.log_x)) & ((y > 0) | (not chart.log_y))
    if series.kind in ("line", "step"):
        for values in (x, y, low, high):
            values[~good] = np.nan
        return Points(x, y, low, high, hover)
    return Points(x[good], y[good], low[good], high[good], [hover[i] for i in np.flatnonzero(good)])


def _hover(chart: Chart, series: Series, i: int, x: float, y: float, low: float, high: float) -> str:
    names = chart.categories
    named = names is not None and np.isfinite(x) and 0 <= round(x) < len(names)
    where = names[round(x)] if names is not None and named else number(x)
    lines = [series.label]
    lines += [f"{chart.x_label}: {where}" if chart.x_label else where]
    lines += [f"{chart.y_label}: {number(y)}" if chart.y_label else number(y)]
    lines += [f"from {number(low)} to {number(high)}"] if np.isfinite(low) else []
    return "\n".join(lines + ([series.hover[i]] if series.hover is not None else []))


def number(value: float) -> str:
    """Write a number with four significant digits, and a whole one with all of its own up to a million.

    Args:
        value: The number.

    Returns:
        Such as ``0.01235`` or ``12000``.
    """
    return f"{value:.0f}" if abs(value) < 1e6 and value == int(value) else f"{value:.4g}"


def whole_step(pairs: list[tuple[Series, Points]]) -> int:
    """Choose how far apart the ticks of ``integer_x`` are.

    Args:
        pairs: What is drawn.

    Returns:
        1, 2, 5, 10, 20, ..., for at most about a dozen ticks.
    """
    xs = np.concatenate([points.x for _, points in pairs]) if pairs else np.zeros(1)
    span = float(np.nanmax(xs) - np.nanmin(xs))
    steps = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(step for step in steps if span / step <= 12)


def tick_labels(chart: Chart) -> list[str]:
    """Name the categories.

    Args:
        chart: The chart.

    Returns:
        Their names, broken into lines where they stand beside a horizontal chart.
    """
    names = list(chart.categories or [])
    return [wrapped(name, _CATEGORY_WIDTH) for name in names] if chart.horizontal else names


def n_rows(chart: Chart) -> float:
    """Say how much room the categories of a horizontal chart need.

    Args:
        chart: The chart.

    Returns:
        The height in lines of text; 0 if the chart is not horizontal.
    """
    if not chart.horizontal:
        return 0.0
    lines = max((label.count("\n") + 1 for label in tick_labels(chart)), default=1)
    return len(chart.categories or []) * (lines + 0.5)


def crowded(chart: Chart) -> bool:
    """Say whether the categories do not fit beside each other on the axis below.

    Args:
        chart: The chart.

    Returns:
        Whether their names must be turned.
    """
    names = [] if chart.horizontal else tick_labels(chart)
    return len(names) * (max(map(len, names), default=0) + 2) > 90


def wrapped(text: str, width: int) -> str:
    """Break a text into lines.

    Args:
        text: The text.
        width: The characters that a line has at most, if no word is longer.

    Returns:
        The text with newlines.
    """
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False)) or text
