"""The model of a chart, which ``html`` draws with Plotly and ``png`` with Matplotlib.

Plotly could save PNGs too, but only with Chrome, which cluster machines lack.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from sweeps.analysis.stats import Summary
from sweeps.report.styles import Style

# Joined dots have error bars and a thin line through them; a thread is a thin line without markers.
Kind = Literal["line", "dots", "joined", "bars", "step", "thread"]
BAND_OPACITY, THREAD_OPACITY = 0.12, 0.55
MAX_MARKERS = 20  # on a line
LEGEND_WIDTH, LABEL_WIDTH, _CATEGORY_WIDTH, _AXIS_WIDTH = 26, 68, 36, 90  # characters


@dataclass(frozen=True)
class Series:
    """Points that share a label and a style.

    Attributes:
        low: Lower ends of intervals, drawn as a band around lines and steps and as error bars of dots.
        high: Upper ends.
        hover: One text per point, shown on the page only.
        hollow: Whether dots are not filled.
        named: Whether the legend names the series.
        own_hover: Whether the texts in ``hover`` stand for x, y and the interval, instead of following them.
        width: Width of a line or step.
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
    named: bool = True
    own_hover: bool = False
    width: float = 2.0

    @classmethod
    def of_means(
        cls, label: str, style: Style, x: Sequence[float], summaries: Sequence[Summary], kind: Kind
    ) -> Self:
        """Return means with their intervals."""
        low, high = [summary.low for summary in summaries], [summary.high for summary in summaries]
        return cls(label, style, x, [summary.mean for summary in summaries], kind, low, high)


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
        symlog: Draw y up to this size on a linear and beyond it on a logarithmic scale, with both signs.
        marks: Thin vertical lines, each with its x and a text.

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
    symlog: float | None = None
    marks: Sequence[tuple[float, str]] = ()

    def __post_init__(self) -> None:
        if self.horizontal and any(series.kind not in ("dots", "bars") for series in self.series):
            raise ValueError(f"chart {self.slug}: a horizontal chart takes dots and bars, not lines or steps")

    @property
    def panels(self) -> "Sequence[Chart]":
        """The chart itself, as a chart of several panels has them."""
        return [self]

    @property
    def columns(self) -> int:
        """A chart of one panel has one column."""
        return 1

    @property
    def rows(self) -> int:
        """A chart of one panel has one row."""
        return 1

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


@dataclass(frozen=True)
class Panels:
    """Charts in one figure with one legend and one x-axis; with several columns, also one y-axis.

    Attributes:
        slug: As of a chart; so are title and caption.
        charts: The panels, whose own slugs and captions are not shown.
        columns: Number of panels beside each other.
    """

    slug: str
    title: str
    charts: Sequence[Chart]
    caption: str = ""
    columns: int = 1

    @property
    def panels(self) -> Sequence[Chart]:
        """The charts."""
        return self.charts

    @property
    def legend(self) -> bool:
        """Whether the series are named in a legend."""
        return any(chart.legend for chart in self.charts)

    @property
    def rows(self) -> int:
        """Number of panels below each other."""
        return -(-len(self.charts) // self.columns)


def wrapped(text: str, width: int) -> str:
    """Break a text into lines of at most ``width`` characters, or of one longer word."""
    return textwrap.fill(text, width, break_on_hyphens=False) or text
