"""The model of a chart, which ``html`` draws with Plotly and ``png`` with Matplotlib.

Plotly could save PNGs too, but only with Chrome, which cluster machines lack.
"""

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np

from sweeps.analysis.stats import Summary
from sweeps.report.styles import Style

Kind = Literal["line", "dots", "bars", "step"]
BAND_OPACITY = 0.18
MAX_MARKERS = 20  # on a line
LEGEND_WIDTH, _CATEGORY_WIDTH, _AXIS_WIDTH = 26, 36, 90  # characters


@dataclass(frozen=True)
class Series:
    """Points that share a label and a style.

    Attributes:
        low: Lower ends of intervals, drawn as a band around lines and steps and as error bars of dots.
        high: Upper ends.
        hover: One text per point, shown on the page only.
        hollow: Whether dots are not filled.
    """

    label: str
    style: Style
    x: Sequence[float]
    y: Sequence[float]
    kind: Kind
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    hover: Sequence[str] | None = None
    hollow: bool = False

    @classmethod
    def of_means(
        cls, label: str, style: Style, x: Sequence[float], summaries: Sequence[Summary], kind: Kind
    ) -> Self:
        """Return means with their intervals."""
        low, high = [summary.low for summary in summaries], [summary.high for summary in summaries]
        return cls(label, style, x, [summary.mean for summary in summaries], kind, low, high)


class Points(NamedTuple):
    """The points of a series: arrays of one length. NaN is a gap in a line, or an unknown interval."""

    series: Series
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    hover: list[str]

    @property
    def has_interval(self) -> bool:
        """Whether any point has an interval."""
        return bool(np.isfinite(self.low).any())

    @property
    def errors(self) -> np.ndarray:
        """Lengths of the error bars below and above each point, shape (2, n)."""
        return np.maximum([self.y - self.low, self.high - self.y], 0)


@dataclass(frozen=True)
class Chart:
    """A chart.

    Attributes:
        slug: Name of the file and ID of the page's element.
        categories: Names of x = 0, 1, ...; points may lie slightly beside them.
        horizontal: Draw x from top to bottom and y from left to right. Dots and bars only.
        reference: Draw a thin line at this y, for which the axis must be linear.
        stacked: Stack bars instead of placing them side by side.
        integer_x: Put ticks at whole numbers only.
        legend: Name the series in a legend.

    Raises:
        ValueError: Lines or steps in a horizontal chart.
    """

    slug: str
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    caption: str = ""
    log_x: bool = False
    log_y: bool = False
    categories: Sequence[str] | None = None
    horizontal: bool = False
    reference: float | None = None
    stacked: bool = False
    integer_x: bool = False
    legend: bool = True

    def __post_init__(self) -> None:
        if self.horizontal and any(series.kind in ("line", "step") for series in self.series):
            raise ValueError(f"chart {self.slug}: a horizontal chart takes dots and bars, not lines or steps")

    def drawable(self) -> list[Points]:
        """Return the points of each series that has one to draw.

        Values that are not finite, or not positive on a log axis, are left out. On a log y-axis an interval
        that reaches zero ends below everything else.
        """
        drawn = [_points(self, series) for series in self.series]
        drawn = [points for points in drawn if np.isfinite(points.y).any()]
        if self.log_y and drawn:
            shown = np.concatenate([[points.y, points.low, points.high] for points in drawn], axis=None)
            bottom = shown[shown > 0].min() / 2
            for points in drawn:
                points.low[points.low <= 0] = bottom
        return drawn

    @property
    def tick_labels(self) -> list[str]:
        """Names of the categories, wrapped if they stand beside a horizontal chart."""
        names = list(self.categories or [])
        return [wrapped(name, _CATEGORY_WIDTH) for name in names] if self.horizontal else names

    @property
    def category_range(self) -> tuple[float, float]:
        """Where the axis of categories begins, at the left or at the bottom, and where it ends."""
        first, last = -0.5, max(len(self.categories or []), 1) - 0.5
        return (last, first) if self.horizontal else (first, last)

    @property
    def category_lines(self) -> float:
        """Height in lines of text that the categories of a horizontal chart need; 0 for other charts."""
        if not self.horizontal:
            return 0.0
        lines = max((label.count("\n") + 1 for label in self.tick_labels), default=1)
        return len(self.tick_labels) * (lines + 0.5)

    @property
    def crowded(self) -> bool:
        """Whether the names of the categories must be turned to fit below the chart."""
        names = [] if self.horizontal else self.tick_labels
        return len(names) * (max(map(len, names), default=0) + 2) > _AXIS_WIDTH


def _points(chart: Chart, series: Series) -> Points:
    x, y = np.array(series.x, dtype=float), np.array(series.y, dtype=float)
    low, high = np.full_like(y, np.nan), np.full_like(y, np.nan)
    if series.low is not None and series.high is not None:
        low, high = np.array(series.low, dtype=float), np.array(series.high, dtype=float)
        unknown = ~(np.isfinite(low) & np.isfinite(high)) | (chart.log_y & (high <= 0))
        low[unknown] = high[unknown] = np.nan
    good = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not chart.log_x)) & ((y > 0) | (not chart.log_y))
    kept = np.flatnonzero(good)
    if series.kind in ("line", "step"):
        # A gap keeps its place, or the line would bridge it.
        kept = np.arange(len(y))
        for values in (x, y, low, high):
            values[~good] = np.nan
    hover = [_hover_text(chart, series, i, x[i], y[i], low[i], high[i]) for i in kept.tolist()]
    return Points(series, x[kept], y[kept], low[kept], high[kept], hover)


def _hover_text(chart: Chart, series: Series, i: int, x: float, y: float, low: float, high: float) -> str:
    place = chart.categories[round(x)] if chart.categories and np.isfinite(x) else _number(x)
    lines = [series.label, f"{chart.x_label}: {place}", f"{chart.y_label}: {_number(y)}"]
    if np.isfinite(low):
        lines.append(f"from {_number(low)} to {_number(high)}")
    if series.hover is not None:
        lines.append(series.hover[i])
    return "\n".join(lines)


def _number(value: float) -> str:
    """Write four significant digits, but every digit of a whole number below a million."""
    return f"{value:.0f}" if abs(value) < 1e6 and value == int(value) else f"{value:.4g}"


def integer_step(drawn: Sequence[Points]) -> int:
    """Return the distance between whole-number ticks: 1, 2, 5, 10, 20, ..., for a dozen ticks at most."""
    xs = np.concatenate([points.x for points in drawn]) if drawn else np.zeros(1)
    span = float(np.nanmax(xs) - np.nanmin(xs))
    steps = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(step for step in steps if span / step <= 12)


def wrapped(text: str, width: int) -> str:
    """Break a text into lines of at most ``width`` characters, or of one longer word."""
    return textwrap.fill(text, width, break_on_hyphens=False) or text
