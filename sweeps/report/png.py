"""Draws charts with Matplotlib, without a browser or a display: as PNGs, and as PDF and SVG for a paper."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MultipleLocator, NullFormatter

from sweeps.report.charts import (
    BAND_OPACITY,
    LABEL_WIDTH,
    LEGEND_WIDTH,
    MAX_MARKERS,
    THREAD_OPACITY,
    Chart,
    Panels,
    wrapped,
)
from sweeps.report.points import Points, drawable, integer_step
from sweeps.report.scale import log_ticks, ticks
from sweeps.report.styles import AXIS, GREY, GRID

_DPI = 160
_WIDTH, _HEIGHT, _PANEL = 10, 5.625, 3.2  # inches
# Figures for a paper are smaller, so that their texts are legible in a column of it.
_PAPER = 0.7
_DATES = {".pdf": "CreationDate", ".svg": "Date"}
_SYMBOLS = {"circle": "o", "square": "s", "triangle-up": "^", "diamond": "D", "pentagon": "p"}
_SYMBOLS |= {"triangle-down": "v", "cross": "P", "x": "X", "star": "*", "hexagon": "h"}
_DASHES: dict[str, Any] = {
    "solid": "-",
    "dash": (0, (5, 2.5)),
    "dot": (0, (1.3, 1.7)),
    "dashdot": (0, (6, 2, 1.3, 2)),
    "longdash": (0, (10, 3)),
    "longdashdot": (0, (10, 2.5, 1.3, 2.5)),
}
_HATCHES = {"solid": "", "dash": "//", "dot": "..", "dashdot": "\\\\", "longdash": "xx", "longdashdot": "--"}
# The bars of a category fill this fraction of its width.
_BARS = 0.75


def save(chart: Chart | Panels, path: Path) -> None:
    """Save a PNG of 1600 x 900 pixels, higher for panels below each other or many horizontal categories."""
    # savefig would draw twice. The pictures are mostly white, so a higher compression level gains little.
    FigureCanvasAgg(figure(chart)).print_png(path, pil_kwargs={"compress_level": 1})


def save_for_paper(chart: Chart | Panels, path: Path) -> None:
    """Save a PDF or SVG, as the suffix says, without title and caption; equal charts give equal files."""
    undated: dict[str, Any] = {"metadata": {_DATES[path.suffix]: None}}
    # Type 42 embeds TrueType fonts, as publishers demand; an ID of an SVG is drawn at random without a salt.
    with rc_context({"pdf.fonttype": 42, "svg.hashsalt": chart.slug}):
        figure(chart, scale=_PAPER, texts=False).savefig(path, **undated)


def figure(chart: Chart | Panels, *, scale: float = 1.0, texts: bool = True) -> Figure:
    """Return a Matplotlib figure that pyplot does not keep track of.

    Args:
        chart: What to draw.
        scale: Its size relative to 10 inches of width; the size of texts stays.
        texts: Whether to draw the title and the caption.
    """
    rows, columns = chart.rows, chart.columns
    height = max([_HEIGHT, 1.2 + _PANEL * rows * (rows > 1), *map(_height, chart.panels)])
    result = Figure(figsize=(scale * _WIDTH, scale * height), dpi=_DPI, layout="constrained")
    grid = result.subplots(rows, columns, sharex=True, sharey=columns > 1, squeeze=False)
    drawn = [drawable(panel) for panel in chart.panels]
    handles: dict[str, Any] = {}
    for index, (panel, axes) in enumerate(zip(chart.panels, grid.flat, strict=False)):
        together = [points for each in drawn for points in each] if columns > 1 else drawn[index]
        _set_axes(panel, axes, together, rows)
        for points, handle in zip(drawn[index], _draw(panel, axes, drawn[index]), strict=True):
            if points.series.named:
                handles.setdefault(_escaped(wrapped(points.series.label, LEGEND_WIDTH)), handle)
        if not drawn[index]:
            axes.text(0.5, 0.5, "no data", color=GREY, fontsize=14, ha="center", transform=axes.transAxes)
        if isinstance(chart, Panels):
            axes.set_title(_escaped(panel.title), fontsize=11, loc="left")
    for axes in grid.flat[len(chart.panels) :]:
        axes.set_axis_off()
    if columns > 1 or rows > 1:
        for axes in grid.flat[: len(chart.panels)]:
            axes.label_outer()
    if chart.legend and handles:
        _add_legend(result, handles)
    if texts:
        _write_texts(chart, result)
    return result


def _height(chart: Chart) -> float:
    return 1.6 + 0.2 * chart.category_lines


def _add_legend(result: Figure, handles: Mapping[str, Any]) -> None:
    look: dict[str, Any] = {"frameon": False, "fontsize": 10, "handlelength": 3}
    result.legend(handles.values(), handles.keys(), loc="outside right upper", **look)


def _write_texts(chart: Chart | Panels, result: Figure) -> None:
    result.suptitle(_escaped(wrapped(chart.title, 85)), x=0.01, ha="left", fontsize=12, weight="bold")
    if chart.caption:
        caption = _escaped(wrapped(chart.caption, 145))
        result.supxlabel(caption, x=0.01, ha="left", fontsize=9, color="#555555")


def _escaped(text: str) -> str:
    """Escape dollar signs, which would start a formula."""
    return text.replace("$", r"\$")


def _set_axes(chart: Chart, axes: Axes, drawn: Sequence[Points], lines: int) -> None:
    scales = axes.set_xscale, axes.set_yscale
    x_axis, y_axis = (axes.yaxis, axes.xaxis) if chart.horizontal else (axes.xaxis, axes.yaxis)
    set_x_scale, set_y_scale = reversed(scales) if chart.horizontal else scales
    x_axis.set_label_text(_escaped(chart.x_label), fontsize=11)
    y_axis.set_label_text(_escaped(wrapped(chart.y_label, LABEL_WIDTH // lines)), fontsize=11)
    set_x_scale("log" if chart.log_x else "linear")
    set_y_scale("log" if chart.log_y else "linear")
    for axis, is_log, values in (
        (x_axis, chart.log_x, [points.x for points in drawn]),
        (y_axis, chart.log_y, [points.y for points in drawn]),
    ):
        if is_log and values:
            _set_log_ticks(axis, np.concatenate(values))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(AXIS)
    axes.tick_params(labelsize=10, color=AXIS)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    if chart.integer_x:
        x_axis.set_major_locator(MultipleLocator(integer_step(drawn)))
    if chart.categories is not None:
        _set_categories(chart, axes)
    if chart.reference is not None:
        add_line = axes.axvline if chart.horizontal else axes.axhline
        add_line(chart.reference, color=GREY, linewidth=1)
    if chart.symlog is not None:
        axes.set_yticks(*ticks(_places(drawn), chart.symlog))
    for x, text in chart.marks:
        axes.axvline(x, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}
        place: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points"}
        axes.annotate(
            _escaped(text), (x, 0.02), (3, 0), color=GREY, fontsize=9, rotation=90, bbox=box, **place
        )


def _set_log_ticks(axis: Axis, values: np.ndarray) -> None:
    axis.set_major_locator(FixedLocator(log_ticks(values)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _places(drawn: Sequence[Points]) -> np.ndarray:
    return np.concatenate([[points.y, points.low, points.high] for points in drawn] or [[]], axis=None)


def _set_categories(chart: Chart, axes: Axes) -> None:
    labels = [_escaped(label) for label in chart.tick_labels]
    n = len(labels)
    if chart.horizontal:
        axes.set_yticks(range(n), labels)
        axes.set_ylim(chart.category_range)
        axes.grid(False, axis="y")
        return
    # Not even upright names fit beside each other if there are more than 45.
    every = math.ceil(n / 45) or 1
    angle = 0
    if chart.crowded:
        angle = 35 if n <= 20 else 90
    axes.set_xticks(range(0, n, every), labels[::every], rotation=angle, rotation_mode="anchor")
    if angle:
        for label in axes.get_xticklabels():
            label.set(ha="right", va="center" if angle == 90 else "top")
    axes.set_xlim(chart.category_range)
    axes.grid(False, axis="x")


def _draw(chart: Chart, axes: Axes, drawn: Sequence[Points]) -> list[Any]:
    """Draw each series and return its handle for the legend."""
    n_beside = 1 if chart.stacked else sum(points.series.kind == "bars" for points in drawn)
    width = _BARS / max(n_beside, 1)
    offset = (width - _BARS) / 2
    heights: Counter[float] = Counter()
    handles = []
    for points in drawn:
        if points.series.kind in ("dots", "joined"):
            handles.append(_dots(chart, axes, points))
        elif points.series.kind == "bars":
            beside = points._replace(x=points.x + offset)
            bottoms = np.array([heights[x] for x in points.x])
            handles.append(_bars(chart, axes, beside, width, bottoms))
            if chart.stacked:
                heights.update(dict(zip(points.x, points.y, strict=True)))
            else:
                offset += width
        else:
            handles.append(_line(axes, points))
    return handles


def _bars(chart: Chart, axes: Axes, points: Points, width: float, bottoms: np.ndarray) -> Any:
    color, hatch = points.series.style.color, _HATCHES[points.series.style.dash]
    look: dict[str, Any] = {"color": color, "hatch": hatch, "edgecolor": "white", "linewidth": 0.5}
    if chart.horizontal:
        return axes.barh(points.x, points.y, width, left=bottoms, **look)
    return axes.bar(points.x, points.y, width, bottom=bottoms, **look)


def _dots(chart: Chart, axes: Axes, points: Points) -> Any:
    style = points.series.style
    x, y = (points.y, points.x) if chart.horizontal else (points.x, points.y)
    if points.has_interval:
        errors: dict[str, Any] = {"xerr" if chart.horizontal else "yerr": points.errors}
        axes.errorbar(x, y, **errors, fmt="none", ecolor=style.color, elinewidth=1.3, capsize=3, zorder=2.5)
    edge, width, face = "white", 0.6, style.color
    if points.series.hollow:
        edge, width, face = style.color, 1.4, "none"
    marker: dict[str, Any] = {"marker": _SYMBOLS[style.symbol], "markersize": 7 * style.scale}
    marker |= {"markeredgecolor": edge, "markeredgewidth": width, "markerfacecolor": face}
    line: dict[str, Any] = {"linestyle": "none"}
    if points.series.kind == "joined":
        line = {"linestyle": _DASHES[style.dash], "linewidth": 1}
    return axes.plot(x, y, zorder=3, color=style.color, **line, **marker)[0]


def _line(axes: Axes, points: Points) -> Any:
    style = points.series.style
    if points.series.kind == "thread":
        return axes.plot(
            points.x, points.y, color=style.color, linewidth=0.7, alpha=THREAD_OPACITY, zorder=1.5
        )[0]
    # A value of a step holds until the next one.
    step: Any = "post" if points.series.kind == "step" else None
    if points.has_interval:
        look: dict[str, Any] = {"color": style.color, "alpha": BAND_OPACITY, "lw": 0}
        known = np.isfinite(points.low)
        axes.fill_between(points.x, points.low, points.high, where=known, step=step, **look)
    line: dict[str, Any] = {
        "color": style.color,
        "linestyle": _DASHES[style.dash],
        "linewidth": 0.9 * points.series.width,
    }
    line["drawstyle"] = "steps-post" if step else "default"
    marker: dict[str, Any] = {"marker": _SYMBOLS[style.symbol], "markersize": 5.5 * style.scale}
    marker |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
    marker["markevery"] = math.ceil(len(points.x) / MAX_MARKERS) or 1
    return axes.plot(points.x, points.y, **line, **marker)[0]
