"""The points of a chart as they are drawn, with the texts that are shown on hovering."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sweeps.report.charts import Chart, Series
from sweeps.report.scale import scaled


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


def drawable(chart: Chart) -> list[Points]:
    """Return the points of each series that has one to draw.

    Values that are not finite, or not positive on a log axis, are left out. On a log y-axis an interval
    that reaches zero ends below everything else. With ``symlog`` they have their places on the axis.
    """
    drawn = [_points(chart, series) for series in chart.series]
    drawn = [points for points in drawn if np.isfinite(points.y).any()]
    if chart.log_y and drawn:
        shown = np.concatenate([[points.y, points.low, points.high] for points in drawn], axis=None)
        bottom = shown[shown > 0].min() / 2
        for points in drawn:
            points.low[points.low <= 0] = bottom
    places = [[scaled(values, chart.symlog) for values in points[2:5]] for points in drawn]
    return [
        points._replace(y=y, low=low, high=high) for points, (y, low, high) in zip(drawn, places, strict=True)
    ]


def _points(chart: Chart, series: Series) -> Points:
    x, y = np.array(series.x, dtype=float), np.array(series.y, dtype=float)
    low, high = np.full_like(y, np.nan), np.full_like(y, np.nan)
    if series.low is not None and series.high is not None:
        low, high = np.array(series.low, dtype=float), np.array(series.high, dtype=float)
        unknown = ~(np.isfinite(low) & np.isfinite(high)) | (chart.log_y & (high <= 0))
        low[unknown] = high[unknown] = np.nan
    good = np.isfinite(x) & np.isfinite(y) & ((x > 0) | (not chart.log_x)) & ((y > 0) | (not chart.log_y))
    kept = np.flatnonzero(good)
    if series.kind in ("line", "step", "thread"):
        # A gap keeps its place, or the line would bridge it.
        kept = np.arange(len(y))
        for values in (x, y, low, high):
            values[~good] = np.nan
    hover = [_hover_text(chart, series, i, x[i], y[i], low[i], high[i]) for i in kept.tolist()]
    return Points(series, x[kept], y[kept], low[kept], high[kept], hover)


def _hover_text(chart: Chart, series: Series, i: int, x: float, y: float, low: float, high: float) -> str:
    if series.own_hover and series.hover is not None:
        return f"{series.label}\n{series.hover[i]}"
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
